"""The tools of a message."""

from collections.abc import Sequence

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.dialects._validation import cut, missing
from langfast_wsgi.dialects.messages import fields
from langfast_wsgi.dialects.messages.fields import Asked, ToolChoice
from langfast_wsgi.errors import BadRequest

PLACE = "tools[{}].input_schema"
OWN = (None, "custom")  # the types of tools that the caller runs himself


def tool_use(asked: Asked) -> ToolUse | None:
    """What may be called; None where the request has no tools. Raises BadRequest."""
    tools = [_told(tool, index) for index, tool in enumerate(asked.tools or ())]
    _check_names(tools)
    choice = asked.tool_choice
    if not tools:
        if choice is not None and choice.type in ("any", "tool"):
            raise BadRequest(
                "Invalid value for 'tool_choice': it is only allowed where there are 'tools'.",
                param="tool_choice",
            )
        return None
    return _chosen(tools, choice or ToolChoice(type="auto"))


def _told(tool: fields.Tool, index: int) -> Tool:
    if tool.type not in OWN:
        raise BadRequest(
            f"Unsupported value: tools of type '{cut(tool.type or '')}' are not supported by this"
            " service, only tools of your own, with an 'input_schema'.",
            code="unsupported_value",
            param=f"tools[{index}].type",
        )
    for name in ("name", "input_schema"):
        if getattr(tool, name) is None:
            raise missing("tools", index, name)
    return Tool(tool.name or "", tool.description, tool.input_schema)


def _check_names(tools: Sequence[Tool]) -> None:
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.name in names:
            raise BadRequest(
                f"Invalid value: '{tool.name}'. Each name may stand for one tool only.",
                code="invalid_value",
                param=f"tools[{index}].name",
            )
        names.add(tool.name)


def _chosen(tools: Sequence[Tool], choice: ToolChoice) -> ToolUse:
    parallel = not choice.disable_parallel_tool_use
    if choice.type == "tool":
        if all(tool.name != choice.name for tool in tools):
            raise BadRequest(
                f"Invalid value: '{cut(choice.name or '')}' is not found in 'tools'.",
                code="invalid_value",
                param="tool_choice.name",
            )
        return ToolUse(tools, "required", [choice.name or ""], parallel, PLACE)
    if choice.type == "any":
        return ToolUse(tools, "required", None, parallel, PLACE)
    return ToolUse(tools, choice.type, None, parallel, PLACE)
