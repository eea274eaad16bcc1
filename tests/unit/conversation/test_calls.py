"""The vocabulary of tool calls."""

import dataclasses

import pytest

from langfast_wsgi.conversation.calls import (
    CallArguments,
    CallBegun,
    Refused,
    Tool,
    ToolUse,
    of_functions,
)


@pytest.mark.parametrize(
    "record",
    [CallBegun(0, "i", "n"), CallArguments(0, "{}"), Refused("x"), Tool("n"), ToolUse([])],
    ids=repr,
)
def test_a_record_is_frozen_and_slotted(record: object) -> None:
    assert not hasattr(record, "__dict__")
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        record.name = "x"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("function_call", "tool_choice"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ({"name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_functions_are_tools(function_call: object, tool_choice: object) -> None:
    function = {"name": "f", "parameters": {}}
    tools, choice = of_functions([function], function_call)
    assert tools == [{"type": "function", "function": function}]
    assert choice == tool_choice
