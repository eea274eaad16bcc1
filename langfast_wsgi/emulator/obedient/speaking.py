"""Plain text, where neither a call nor JSON is wanted."""

from collections.abc import Sequence

_LONGEST = 2000


def told(results: Sequence[str]) -> str:
    """Return a sentence that holds the results of tools, word for word."""
    if len(results) == 1:
        return f"The tool says: {results[0]}"
    return "The tools say: " + "\n".join(results)


def quoted(words: str) -> str:
    """Return a sentence of ten words or more that quotes the conversation."""
    words = words.strip()
    if not words:
        return "There is nothing in this conversation that I could quote, so I only say this."
    return f'You said "{words[:_LONGEST]}", and this answer does no more than to quote it.'
