"""Cutting a text into pieces: always the same cuts for the same text, never inside a character."""

_ABOUT = 12  # characters in a piece
_FEWEST = 3
# Content is cumulative, so many pieces of a long text cost the square of their number.
_MOST = 500


def default_count(length: int) -> int:
    """How many pieces a text of this length gets by itself."""
    return min(length, _MOST, max(_FEWEST, -(-length // _ABOUT)))


def cuts(length: int, count: int | None) -> list[int]:
    """Where the pieces end; as many as asked for, but none of them empty."""
    wanted = default_count(length) if count is None else min(count, length)
    return [length * number // wanted for number in range(1, wanted + 1)]
