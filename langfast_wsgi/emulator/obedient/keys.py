"""A JSON object without a schema: the keys that the prompt quotes, with the user's values."""

import re
from collections.abc import Sequence

from langfast_wsgi.emulator.obedient.spots import folded
from langfast_wsgi.emulator.obedient.supply import Supply
from langfast_wsgi.emulator.obedient.vocabulary import listed

_KEY = re.compile(r"[A-Za-z_][\w -]{0,40}\Z")
_SHOWN = re.compile(r'"([A-Za-z_][\w -]{0,40})"\s{0,9}:')
_QUOTED = re.compile(
    r'"([^"\n]{1,41})"|“([^”\n]{1,41})”|(?<![^\W_])\'([^\'\n]{1,41})\'(?![^\W_])|`([^`\n]{1,41})`'
)
_JOINT = re.compile(r"(?=.*(?:[,;&/\n]|\b(?:and|or|plus)\b)).{0,60}", re.S)
_ANNOUNCED = re.compile(
    r"\b(?:keys?|fields?|propert(?:y|ies)|attributes?|members?|json object with)\b", re.I
)
_COUNTED = listed(
    "age count number num year total price amount quantity score size length width height weight "
    "temperature population rating id days hours minutes sum result difference product cost "
    "level rank index percent percentage distance duration value max min average people"
)
_MOST = 30


def keyed_schema(texts: Sequence[str], supply: Supply) -> dict[str, object]:
    """Return a schema for the object that the texts ask for; "answer" if they quote no keys."""
    names = next(filter(None, (_keys(text) for text in texts)), ["answer"])[:_MOST]
    properties = {name: {"type": _kind(name, supply)} for name in names}
    return {"type": "object", "properties": properties, "required": list(names)}


def quoted_keys(texts: Sequence[str]) -> list[str]:
    """Return the keys that the first of the texts that quotes any wants."""
    return next(filter(None, (_keys(text) for text in texts)), [])[:_MOST]


def _keys(text: str) -> list[str]:
    """Return the keys in an example object, else those quoted after "keys" or at all."""
    shown = [match[1] for match in _SHOWN.finditer(text)]
    if shown:
        return list(dict.fromkeys(shown))
    announced = _ANNOUNCED.search(text)
    if announced is not None:
        sentence = re.split(r"[.!?;]\s|\n\s*\n", text[announced.end() :], maxsplit=1)[0]
        found = _list(sentence)
        if found:
            return found
    return _list(text)


def _list(sentence: str) -> list[str]:
    """Return the quoted words up to where their list ends: no comma, no "and" any more."""
    found: list[str] = []
    end = 0
    for match in _QUOTED.finditer(sentence):
        between = sentence[end : match.start()]
        if found and not _JOINT.fullmatch(between):
            break
        found += _quoted(match[0])
        end = match.end()
    return found


def _quoted(text: str) -> list[str]:
    words = (next(filter(None, match.groups())) for match in _QUOTED.finditer(text))
    return list(dict.fromkeys(word for word in words if _KEY.match(word)))


def _kind(name: str, supply: Supply) -> str:
    words = set(folded(name).split())
    if words & _COUNTED and supply.left("number"):
        return "number"
    return "boolean" if words & {"is", "has"} else "string"
