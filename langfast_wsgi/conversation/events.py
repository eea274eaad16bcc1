"""What happens during a run, as frozen records.

A stream is an iterator of these. A failure is no event: it is raised, as a
:class:`~langfast_wsgi.errors.GatewayError`. Which event may follow which stands in ``order.py``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused


@dataclass(frozen=True, slots=True)
class Text:
    """New text, to be put behind all text that came before. Never empty, always valid Unicode.

    Two hints. ``last``: the end follows without any wait, so a writer may join the two. ``bell``:
    behind this text the stream pauses at this bell, so nobody needs to read on in order to see it.
    """

    delta: str
    last: bool = False
    bell: "Bell | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Replaced:
    """The whole text so far, because it does not extend what came before.

    What was streamed cannot be taken back: the encoder of a stream ends with an error, the fold of
    an unstreamed answer takes this text.
    """

    text: str


class Bell(Protocol):
    """What a stream that pauses waits for."""

    #: Called by whoever brings news, in place of waking who waits: True where that saw to them.
    listener: Callable[[], bool] | None

    def wait(self) -> bool:
        """Block until there is news (True), or the time has come to look around (False)."""
        ...


@dataclass(frozen=True, slots=True)
class Pause:
    """The stream has nothing now. It never blocks: who reads it waits for the bell, then goes on.

    So a stream may be read by whoever has the time, as long as it is one at a time.
    """

    bell: Bell


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is complete; ``reason`` is one of OpenAI's finish reasons.

    ``stop`` is the stop sequence before which the text ends, where one has ended it.
    """

    reason: str
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the whole run. Comes behind the end, from a stage that was asked to count."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one of several answers says. They come side by side, numbered from 0.

    The end of each is said so, too; the end of them all, and their usage, by events of their own.
    """

    choice: int
    event: "Event"


Event: TypeAlias = (
    Text | Replaced | CallBegun | CallArguments | Refused | Chosen | Pause | Finished | Usage
)

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})


def awaited(events: Iterable[Event]) -> Iterator[Event]:
    """The events, with the waiting done: only those pauses remain at which no news came in time."""
    for event in events:
        if not isinstance(event, Pause) or not event.bell.wait():
            yield event
