"""JSON from what a model wrote: mended where that is sure, else by a library that guesses.

A guess is only as good as what judges it afterwards: a schema, or the name of a tool. A document
that merely stops too early is no subject for guesses, its rest is lost; but closing brackets are
added. Where a limit cut the answer, not even these: its last number may be half a number.
"""

import json
from typing import Any

from langfast_wsgi.stages.mending import Document, State

# The library takes quadratic time on some texts, 0.2 s for such, and the whole worker waits for it.
LONGEST_GUESS = 3_000  # characters
_MOST_BRACKETS = 200
_BLOCK = 4096  # a text may hold many documents, and is not to be copied for each
_CLOSING = {"{": "}", "[": "]"}


def dumps(value: Any) -> str:
    """JSON text as OpenAI writes it. Raises ValueError for a number that JSON cannot carry."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def mended(
    text: str, brackets: str = "{", *, start: int = 0, cut: bool = False
) -> tuple[str, int] | None:
    """The first document in a text as valid JSON, and where it ends; None where there is none.

    ``cut``: the text did not end by itself.
    """
    document = Document(brackets)
    found: list[str] = []
    for at in range(start, len(text), _BLOCK):
        found.append(document.feed(text[at : at + _BLOCK]))
        if document.state in (State.WHOLE, State.BROKEN):
            break
    if not cut:
        found.append(document.finish())
    return ("".join(found), start + document.length) if document.state is State.WHOLE else None


def guessed(text: str, brackets: str = "{") -> tuple[str, int] | None:
    """The same for a document that cannot be mended, if it is broken and not merely cut."""
    document = Document(brackets)
    document.feed(text)
    return _guessed(text, brackets) if document.state is State.BROKEN else None


def _guessed(text: str, brackets: str) -> tuple[str, int] | None:
    begin = min(at for one in brackets if (at := text.find(one)) >= 0)
    end = text.rfind(_CLOSING[text[begin]]) + 1
    piece = text[begin:end]
    brackets_in_it = piece.count("{") + piece.count("[")
    if not 0 < len(piece) <= LONGEST_GUESS or brackets_in_it > _MOST_BRACKETS:
        return None
    from json_repair import repair_json  # not before it is needed: it takes 20 ms to load

    try:
        value = repair_json(piece, return_objects=True, skip_json_loads=True)
        if not value or not isinstance(value, dict if piece[0] == "{" else list):
            return None
        # Mended once more: a guess may hold halves of characters.
        document = Document(brackets)
        found = document.feed(json.dumps(value, allow_nan=False))
    except (ValueError, RecursionError):
        return None
    return (found, end) if document.state is State.WHOLE else None
