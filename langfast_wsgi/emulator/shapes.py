"""Checking the small JSON objects that people write by hand: faults, steering, scripted replies.

A table says for each key what its value must be; what does not fit is named in one clear sentence.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class BadShape(ValueError):
    """A value that cannot be used, with a sentence that names where and why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value must be: how to say it and how to tell."""

    says: str
    fits: Callable[[Any], bool]


Table = Mapping[str, Kind]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


TEXT = Kind("a text", lambda value: isinstance(value, str))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
ANYTHING = Kind("anything", lambda _: True)
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
# JSON has no infinity, but Python's and TOML's parsers do.
SECONDS = Kind("a number of seconds", lambda v: _number(v) and 0 <= v < float("inf"))
LINE = Kind("a text of one line", lambda v: TEXT.fits(v) and v.isprintable())
WAIT = Kind("a number of seconds or a text of one line", lambda v: SECONDS.fits(v) or LINE.fits(v))
INDEX = Kind("a whole number from 0", lambda value: _whole(value) and value >= 0)
COUNT = Kind("a whole number from 1", lambda value: _whole(value) and value >= 1)
STATUS = Kind("an HTTP status from 200 to 599", lambda v: _whole(v) and 200 <= v <= 599)


def one_of(names: Iterable[str]) -> Kind:
    """One of these words."""
    words = tuple(names)
    return Kind("one of " + ", ".join(words), lambda value: value in words)


def some_of(names: Iterable[str]) -> Kind:
    """One of these words or a list of them."""
    words = tuple(names)

    def fits(value: object) -> bool:
        given = value if isinstance(value, list) else [value]
        return all(isinstance(word, str) and word in words for word in given)

    return Kind("one or more of " + ", ".join(words), fits)


def _texts(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(map(TEXT.fits, value))


TEXTS = Kind("a text or a list of texts", lambda v: TEXT.fits(v) or _texts(v))


def checked(given: object, table: Table, where: str) -> dict[str, Any]:
    """The object, if each of its keys is in the table and fits; raises :class:`BadShape`."""
    if not isinstance(given, dict):
        raise BadShape(f"{where} must be an object")
    for key, value in given.items():
        kind = table.get(key)
        if kind is None:
            raise BadShape(f"{where}: {key!r} is not known; known are {', '.join(sorted(table))}")
        if not kind.fits(value):
            raise BadShape(f"{where}: {key!r} must be {kind.says}")
    return given
