"""openai-agents against a real gateway: tools, events, an output type, a handoff."""

import pytest

from tests.clients.conftest import Run
from tests.clients.node.program import Facts


@pytest.fixture(scope="module")
def facts(run: Run) -> Facts:
    return run("openai3", "agents_features.py")


@pytest.mark.parametrize("fact", ["tools", "responses_tools"])
def test_an_agent_calls_its_tool_and_tells_the_result(facts: Facts, fact: str) -> None:
    seen = facts.value(fact)
    assert "rain in Paris" in seen["output"]
    assert seen["items"] == ["tool_call_item", "tool_call_output_item", "message_output_item"]
    assert seen["requests"] == 2


def test_a_streamed_run_tells_each_step(facts: Facts) -> None:
    seen = facts.value("tools_streamed")
    assert seen["names"] == ["tool_called", "tool_output", "message_output_created"]
    assert "rain in Paris" in seen["output"]


@pytest.mark.parametrize("fact", ["typed", "responses_typed"])
def test_an_output_type_is_filled(facts: Facts, fact: str) -> None:
    assert facts.value(fact) == {"name": "Zoë", "age": 7}


def test_an_agent_hands_off_to_another(facts: Facts) -> None:
    assert facts.value("handed_off") == {"output": "I am the expert.", "who": "Expert"}


def test_a_turn_goes_on_from_a_response_that_the_gateway_keeps(facts: Facts) -> None:
    assert facts.value("remembered_by_the_gateway") == "two"
