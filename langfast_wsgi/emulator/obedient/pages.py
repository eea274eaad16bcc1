"""The prompt as the runner received it: one page of plain text per message."""

from collections.abc import Iterable
from dataclasses import dataclass

# Names that other dialects give to the same parts in a conversation.
_ROLES = {
    "developer": "system",
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "function": "tool",
}
_KNOWN = ("system", "user", "assistant", "tool")

# Longer texts are cut: nothing that an emulator is asked in earnest is longer.
_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one message.

    role: system, user, assistant or tool; a role nobody knows counts as user.
    text: its text parts, joined by newlines.
    """

    role: str
    text: str


def pages(messages: object) -> tuple[Page, ...]:
    """Read messages of any quality; what has no text becomes an empty page."""
    entries = messages if isinstance(messages, list | tuple) else ()
    return tuple(_page(entry) for entry in entries if isinstance(entry, dict | str))


def _page(entry: dict[str, object] | str) -> Page:
    if isinstance(entry, str):
        return Page("user", entry[:_LONGEST])
    role = str(entry.get("role")).strip().lower()
    role = _ROLES.get(role, role)
    return Page(role if role in _KNOWN else "user", _text(entry.get("content"))[:_LONGEST])


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return _part(content)
    if isinstance(content, list | tuple):
        return "\n".join(_texts(content))
    return ""


def _texts(parts: Iterable[object]) -> Iterable[str]:
    for part in parts:
        text = part if isinstance(part, str) else _part(part)
        if text:
            yield text


def _part(part: object) -> str:
    """Return the text of a content part: "text", or "content" as in results of tools."""
    if not isinstance(part, dict):
        return ""
    for key in ("text", "content"):
        value = part.get(key)
        if isinstance(value, str):
            return value
    return ""
