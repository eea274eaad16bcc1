"""Definitions of tools in decoded documents, as opposed to calls and to other data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from langfast_wsgi.emulator.obedient.shapes import is_schema

_NAME = re.compile(r"(?=.*[^\W\d_])[\w.:/-]{1,128}\Z")
_PARAMETERS = ("parameters", "input_schema", "inputSchema")
_ARGUMENTS = ("arguments", "input")
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the prompt offers.

    name: as a call must give it.
    parameters: the JSON Schema of its arguments.
    """

    name: str
    parameters: dict[str, object]


def definitions(value: object, depth: int = 0) -> Iterator[Tool]:
    """Yield the tools that a document defines, itself or inside."""
    tool = definition(value)
    if tool is not None:
        yield tool
        return
    if depth == _DEEPEST:
        return
    inner: Iterator[object] = iter(())
    if isinstance(value, dict):
        inner = (child for key, child in value.items() if key != "tool_choice")
    elif isinstance(value, list):
        inner = iter(value)
    for child in inner:
        yield from definitions(child, depth + 1)


def definition(value: object) -> Tool | None:
    """Return the tool that an object defines, bare or wrapped as {"function": {…}}."""
    if not isinstance(value, dict):
        return None
    wrapped = value.get("function")
    body = wrapped if isinstance(wrapped, dict) else value
    name = body.get("name")
    if not isinstance(name, str) or not _NAME.match(name):
        return None
    if any(key in body for key in _ARGUMENTS):
        return None
    return _with_parameters(name, body, declared=value.get("type") in ("function", "custom"))


def _with_parameters(name: str, body: dict[str, object], *, declared: bool) -> Tool | None:
    for key in _PARAMETERS:
        schema = body.get(key)
        if isinstance(schema, dict):
            return _tool(name, schema, described=declared or "description" in body)
    return Tool(name, {"type": "object"}) if declared else None


def _tool(name: str, schema: dict[str, object], *, described: bool) -> Tool | None:
    """Tell a definition from a call in the style {"name": …, "parameters": {values}}."""
    if not schema:
        return Tool(name, {"type": "object"})
    if is_schema(schema):
        return Tool(name, schema)
    if all(is_schema(child) for child in schema.values()):
        # Some prompts give the properties alone, without the object around them.
        return Tool(name, {"type": "object", "properties": schema, "required": list(schema)})
    told = described and any(isinstance(child, dict | list) for child in schema.values())
    return Tool(name, schema) if told else None
