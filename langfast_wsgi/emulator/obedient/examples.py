"""The envelope of calls, learnt from the example call that a prompt shows."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from langfast_wsgi.emulator.obedient.brackets import Span, open_brackets, span
from langfast_wsgi.emulator.obedient.documents import whole
from langfast_wsgi.emulator.obedient.envelopes import (
    ARGUMENTS,
    ARGUMENTS_AS_TEXT,
    HERMES,
    NAME,
    NUMBER,
    QUOTED_NAME,
    Envelope,
)
from langfast_wsgi.emulator.obedient.markers import around, mentioned_tags

_NAMES = ("name", "tool_name", "tool", "function_name", "function", "action")
_ARGUMENTS = ("arguments", "parameters", "input", "args", "action_input", "tool_input")
_KEY = re.compile(rf'"({"|".join(_ARGUMENTS)})"\s{{0,20}}:')
_ID = re.compile(r'("(?:id|call_id|tool_call_id)"\s{0,9}:\s{0,9}")[^"\n]{0,80}"')
_TRIED = 40
_REACH = 1500

_REACT = re.compile(r"^Action:.{0,300}\n(?:.{0,300}\n)?Action Input:", re.M)
_TAGGED = re.compile(
    r"<(?P<tag>[\w:-]{1,40})(?:=|\s+name=)(?P<quote>[\"']?)(?P<name>[^\"'>\n]{1,80})(?P=quote)>"
    r"(?P<joint>\s{0,4})(?P<body>[{<][^\n]{0,400}?|\.\.\.|…)(?P<tail>\s{0,4})</(?P=tag)>"
)
_DEFINING = re.compile(r"tool|function_definition|schema|param", re.I)


def envelope(texts: Sequence[str]) -> Envelope:
    """Return the envelope that the texts show, in which no definitions stand any more."""
    found = [one for text in texts for one in _shown(text)]
    marked = [one for one in found if one.opening or one.together]
    if marked:
        return marked[0]
    tags = next((tags for text in texts if (tags := mentioned_tags(text))), None)
    bare = found[0] if found else None
    if tags is not None:
        unit = bare.unit if bare else HERMES.unit
        return Envelope(tags.opening, unit, tags.closing)
    return bare or next(filter(None, map(_wordy, texts)), HERMES)


def _shown(text: str) -> Iterator[Envelope]:
    for match in islice(_KEY.finditer(text), _TRIED):
        call = _call(text, match.start())
        if call is not None:
            yield _envelope(text, call)


def _call(text: str, place: int) -> Span | None:
    """Return the call in which a key of arguments stands."""
    brackets = open_brackets(text, max(0, place - _REACH), place)
    found = span(text, brackets[-1]) if brackets and text[brackets[-1]] == "{" else None
    if found is None or _first(_NAMES, found) is None or _first(_ARGUMENTS, found) is None:
        return None
    return found


def _first(keys: Sequence[str], call: Span) -> str | None:
    return next((key for key in keys if key in call.keys), None)


def _envelope(text: str, call: Span) -> Envelope:
    """Take the object apart into what surrounds a call, a call, and what separates them."""
    outer, array, element = _surroundings(text, call)
    marks = around(text, outer.start, outer.end)
    before, after = text[element.start : call.start], text[call.end : element.end]
    # Calls that carry ids must not all carry that of the example.
    unit = _ID.sub(rf'\g<1>call_{NUMBER}"', before + _unit(text, call) + after)
    if array is None:
        return Envelope(marks.opening, unit, marks.closing)
    opening = marks.opening + text[outer.start : array.start + 1]
    return Envelope(opening, unit, text[array.end - 1 : outer.end] + marks.closing, together=True)


def _surroundings(text: str, call: Span) -> tuple[Span, Span | None, Span]:
    """Return the outermost object around a call, the array in it, and the array's element."""
    outer, array, element = call, None, call
    brackets = open_brackets(text, max(0, call.start - _REACH), call.start)
    for place in reversed(brackets):
        between = text[place + 1 : outer.start].strip()
        listed = text[place] == "[" and not between
        keyed = text[place] == "{" and between.startswith('"') and between.endswith(":")
        wider = span(text, place) if listed or keyed else None
        if wider is None:
            break
        if listed and array is None:
            array, element = wider, outer
        outer = wider
        if array is None:
            element = outer
    return outer, array, element


def _unit(text: str, call: Span) -> str:
    """Return the call with places for name and arguments, its keys in the same order."""
    shown = text[call.start : call.end]
    name, arguments = _first(_NAMES, call), _first(_ARGUMENTS, call)
    as_text = re.search(rf'"{arguments}"\s{{0,9}}:\s{{0,9}}"\{{', shown) is not None
    places = {name: QUOTED_NAME, arguments: ARGUMENTS_AS_TEXT if as_text else ARGUMENTS}
    # Other members, such as a type, are kept where the example is JSON and shows them.
    example = whole(shown)
    others = example if isinstance(example, dict) else {}
    members = [
        f'"{key}": {places[key]}' if key in places else f'"{key}": "{others[key]}"'
        for key in call.keys
        if key in places or re.fullmatch(r"[\w-]{1,40}", str(others.get(key, "")))
    ]
    return "{" + ", ".join(dict.fromkeys(members)) + "}"


def _wordy(text: str) -> Envelope | None:
    """Return an envelope that names the tool outside of JSON: ReAct, <function=name>…"""
    if _REACT.search(text):
        return Envelope("", f"Action: {NAME}\nAction Input: {ARGUMENTS}", "")
    for match in _TAGGED.finditer(text):
        if _DEFINING.fullmatch(match["tag"]):
            continue
        head = text[match.start() : match.start("name")] + NAME
        head += text[match.end("name") : match.start("body")]
        return Envelope("", f"{head}{ARGUMENTS}{match['tail']}</{match['tag']}>", "")
    return None
