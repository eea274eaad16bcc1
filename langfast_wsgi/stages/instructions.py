"""Instructions of the gateway's own, put into a conversation, and the schemas in them."""

from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

# These carry nothing that a model needs; all else may matter.
_IDLE = frozenset({"title", "$schema", "$id", "$comment"})
# Their members have names that the caller chose.
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "default", "examples"})


def instructed(messages: Sequence[Message], text: str) -> list[Message]:
    """The conversation with a text behind its first instructions, or before all if there are none.

    Some models take one message with instructions and only in front. The messages given are not
    changed.
    """
    if messages and messages[0].get("role") in ("system", "developer"):
        return [_extended(messages[0], text), *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _extended(message: Message, text: str) -> Message:
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [*content, {"type": "text", "text": text}]}
    return {**message, "content": f"{content}\n\n{text}" if content else text}


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def compact(schema: Any) -> Any:
    """A schema without what says nothing to a model."""
    if isinstance(schema, list):
        return [compact(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {key: _member(key, part) for key, part in schema.items() if key not in _IDLE}


def _member(key: str, part: Any) -> Any:
    if key in _DATA:
        return part
    if key in _NAMED and isinstance(part, Mapping):
        return {name: compact(one) for name, one in part.items()}
    return compact(part)
