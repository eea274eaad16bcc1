"""The vocabulary of tool calls."""

import dataclasses

import pytest

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused, Tool, ToolUse


@pytest.mark.parametrize(
    "record",
    [CallBegun(0, "i", "n"), CallArguments(0, "{}"), Refused("x"), Tool("n"), ToolUse([])],
    ids=repr,
)
def test_a_record_is_frozen_and_slotted(record: object) -> None:
    assert not hasattr(record, "__dict__")
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        record.name = "x"  # type: ignore[attr-defined]
