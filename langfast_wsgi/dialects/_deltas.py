"""Text on its way into a stream: how long a piece may be, and what cannot be taken back."""

from collections.abc import Iterator

from langfast_wsgi.errors import UpstreamGarbled

PIECE = 10_000  # characters: escaped at worst six bytes each, a line stays below 64 KiB


def pieces(text: str) -> Iterator[str]:
    """The text in pieces that fit into a line each; none of an empty one."""
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def rewritten() -> UpstreamGarbled:
    """The text does not begin with what was sent of it."""
    return UpstreamGarbled(
        "The upstream rewrote text that was already sent.", code="upstream_inconsistent"
    )
