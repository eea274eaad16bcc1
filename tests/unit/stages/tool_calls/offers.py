"""The tools that these tests offer."""

from typing import Any

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.stages.tool_calls.offer import Offer

WEATHER = Tool(
    "get_weather",
    "Tells the weather in a city.",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
        "additionalProperties": False,
    },
)
ADD = Tool(
    "add_numbers",
    None,
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
PING = Tool("ping")


def offer(*tools: Tool, **use: Any) -> Offer:
    """These tools, or all three."""
    return Offer(ToolUse(tools or (WEATHER, ADD, PING), **use))
