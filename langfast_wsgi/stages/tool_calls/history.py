"""Past calls and their results, rewritten to the plain text that the model would have seen.

An assistant's calls become blocks in its text, in the form in which it is asked to call. Results
become one message of the user's, in the order of the calls, since the blocks bear no ids.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from langfast_wsgi.stages.instructions import Message, text_of
from langfast_wsgi.stages.repair import dumps
from langfast_wsgi.stages.tool_calls import prompt

_RESULT = ("tool", "function")


def holds_calls(messages: Sequence[Message]) -> bool:
    """Whether there is anything to rewrite."""
    return any(
        message.get("role") in _RESULT or message.get("tool_calls") or message.get("function_call")
        for message in messages
    )


def rewritten(messages: Sequence[Message]) -> list[Message]:
    """The conversation without ``tool_calls`` and the role ``tool``."""
    found: list[Message] = []
    called: dict[str, str] = {}  # ids of the last calls, in their order, and the names
    for are_results, group in groupby(messages, lambda one: one.get("role") in _RESULT):
        if are_results:
            found.append({"role": "user", "content": _results(list(group), called)})
            continue
        for message in group:
            calls = _calls(message)
            called = {str(one.get("id")): str(one["function"]["name"]) for one in calls} or called
            found.append(_assistant(message, calls) if calls else message)
    return found


def _calls(message: Message) -> Sequence[Mapping[str, Any]]:
    calls = [one for one in message.get("tool_calls") or () if one.get("function")]
    legacy = message.get("function_call")
    return [*calls, {"function": legacy}] if legacy else calls


def _assistant(message: Message, calls: Sequence[Mapping[str, Any]]) -> Message:
    text = text_of(message.get("content"))
    blocks = [_block(one["function"]) for one in calls]
    kept = {
        key: value for key, value in message.items() if key not in ("tool_calls", "function_call")
    }
    return {**kept, "content": "\n".join([text, *blocks] if text else blocks)}


def _block(function: Mapping[str, Any]) -> str:
    return prompt.call(str(function["name"]), function.get("arguments") or "{}")


def _results(messages: Sequence[Message], called: Mapping[str, str]) -> str:
    order = list(called)

    def place(message: Message) -> int:
        call = str(message.get("tool_call_id"))
        return order.index(call) if call in called else len(order)

    return "\n".join(_result(one, called) for one in sorted(messages, key=place))


def _result(message: Message, called: Mapping[str, str]) -> str:
    name = called.get(str(message.get("tool_call_id"))) or message.get("name")
    # A result must not be able to end its own block.
    text = text_of(message.get("content")).replace("</tool_response", "<\\/tool_response")
    opening = f"<tool_response name={dumps(name)}>" if name else "<tool_response>"
    return f"{opening}\n{text}\n</tool_response>"
