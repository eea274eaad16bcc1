"""The tools of a chat completion, in OpenAI's present form and in the deprecated one."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.dialects._validation import cut
from langfast_wsgi.dialects.chat.fields import Body, Function, Named, ToolChoice
from langfast_wsgi.errors import BadRequest

Mode: TypeAlias = Literal["none", "auto", "required"]

_PARAMETERS = "tools[{}].function.parameters"
_DEPRECATED_PARAMETERS = "functions[{}].parameters"


def tool_use(fields: Body) -> ToolUse | None:
    """What may be called; None where the request has no tools. Raises BadRequest."""
    if fields.tools and fields.functions:
        raise BadRequest(
            "Invalid request: 'functions' and 'tools' cannot be used together.", param="functions"
        )
    functions = [tool.function for tool in fields.tools or () if tool.function is not None]
    _check_choices(fields)
    if functions:
        tools = _told(functions, "tools[{}].function.name")
        return _chosen(tools, fields.tool_choice, parallel=fields.parallel_tool_calls is not False)
    if fields.functions:
        tools = _told(fields.functions, "functions[{}].name")
        return _called(tools, fields.function_call)
    return None


def _check_choices(fields: Body) -> None:
    """To choose among nothing makes sense only where nothing is wanted."""
    for name, companion in (("tool_choice", "tools"), ("function_call", "functions")):
        chosen = getattr(fields, name)
        if chosen not in (None, "none", "auto") and not getattr(fields, companion):
            raise BadRequest(
                f"Invalid value for '{name}': '{name}' is only allowed when '{companion}' are"
                " specified.",
                param=name,
            )


def _told(functions: Sequence[Function], place: str) -> list[Tool]:
    names: set[str] = set()
    for index, function in enumerate(functions):
        if function.name in names:
            raise BadRequest(
                f"Invalid value: '{function.name}'. Each name may stand for one function only.",
                code="invalid_value",
                param=place.format(index),
            )
        names.add(function.name)
    return [Tool(one.name, one.description, one.parameters) for one in functions]


def _chosen(tools: Sequence[Tool], choice: Mode | ToolChoice | None, *, parallel: bool) -> ToolUse:
    if not isinstance(choice, ToolChoice):
        return ToolUse(tools, choice or "auto", None, parallel, _PARAMETERS)
    allowed = choice.allowed_tools
    named = [one.function for one in allowed.tools] if allowed else [choice.function]
    names = _known([one.name for one in named if one], tools, "tool_choice", "tools")
    return ToolUse(tools, allowed.mode if allowed else "required", names, parallel, _PARAMETERS)


def _called(tools: Sequence[Tool], call: Literal["none", "auto"] | Named | None) -> ToolUse:
    """The deprecated answer has room for one call."""
    if isinstance(call, Named):
        names = _known([call.name], tools, "function_call", "functions")
        return ToolUse(tools, "required", names, False, _DEPRECATED_PARAMETERS)
    return ToolUse(tools, call or "auto", None, False, _DEPRECATED_PARAMETERS)


def _known(
    names: Sequence[str], tools: Sequence[Tool], choice: str, companion: str
) -> Sequence[str]:
    known = {tool.name for tool in tools}
    for name in names:
        if name not in known:
            raise BadRequest(
                f"Invalid value for '{choice}': '{cut(name)}' is not found in '{companion}'.",
                code="invalid_value",
                param=choice,
            )
    return names
