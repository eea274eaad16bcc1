"""The anthropic SDK against a real gateway: tools, stop sequences, counting, models."""

import json

import pytest

from tests.clients.conftest import Run
from tests.clients.node.program import Facts


@pytest.fixture(scope="module")
def facts(run: Run) -> Facts:
    return run("openai3", "anthropic_features.py")


def test_a_tool_is_used_and_its_result_told(facts: Facts) -> None:
    seen = facts.value("tools")
    assert (seen["name"], seen["input"]) == ("get_weather", {"city": "Paris"})
    assert (seen["stop"], seen["last_stop"]) == ("tool_use", "end_turn")
    assert "rain in Paris" in seen["last"]


def test_a_tools_input_is_streamed(facts: Facts) -> None:
    seen = facts.value("tools_streamed")
    assert json.loads("".join(seen["parts"])) == seen["input"] == {"city": "Paris"}
    assert seen["stop"] == "tool_use"


def test_a_stop_sequence_ends_the_text(facts: Facts) -> None:
    assert facts.value("stopped") == {
        "text": "one two",
        "stop": "stop_sequence",
        "sequence": " three",
    }


def test_tokens_are_counted_as_they_will_be_used(facts: Facts) -> None:
    seen = facts.value("counted")
    assert seen["counted"] == seen["used"] > 5


def test_models_are_listed(facts: Facts) -> None:
    assert {"gpt-4o", "echo", "auto"} <= set(facts.value("models"))
