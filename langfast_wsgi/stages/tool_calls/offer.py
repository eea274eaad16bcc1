"""The tools that a model may call in one request, ready to be told and to be checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.errors import BadRequest
from langfast_wsgi.stages.schemas import Schema, UnusableSchema

PLACE = "tools[{}].function.parameters"  # how a chat completion names it
_NAMESPACE = re.compile(r"^(?:functions?|tools?)[.:/]", re.I)


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool and what checks its arguments."""

    tool: Tool
    schema: Schema


class Offer:
    """What the model may call. Empty where the caller allows no call at all.

    ``required``: a text alone is no answer. ``single``: no second call counts.
    """

    def __init__(self, use: ToolUse, place: str = PLACE) -> None:
        """Raises BadRequest for parameters that are no JSON Schema; ``place`` is their param."""
        self._offered = {
            tool.name: Offered(tool, _schema(tool, place.format(index)))
            for index, tool in enumerate(use.tools)
        }
        if use.choice == "none":
            self._offered.clear()
        elif use.allowed is not None:
            self._offered = {
                name: self._offered[name] for name in use.allowed if name in self._offered
            }
        self._alike = {short: name for name in self._offered if (short := alike(name))}
        self.required = use.choice == "required" and bool(self._offered)
        self.single = not use.parallel

    def __bool__(self) -> bool:
        return bool(self._offered)

    def tools(self) -> Sequence[Tool]:
        """What is to be told."""
        return [offered.tool for offered in self._offered.values()]

    def names(self) -> Sequence[str]:
        """Of all that may be called."""
        return list(self._offered)

    def find(self, name: str) -> Offered | None:
        """The tool of this name, or of one that a model writes for it."""
        return self._offered.get(name) or self._offered.get(self._alike.get(alike(name), ""))


def alike(name: str) -> str:
    """What models keep of a name: ``functions.getWeather`` is ``get_weather``."""
    return re.sub(r"[^0-9a-z]", "", _NAMESPACE.sub("", name).lower())


def _schema(tool: Tool, param: str) -> Schema:
    parameters: Any = {} if tool.parameters is None else tool.parameters
    try:
        return Schema(parameters)
    except UnusableSchema as error:
        raise BadRequest(
            f"Invalid schema for function '{tool.name}': {error}",
            code="invalid_function_parameters",
            param=param,
        ) from error
