"""Strings that fit a JSON Schema, from the prompt where one does."""

from collections.abc import Iterator
from itertools import islice

from langfast_wsgi.emulator.obedient.checking import string_fits
from langfast_wsgi.emulator.obedient.formats import example, moulded
from langfast_wsgi.emulator.obedient.patterns import examples, is_untried
from langfast_wsgi.emulator.obedient.schemas import Schema
from langfast_wsgi.emulator.obedient.supply import Supply

_TRIED = 150
_WEAK = ("word", "leading", "sentence")  # kinds that give way to a default
_LONGEST = 20_000


def string_for(schema: Schema, name: str, supply: Supply, avoid: tuple[object, ...] = ()) -> str:
    """Return the first string of the prompt that fits, else one that is made to fit."""
    form = str(schema.get("format", ""))
    candidates = supply.strings(name, form.removeprefix("idn-"))
    if is_untried(schema.get("pattern")):
        candidates = iter(())
    for spot in islice(candidates, _TRIED):
        if spot.kind in _WEAK and isinstance(schema.get("default"), str):
            break
        text = moulded(spot.text, form)
        if text not in avoid and string_fits(text, schema):
            supply.use(spot)
            return text
    for text in _made(schema, name, supply):
        if text not in avoid and string_fits(text, schema):
            return text
    return next(_made(schema, name, supply))


def _made(schema: Schema, name: str, supply: Supply) -> Iterator[str]:
    default = schema.get("default")
    if isinstance(default, str):
        yield default
    form = example(schema.get("format"))
    if form is not None:
        yield form
        yield from (f"{number}{form}" for number in range(1, 20))
    yield from examples(schema.get("pattern"))
    first = next(supply.strings(name), None)
    text = first.text if first else "text"
    yield _sized(text, schema)
    yield from (_sized(f"{text} {number}", schema) for number in range(2, 30))
    # Too short to carry a word and a number: single characters, each different.
    yield from (_sized(chr(code) + text, schema) for code in range(ord("a"), ord("z") + 1))


def _sized(text: str, schema: Schema) -> str:
    """Repeat or cut a text until its length is allowed."""
    least, most = _length(schema.get("minLength"), 0), _length(schema.get("maxLength"), _LONGEST)
    copies = -(-(min(least, _LONGEST) + 1) // (len(text) + 1))
    text = " ".join([text] * max(copies, 1))
    return text[: max(most, 0)] if len(text) > most else text


def _length(value: object, otherwise: int) -> int:
    return int(value) if isinstance(value, int | float) else otherwise
