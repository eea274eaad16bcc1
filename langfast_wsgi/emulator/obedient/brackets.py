"""Brackets in text that is JSON but for placeholders: {"name": <name>, "arguments": {...}}."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]]')
_PAIRS = {"}": "{", "]": "["}
_REACH = 4000


@dataclass(frozen=True, slots=True)
class Span:
    """A bracketed piece of text; keys: the strings before colons directly inside."""

    start: int
    end: int
    keys: tuple[str, ...]


def open_brackets(text: str, start: int, end: int) -> list[int]:
    """Return where the brackets stand that are open at the end, the innermost last."""
    stack: list[int] = []
    for match in _TOKEN.finditer(text, start, end):
        if match[0] in ("{", "["):
            stack.append(match.start())
        elif match[0] in _PAIRS and stack and text[stack[-1]] == _PAIRS[match[0]]:
            stack.pop()
    return stack


def span(text: str, start: int) -> Span | None:
    """Return the piece whose bracket opens here, or None if it does not close soon."""
    stack: list[str] = []
    keys: list[str] = []
    for match in _TOKEN.finditer(text, start, start + _REACH):
        token = match[0]
        if token in ("{", "["):
            stack.append(token)
        elif token in _PAIRS:
            if stack and stack[-1] == _PAIRS[token]:
                stack.pop()
            if not stack:
                return Span(start, match.end(), tuple(keys))
        elif len(stack) == 1 and text[match.end() : match.end() + 8].lstrip().startswith(":"):
            keys.append(token[1:-1])
    return None
