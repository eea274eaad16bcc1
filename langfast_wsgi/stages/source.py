"""What a stage reads from."""

from collections.abc import Iterator

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event

Said = Event | CallBegun | CallArguments | Refused
"""Whatever a stream may say: the events of plain text, and those that the stages here make."""


def shut(events: Iterator[Said]) -> None:
    """Close the source of a stage that ends early; only a generator needs it."""
    close = getattr(events, "close", None)
    if close is not None:
        close()
