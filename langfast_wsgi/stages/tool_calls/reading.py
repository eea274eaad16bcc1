"""The calls in an answer that calls: whatever marks them, what counts is the JSON between.

JSON is read where it begins, so that marks inside its strings end nothing. Only JSON that is broken
is taken to end at the next mark. What a model writes behind the calls is dropped, above all results
that it made up itself.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langfast_wsgi.stages.repair import guessed, mended
from langfast_wsgi.stages.tool_calls.offer import Offer

_NAME_KEYS = ("name", "tool_name", "function_name", "tool", "function", "action")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "tool_input", "action_input")
_CALL_KEYS = ("tool_calls", "tool_call", "function_calls", "function_call", "function")
_OTHER_KEYS = ("id", "type", "call_id", "index")

_BEGIN = re.compile(
    r"<(?:\w+:)?\w+(?:=|\s+name\s*=\s*)[\"']?(?P<name>[\w.-]+)[\"']?\s*>\s*(?=\{)"
    r"|(?P<result><\|?(?:tool|function)_?(?:response|result|output)|\[TOOL_RESULT)"
    r"|\{|\[(?=\s*\{)",
    re.I,
)
_END = re.compile(r"</|```|~~~|\[/|<\|?tool|<function", re.I)


_MOST = 128  # calls
_MOST_DOCUMENTS = 500
_MOST_GUESSES = 3  # each may cost 0.2 s


@dataclass(frozen=True, slots=True)
class Found:
    """A call as the model wrote it; nothing of it is checked."""

    name: str
    arguments: Any


def read(text: str, offer: Offer, *, marked: bool, cut: bool = False) -> list[Found]:
    """The calls in a text that is marked as one, or else only begins like one.

    ``cut``: the text did not end by itself, so its last call may be half a call.
    """
    found: list[Found] = []
    for name, value in _documents(text, cut=cut):
        calls = [Found(name, value)] if name else list(_calls(value, offer, marked=marked))
        if (found and not calls) or len(found) >= _MOST:
            break
        found += calls
    return found


def bare_arguments(text: str, offer: Offer) -> list[Found]:
    """Where one tool alone may be called, and must be, its arguments alone are a call as well."""
    names, value = offer.names(), next((value for _, value in _documents(text, cut=False)), None)
    if not offer.required or len(names) != 1 or not isinstance(value, dict):
        return []
    return [Found(names[0], value)]


def _documents(text: str, *, cut: bool) -> Iterator[tuple[str | None, Any]]:
    """The JSON in a text, each with the name in the tag before it."""
    at, guesses = 0, 0 if cut else _MOST_GUESSES
    for _ in range(_MOST_DOCUMENTS):
        begin = _BEGIN.search(text, at)
        if begin is None or begin["result"]:
            return
        start = begin.end() if begin["name"] else begin.start()
        bracket = text[start]
        found = mended(text, bracket, start=start, cut=cut)
        if found is not None:
            at = found[1]
        else:
            # It is broken, and taken to end at the next mark.
            end = _END.search(text, start)
            piece = text[start : end.start() if end else len(text)]
            at = start + max(len(piece), 1)
            found = None if cut else mended(piece, bracket)
            if found is None and guesses:
                guesses -= 1
                found = guessed(piece, bracket)
        if found is not None and (value := _decoded(found[0])) is not None:
            yield begin["name"], value


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # an integer that is too long for Python
        return None


def _calls(value: Any, offer: Offer, *, marked: bool) -> Iterator[Found]:
    if isinstance(value, list):
        for one in value:
            yield from _calls(one, offer, marked=marked)
    if not isinstance(value, dict):
        return
    key = next((key for key in _NAME_KEYS if isinstance(value.get(key), str)), None)
    if key is not None:
        yield from _named(value, key, offer, marked=marked)
        return
    inner = next((value[key] for key in _CALL_KEYS if key in value), None)
    if inner is not None:
        yield from _calls(inner, offer, marked=marked)
    elif len(value) == 1 and offer.find(name := next(iter(value))):
        yield Found(name, value[name])


def _named(value: dict[str, Any], key: str, offer: Offer, *, marked: bool) -> Iterator[Found]:
    """A call that says its name; without a marker the name must be that of a tool."""
    name = value[key]
    if not marked and offer.find(name) is None:
        return
    arguments = next((one for one in _ARGUMENT_KEYS if one in value), None)
    if arguments is not None:
        yield Found(name, value[arguments])
        return
    others = {one: value[one] for one in value if one != key and one not in _OTHER_KEYS}
    if marked or not others:
        yield Found(name, others)
