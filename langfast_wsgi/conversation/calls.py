"""The vocabulary of tool calls: what may be called, and what a stream says when it happens.

A call is said in two steps, so that its arguments can stream: CallBegun, then CallArguments until
the next call or the end. Calls are numbered from 0 without a gap. Nothing of a call is said before
all of it was found valid (see ``stages/tool_calls``), so a call that was begun is a call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The model calls a tool; ``id`` is what the caller's answer to the call will name."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """More of the JSON text of a call's arguments. Never empty."""

    index: int
    delta: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What the model said where JSON of a schema was asked for and it gave none.

    It stands in place of all text.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. ``parameters`` is a JSON Schema; None takes anything."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The tools of a request, and how free the model is.

    ``allowed`` names the tools that may be called now; None means all of them. ``place`` is how the
    dialect calls the place of a tool's parameters, for a fault; ``{}`` stands for its index.
    """

    tools: Sequence[Tool]
    choice: Literal["none", "auto", "required"] = "auto"
    allowed: Sequence[str] | None = None
    parallel: bool = True
    place: str = "tools[{}].function.parameters"
