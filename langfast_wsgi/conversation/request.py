"""What a caller wants run, freed from the dialect in which it was asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run. ``None`` means that the caller did not say: the provider's default holds.

    ``messages`` are the caller's own JSON objects, untouched: ``role``, ``content`` and whatever
    else stood in them.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_completion_tokens: int | None = None
