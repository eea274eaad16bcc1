"""How tools are told to a model: in the form that most open models were trained on (Hermes)."""

from typing import Any

from langfast_wsgi.conversation.calls import Tool
from langfast_wsgi.stages.instructions import compact
from langfast_wsgi.stages.repair import dumps
from langfast_wsgi.stages.tool_calls.offer import Offer

OPENING = "<tool_call>"
CLOSING = "</tool_call>"
FORM = f'{OPENING}\n{{"name": "<tool name>", "arguments": {{<arguments as JSON>}}}}\n{CLOSING}'


def instructions(offer: Offer) -> str:
    """What the model has to know in order to call."""
    tools = "\n".join(dumps(_told(tool)) for tool in offer.tools())
    return (
        "# Tools\n\n"
        "You can call these tools. Each line is one tool; its parameters are a JSON Schema.\n"
        f"<tools>\n{tools}\n</tools>\n\n"
        "To call a tool, reply with nothing but this, in exactly this form:\n"
        f"{FORM}\n"
        f"{_several(offer)}"
        "You then get the result in <tool_response></tool_response> tags, which you never write"
        " yourself.\n"
        f"{_choice(offer)}"
    )


NO_TOOLS = "You cannot call tools any more."


def call(name: str, arguments: str) -> str:
    """A call as the model would have written it; the arguments are JSON text."""
    return f'{OPENING}\n{{"name": {dumps(name)}, "arguments": {arguments}}}\n{CLOSING}'


def _several(offer: Offer) -> str:
    if offer.single:
        return "Make at most one tool call in an answer.\n"
    return "For several calls write several such blocks, one behind the other.\n"


def _choice(offer: Offer) -> str:
    names = offer.names()
    if not offer.required:
        return "If no tool helps, answer in plain words, without such a block."
    if len(names) == 1:
        return f"You must call the tool {dumps(names[0])} now."
    return "You must call a tool now; plain words are no answer."


def _told(tool: Tool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": tool.name}
    if tool.description:
        told["description"] = tool.description
    told["parameters"] = compact(tool.parameters or {"type": "object", "properties": {}})
    return told
