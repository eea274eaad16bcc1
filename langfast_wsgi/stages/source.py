"""What a stage reads from."""

from collections.abc import Iterator

from langfast_wsgi.conversation.events import Event


def shut(events: Iterator[Event]) -> None:
    """Close the source of a stage that ends early; only a generator needs it."""
    close = getattr(events, "close", None)
    if close is not None:
        close()
