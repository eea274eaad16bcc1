"""JSON documents that stand in a text, found in linear time whatever the text.

Decoding at every brace would be quadratic on texts that open many documents and
close none. So each failure is charged for the characters it read; a text that has
spent its allowance is searched only where a tool or a schema begins, and one that
has spent it twice is searched no further.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LOOSE = re.compile(r'\{\s*["}]|\[\s*[{\[]')
_STRICT = re.compile(r'\{\s*"(?:name|type|function|tools|properties|parameters|schema|\$schema)"')

_FAILURE = 50  # what a failure costs beside the characters it read
_TOO_DEEP = 10_000  # what a document costs that is nested too deep to decode
_STRIDE = 4096
_LONGEST_INTEGER = 300


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded object or array, and where it stands in the text."""

    value: object
    start: int
    end: int


def _integer(digits: str) -> int | None:
    """Leave out numbers that int() or a reader of the answer would refuse."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else None


def _float(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _no_constant(_: str) -> None:
    """NaN and Infinity are no JSON; an answer must not repeat them."""


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_no_constant)


def documents(text: str) -> tuple[Document, ...]:
    """Return the outermost JSON objects and arrays of objects in a text, in order."""
    return tuple(_scan(text))


def _scan(text: str) -> Iterator[Document]:
    allowance, spent, position = 4 * len(text) + 1_000_000, 0, 0
    # Decoding errors count the lines before them, so the text is kept short by
    # dropping what lies behind, one stride at a time.
    base, rest = 0, text
    while spent < 2 * allowance:
        opening = (_LOOSE if spent < allowance else _STRICT).search(text, position)
        if opening is None:
            return
        start = opening.start()
        if start - base > _STRIDE:
            base, rest = start, text[start:]
        found, cost = _decode(rest, start - base)
        if found is not None:
            yield Document(found.value, start, found.end + base)
            position = found.end + base
        else:
            position = start + 1
            spent += cost


def _decode(text: str, start: int) -> tuple[Document | None, int]:
    """Return the document that begins here, or None, and what the failure cost."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        unterminated = error.msg.startswith("Unterminated")
        read = (len(text) if unterminated else error.pos) - start
        return None, read + _FAILURE
    except RecursionError:
        return None, _TOO_DEEP
    except ValueError:
        return None, len(text) - start + _FAILURE
    return Document(value, start, end), 0


def whole(text: str) -> object:
    """Return the JSON value that a text is, or None."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
