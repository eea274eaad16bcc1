"""Tool calls, streamed and not."""

import json
from collections.abc import Mapping
from typing import Any

from langfast_wsgi.cli.conformance import wording
from langfast_wsgi.cli.conformance.answer import dig
from langfast_wsgi.cli.conformance.check import Group
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.conformance.server import Messages

GROUP = Group("Tools")


def _tool(name: str, argument: str) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
    }
    function = {"name": name, "description": f"Tells the {name[4:]}.", "parameters": parameters}
    return {"type": "function", "function": function}


WEATHER, TIME = _tool("get_weather", "city"), _tool("get_time", "city")
_NAMES = ("get_weather", "get_time")
_QUESTION = "What is the weather in Paris, and what time is it there? Use both tools."
_BOTH = "".join(
    f'<tool_call>{{"name": "{name}", "arguments": {{"city": "Paris"}}}}</tool_call>\n'
    for name in _NAMES
)


def _asking_for_both(look: Look) -> Messages:
    """Messages upon which two tools are to be called."""
    if look.server.steerable:
        return look.server.saying(_BOTH)
    return [wording.user(_QUESTION)]


@GROUP.check(15, "A tool call has its id, its name and arguments in JSON text", Tag.SPEC)
def tool_answer(look: Look) -> None:
    """A call of the one tool that is offered is required: `content` is null, the reason is
    `tool_calls`, and each call has an id of its own, its type, the tool's name and a JSON text.
    """
    answer = look.completed(
        [wording.user("How is the weather in Paris?")],
        optional="tools",
        model=look.server.obedient,
        tools=[WEATHER],
        tool_choice="required",
    )
    message = dig(answer.json, "choices", 0, "message")
    calls = dig(message, "tool_calls")
    if not look.must(isinstance(calls, list) and calls, "tool_calls in the message", message):
        return
    look.must(dig(message, "content") is None, "content: null", dig(message, "content"))
    look.must(
        answer.finish_reason == "tool_calls", "finish_reason: tool_calls", answer.finish_reason
    )
    for call in calls:
        name, arguments = dig(call, "function", "name"), dig(call, "function", "arguments")
        found = dig(call, "id")
        look.must(isinstance(found, str) and found, "an id of the call", call)
        look.must(dig(call, "type") == "function", "type: function", call)
        look.must(name == "get_weather", "the name of the tool", call)
        look.must(_is_object_text(arguments), "arguments as the JSON text of an object", arguments)
    look.must(len({dig(call, "id") for call in calls}) == len(calls), "no id twice", calls)


def _is_object_text(arguments: object) -> bool:
    try:
        return isinstance(arguments, str) and isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


@GROUP.check(31, "A call's deltas name it once, then bring arguments", Tag.SDK)
def tool_deltas(look: Look) -> None:
    """A stream in which two tools are to be called: the first delta of each index has its id, type
    and name, later ones its arguments alone; indices are contiguous, one entry for each in a
    chunk, never an empty list; and the arguments add up to JSON.
    """
    stream = look.streamed(
        _asking_for_both(look),
        optional="tools",
        model=look.server.obedient,
        tools=[WEATHER, TIME],
        tool_choice="required",
    )
    gathered: dict[int, str] = {}
    for choice in stream.of(0):
        entries = dig(choice, "delta", "tool_calls")
        if not isinstance(entries, list):
            continue
        look.must(entries, "no empty tool_calls", choice)
        indices = [dig(entry, "index") for entry in entries]
        look.must(len(set(map(str, indices))) == len(indices), "one entry for an index", entries)
        for entry in entries:
            _take(look, gathered, entry)
    if not look.must(gathered, "deltas with tool_calls", stream.ending):
        return
    for arguments in gathered.values():
        look.must(_is_object_text(arguments), "arguments that add up to JSON", arguments)
    look.must(
        stream.finish_reasons == ["tool_calls"],
        "one finish_reason: tool_calls",
        stream.finish_reasons,
    )


def _take(look: Look, gathered: dict[int, str], entry: Mapping[str, Any]) -> None:
    """One fragment, into what came before it."""
    index, function = dig(entry, "index"), dig(entry, "function")
    if index not in gathered:
        look.must(index == len(gathered), "indices that are contiguous from 0", entry)
        first = dig(entry, "id") and dig(entry, "type") == "function" and dig(function, "name")
        look.must(first, "id, type and name in the first delta of a call", entry)
    else:
        again = [name for name in ("id", "type") if dig(entry, name)]
        again += ["name"] if dig(function, "name") else []
        look.must(not again, "index and arguments alone in later deltas of a call", entry)
    piece = dig(function, "arguments")
    text = piece if isinstance(piece, str) else ""
    gathered[index] = gathered.get(index, "") + text


@GROUP.check(32, "parallel_tool_calls: false gives one call at the most", Tag.SPEC)
def one_call(look: Look) -> None:
    """The same question, and no two calls at once: streamed and not, there is one at the most."""
    fields: dict[str, Any] = {
        "model": look.server.obedient,
        "tools": [WEATHER, TIME],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    }
    answer = look.completed(_asking_for_both(look), optional="parallel_tool_calls", **fields)
    calls = dig(answer.json, "choices", 0, "message", "tool_calls")
    look.must(isinstance(calls, list) and len(calls) == 1, "one call", calls)
    stream = look.streamed(_asking_for_both(look), **fields)
    deltas = [dig(choice, "delta", "tool_calls") for choice in stream.of(0)]
    found = {str(dig(one, "index")) for many in deltas if isinstance(many, list) for one in many}
    look.must(found == {"0"}, "one call in a stream as well", sorted(found))
