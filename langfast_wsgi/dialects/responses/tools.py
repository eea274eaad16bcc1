"""The tools of a response: functions, in the flat form of this API."""

from collections.abc import Sequence

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.dialects._validation import cut
from langfast_wsgi.dialects.responses.fields import AllowedTools, Body, Choice, NamedTool
from langfast_wsgi.errors import BadRequest

_PARAMETERS = "tools[{}].parameters"


def tool_use(fields: Body) -> ToolUse | None:
    """What may be called; None where the request has no tools. Raises BadRequest."""
    chosen = fields.tool_choice
    if not fields.tools:
        if chosen not in (None, "none", "auto"):
            raise BadRequest(
                "Tool choice must be accompanied by 'tools': there is nothing to choose from.",
                param="tool_choice",
            )
        return None
    names: set[str] = set()
    for index, tool in enumerate(fields.tools):
        if tool.name in names:
            raise BadRequest(
                f"Invalid value: '{tool.name}'. Each name may stand for one function only.",
                code="invalid_value",
                param=f"tools[{index}].name",
            )
        names.add(tool.name)
    tools = [Tool(one.name, one.description, one.parameters) for one in fields.tools]
    parallel = fields.parallel_tool_calls is not False
    if not isinstance(chosen, Choice):
        return ToolUse(tools, chosen or "auto", None, parallel, _PARAMETERS)
    mode = chosen.mode if isinstance(chosen, AllowedTools) else "required"
    return ToolUse(tools, mode, _known(_named(chosen), names), parallel, _PARAMETERS)


def _named(chosen: Choice) -> Sequence[NamedTool]:
    if isinstance(chosen, AllowedTools):
        return chosen.tools
    return [chosen] if isinstance(chosen, NamedTool) else []


def _known(named: Sequence[NamedTool], names: set[str]) -> Sequence[str]:
    for one in named:
        if one.name not in names:
            raise BadRequest(
                f"Tool choice '{cut(one.name)}' not found in 'tools' parameter.",
                code="invalid_value",
                param="tool_choice",
            )
    return [one.name for one in named]
