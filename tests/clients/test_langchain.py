"""langchain-openai against a real gateway: tools, structured output, many at once."""

import pytest

from tests.clients.conftest import Run
from tests.clients.node.program import Facts

PERSON = {"name": "Zoë", "age": 7}


@pytest.fixture(scope="module")
def facts(run: Run) -> Facts:
    return run("openai3", "langchain_features.py")


@pytest.mark.parametrize("fact", ["tools", "responses_tools"])
def test_bound_tools_are_called_and_their_results_told(facts: Facts, fact: str) -> None:
    seen = facts.value(fact)
    (call,) = seen["calls"]
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    assert "rain in Paris" in seen["last"]
    assert not seen["last_calls"]


def test_streamed_chunks_add_up_to_a_call(facts: Facts) -> None:
    seen = facts.value("tools_streamed")
    (call,) = seen["calls"]
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    assert not seen["invalid"]


@pytest.mark.parametrize(
    "method", ["json_schema", "function_calling", "json_mode", "after_a_bad_answer", "responses"]
)
def test_structured_output_is_parsed(facts: Facts, method: str) -> None:
    assert facts.value(f"structured_{method}") == {"parsed": PERSON, "error": None}


def test_structured_output_can_be_streamed(facts: Facts) -> None:
    assert facts.value("structured_streamed")[-1] == PERSON


def test_a_batch_runs_side_by_side(facts: Facts) -> None:
    assert facts.value("many_at_once") == [f"number {n}" for n in range(12)]


def test_events_of_a_stream_are_told(facts: Facts) -> None:
    assert facts.value("events") == [
        "on_chat_model_end",
        "on_chat_model_start",
        "on_chat_model_stream",
    ]
