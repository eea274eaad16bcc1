"""Which of several names or values a text mentions, however it spells them."""

import re
from collections.abc import Iterable

from langfast_wsgi.emulator.obedient.spots import folded
from langfast_wsgi.emulator.obedient.vocabulary import DENYING

_LONGEST = 20_000


def mentions(values: Iterable[object], text: str) -> list[object]:
    """Return the values that a text mentions as words, in the order of their mention.

    The longest are looked for first, so that get_weather is not found in a mention of
    get_weather_forecast.
    """
    words = f" {folded(text[:_LONGEST])} "
    places: list[tuple[int, object]] = []
    for value in sorted(values, key=lambda one: -len(str(one))):
        name = _spelled(value)
        place = words.find(f" {name} ") if name else -1
        if place >= 0:
            places.append((place, value))
            blank = " " + "\0" * len(name) + " "
            words = words.replace(f" {name} ", blank)
    return [value for _, value in sorted(places, key=lambda one: one[0])]


def mentioned(values: Iterable[object], text: str) -> object | None:
    """Return the value that a text mentions first, or None."""
    return next(iter(mentions(values, text)), None)


def denied(name: str, text: str) -> bool:
    """Whether a text says no, off or false near a name, as in "no alerts" or "alerts: off"."""
    words = re.findall(r"[\w'’]+", folded_with_quotes(text[:_LONGEST]))
    wanted = folded(name).split()
    for place in range(len(words)):
        if wanted and words[place : place + len(wanted)] == wanted:
            near = words[max(0, place - 3) : place + len(wanted) + 3]
            if not DENYING.isdisjoint(near):
                return True
    return False


def folded_with_quotes(text: str) -> str:
    """Fold a text but for the apostrophes in don't and its kind."""
    return text.replace("_", " ").replace("’", "'").casefold()


def _spelled(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    return folded(str(value))
