"""What happens during a run, as frozen records.

A stream is an iterator of these. A failure is no event: it is raised, as a
:class:`~langfast_wsgi.errors.GatewayError`. Which event may follow which stands in ``order.py``.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """New text, to be put behind all text that came before. Never empty, always valid Unicode.

    ``last`` is a hint: the end follows without any wait, so a writer may join the two.
    """

    delta: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class Replaced:
    """The whole text so far, because it does not extend what came before.

    What was streamed cannot be taken back: the encoder of a stream ends with an error, the fold of
    an unstreamed answer takes this text.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing came for a moment: the time to look whether the caller is still there."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is complete; ``reason`` is one of OpenAI's finish reasons."""

    reason: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the whole run. Comes behind the end, from a stage that was asked to count."""

    prompt_tokens: int
    completion_tokens: int


Event: TypeAlias = Text | Replaced | Silence | Finished | Usage

SILENCE = Silence()

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})
