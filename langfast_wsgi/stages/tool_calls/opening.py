"""Whether an answer calls tools, told from its first characters, as soon as they can tell.

Theory: each question is asked of the beginning of a text, which may stop anywhere. The answer is
yes, no, or that more text is needed; it never changes when more text comes. Models drift from the
form in which they were asked to call: other tags, brackets or words for the marker, a code fence
around it, or the bare JSON. A marker says clearly that a call is meant. Bare JSON is a call only
where its first member says so: an answer may be JSON as well.
"""

import re
from collections.abc import Collection, Iterable
from enum import Enum

from langfast_wsgi.stages.tool_calls.offer import alike


class Verdict(Enum):
    """What an answer is."""

    UNSURE = "more text is needed"
    TEXT = "text"
    MARKED = "a call, for it says so"
    BARE = "JSON that begins like a call"


MARKERS = ("<tool_call>", "<tool_calls>", "<function_call>", "[TOOL_CALL]", "[TOOL_CALLS]")
"""What begins a call behind a text as well: nothing else is unmistakable there."""

# As models write them, without what is no letter.
_TAGS = (
    *("toolcall", "toolcalls", "toolcode", "tooluse", "toolrequest", "toolcallsbegin"),
    *("functioncall", "functioncalls", "pythontag"),
)
_NAMING_TAGS = ("function", "invoke", "tool")  # <function=name>, <invoke name="…">
_WORDS = ("toolcall", "toolcalls", "tooluse", "toolcode", "functioncall", "functioncalls")
_FENCES = ("", "json", "jsonc", "xml", *_WORDS)
_NAME_KEYS = ("name", "tool", "tool_name", "function", "function_name", "action")
_CALL_KEYS = ("tool_calls", "tool_call", "function_call", "function_calls", "arguments")
_KINDS = ("function", "functioncall", "toolcall", "tooluse")
_SPACES = ("", "functions", "function", "tools", "tool")  # functions.get_weather

_LONGEST = 400  # characters in which it must be told
_TAG = re.compile(r"<[|｜]?([\w▁:.-]*)")
_BRACKET = re.compile(r"\[\s*([A-Za-z_ ]*)")
_WORD = re.compile(r"[*_ ]*([A-Za-z]*(?:[*_ ]+[A-Za-z]*)?)[*_ ]*")
_FENCE = re.compile(r"(?:```|~~~)([\w+-]*)")
_KEY = re.compile(r"\{\s*([\"']?)([\w-]*)")
_STRING = re.compile(r"([\"'])([^\"']*)(.?)")


def verdict(text: str, names: Collection[str]) -> Verdict:
    """What an answer is that begins so, where tools of these names may be called."""
    text = text.lstrip()
    found = _verdict(text[:_LONGEST], names)
    return Verdict.TEXT if found is Verdict.UNSURE and len(text) >= _LONGEST else found


def _verdict(text: str, names: Collection[str]) -> Verdict:
    if not text:
        return Verdict.UNSURE
    if text[0] == "<":
        return _tag(text)
    if text[0] == "[":
        return _bracket(text, names)
    if text[0] == "{":
        return _object(text, names)
    return _fence(text, names) if text[0] in "`~" else _word(text, names)


def _tag(text: str) -> Verdict:
    """``<tool_call>``, ``<|tool_call|>``, ``<function=name>``"""
    tag = _TAG.match(text)
    assert tag is not None  # noqa: S101 - the text begins with it
    word, end = _plain(tag[1]), text[tag.end() : tag.end() + 1]
    if not end:
        return _among(word, (*_TAGS, *_NAMING_TAGS))
    known = _TAGS if end not in "= " else (*_TAGS, *_NAMING_TAGS)
    return Verdict.MARKED if word in known else Verdict.TEXT


def _bracket(text: str, names: Collection[str]) -> Verdict:
    """``[TOOL_CALL]``, ``[{…``"""
    bracket = _BRACKET.match(text)
    assert bracket is not None  # noqa: S101 - the text begins with it
    word, rest = bracket[1].strip(), text[bracket.end() :]
    if not rest:
        return _among(_plain(word), _WORDS)
    if rest[0] == "{" and not word:
        return _object(rest, names)
    return Verdict.MARKED if rest[0] == "]" and _plain(word) in _WORDS else Verdict.TEXT


def _word(text: str, names: Collection[str]) -> Verdict:
    """``TOOL_CALL: {…``"""
    word = _WORD.match(text)
    assert word is not None  # noqa: S101 - it matches nothing as well
    rest = text[word.end() :]
    if not rest:
        return _among(_plain(word[1]), _WORDS)
    rest = rest.lstrip("*: \n")
    if _plain(word[1]) not in _WORDS or (rest and rest[0] not in "{[<`"):
        return Verdict.TEXT
    if not rest or rest[0] == "{":
        return Verdict.MARKED if rest else Verdict.UNSURE
    return _marked(_verdict(rest, names))


def _fence(text: str, names: Collection[str]) -> Verdict:
    """A code fence around any of these."""
    fence = _FENCE.match(text)
    if fence is None:
        return _among(text, ("```", "~~~"))
    word, rest = _plain(fence[1]), text[fence.end() :]
    if not rest:
        return _among(word, _FENCES)
    inner = rest.lstrip()
    if word not in _FENCES or (inner and inner[0] not in "{[<"):
        return Verdict.TEXT
    found = _verdict(inner, names)
    return _marked(found) if word in _WORDS else found


def _marked(found: Verdict) -> Verdict:
    return Verdict.MARKED if found is Verdict.BARE else found


def _object(text: str, names: Collection[str]) -> Verdict:
    """``{"name": "get_weather"``"""
    key = _KEY.match(text)
    assert key is not None  # noqa: S101 - the text begins with it
    word, rest = key[2], text[key.end() :]
    keys = (*_NAME_KEYS, *_CALL_KEYS, "type", "id", *names)
    if not rest:
        return _among(word, keys)
    if word not in keys or not rest.startswith(key[1]):
        return Verdict.TEXT
    rest = rest.removeprefix(key[1]).lstrip()
    value = rest[1:].lstrip()
    if rest[:1] not in ("", ":"):
        return Verdict.TEXT
    return _value(word, value, names) if value else Verdict.UNSURE


def _value(key: str, value: str, names: Collection[str]) -> Verdict:
    if value[0] in "{[":
        begins = key in _CALL_KEYS or key in names or key == "function"
        return Verdict.BARE if begins else Verdict.TEXT
    string = _STRING.match(value)
    if string is None or key in _CALL_KEYS:
        return Verdict.TEXT
    if key == "id":
        begins = string[2].startswith("call")
        return Verdict.BARE if begins else _open(string, ("call",))
    known = _KINDS if key == "type" else tuple(alike(name) for name in names)
    if string[3]:
        return Verdict.BARE if alike(string[2]) in known else Verdict.TEXT
    return _open(string, [space + one for space in _SPACES for one in known])


def _open(string: re.Match[str], known: Iterable[str]) -> Verdict:
    if string[3]:
        return Verdict.TEXT
    return _among(re.sub(r"[^0-9a-z]", "", string[2].lower()), known)


def _among(beginning: str, known: Iterable[str]) -> Verdict:
    """A word that may not be whole yet."""
    fits = any(one.startswith(beginning) for one in known)
    return Verdict.UNSURE if fits else Verdict.TEXT


def _plain(word: str) -> str:
    return re.sub(r"[^a-z]", "", word.lower())
