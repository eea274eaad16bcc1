"""pydantic-ai against a real gateway: tools, output types, checks of its own, a conversation."""

import pytest

from tests.clients.conftest import Run
from tests.clients.node.program import Facts

YOUNG = {"name": "Zoë", "age": 7}


@pytest.fixture(scope="module")
def facts(run: Run) -> Facts:
    return run("openai3", "pydantic_ai_features.py")


@pytest.mark.parametrize("fact", ["tools", "responses_tools"])
def test_an_agent_calls_its_tool_and_tells_the_result(facts: Facts, fact: str) -> None:
    seen = facts.value(fact)
    assert "rain in Paris" in seen["output"]
    assert (seen["requests"], seen["tool_calls"]) == (2, 1)
    assert seen["tokens"][0] > 100, "of both requests, with the tool"


def test_an_agent_with_tools_streams_its_last_answer(facts: Facts) -> None:
    parts = facts.value("tools_streamed")
    assert "rain in Paris" in parts[-1]
    assert len(parts) > 1


@pytest.mark.parametrize("way", ["by_tool", "natively", "by_prompt", "by_responses"])
def test_an_output_type_is_filled(facts: Facts, way: str) -> None:
    assert facts.value(f"typed_{way}") == YOUNG


def test_a_typed_output_can_be_streamed(facts: Facts) -> None:
    assert facts.value("typed_streamed")[-1] == YOUNG


def test_what_an_output_validator_refuses_is_asked_for_again(facts: Facts) -> None:
    assert facts.value("asked_again") == {"person": {"name": "Zoë", "age": 70}, "requests": 2}


def test_a_conversation_goes_on(facts: Facts) -> None:
    assert facts.value("a_conversation") == {"output": "two", "messages": 4}
