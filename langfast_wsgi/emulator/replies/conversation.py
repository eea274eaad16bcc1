"""Reading a conversation: the text of a message, the last thing the user said."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]
_TOOL_ROLES = ("tool", "function")
# A client that has only text to send rewrites results so.
_RESULT = re.compile(r"<tool_response[^<>\n]*>\n?(.*?)\n?</tool_response>", re.DOTALL)


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else f"[{part.get('type', 'part')}]"


def text_of(message: Message) -> str:
    """A message's text; parts are joined by newlines, those without text named in brackets."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(_part_text(part) for part in content)
    return content if isinstance(content, str) else ""


def last_user_text(messages: Sequence[Message]) -> str:
    """What the user said last, or the empty string."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message)
    return ""


def ends_in_tool_result(messages: Sequence[Message]) -> bool:
    """Whether the last message is what a tool returned."""
    return bool(messages) and messages[-1].get("role") in _TOOL_ROLES


def echo(messages: Sequence[Message]) -> str:
    """The conversation's last word: the result of a tool, else what the user said."""
    return text_of(messages[-1]) if ends_in_tool_result(messages) else last_user_text(messages)


def last_result(messages: Sequence[Message]) -> str | None:
    """What tools returned right before this turn, several joined by newlines; None if none did."""
    if not ends_in_tool_result(messages):
        found = _RESULT.findall(last_user_text(messages))
        return "\n".join(found) if found else None
    results: list[str] = []
    for message in reversed(messages):
        if message.get("role") not in _TOOL_ROLES:
            break
        results.insert(0, text_of(message))
    return "\n".join(results)
