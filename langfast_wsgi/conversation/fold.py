"""Events to one completion: an unstreamed answer is the same stream, folded."""

from collections.abc import Iterable
from dataclasses import dataclass

from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer."""

    text: str
    finish_reason: str
    usage: Usage | None


def fold(events: Iterable[Event]) -> Completion:
    """Take all events up to the end. The stream must be in legal order (see ``order.py``)."""
    parts: list[str] = []
    reason = "stop"
    usage: Usage | None = None
    for event in events:
        if isinstance(event, Text):
            parts.append(event.delta)
        elif isinstance(event, Replaced):
            parts = [event.text]
        elif isinstance(event, Finished):
            reason = event.reason
        elif isinstance(event, Usage):
            usage = event
    return Completion("".join(parts), reason, usage)
