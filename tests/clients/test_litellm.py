"""litellm as a client of a real gateway: tools, structured output, exceptions, its router."""

import pytest

from tests.clients.conftest import Run
from tests.clients.node.program import Facts


@pytest.fixture(scope="module")
def facts(run: Run) -> Facts:
    return run("openai2", "litellm_features.py")


def test_a_tool_is_called_and_its_result_told(facts: Facts) -> None:
    seen = facts.value("tools")
    assert (seen["name"], seen["finish"]) == ("get_weather", "tool_calls")
    assert seen["arguments"] == '{"city":"Paris"}'
    assert "rain in Paris" in seen["last"]


def test_streamed_chunks_add_up_to_a_call(facts: Facts) -> None:
    assert facts.value("tools_streamed") == {
        "name": "get_weather",
        "arguments": '{"city":"Paris"}',
        "finish": "tool_calls",
    }


def test_a_pydantic_model_is_filled(facts: Facts) -> None:
    assert facts.value("typed") == {"name": "Zoë", "age": 7}


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        ("too_many", "litellm.RateLimitError"),
        ("out_of_range", "litellm.BadRequestError"),
        ("too_long_a_wait", "litellm.Timeout"),
    ],
)
def test_refusals_are_mapped_to_its_own_exceptions(facts: Facts, fact: str, kind: str) -> None:
    assert facts.thrown(fact)["kinds"][0] == kind


@pytest.mark.parametrize("api", ["responses", "messages", "completions"])
def test_it_speaks_the_other_apis_too(facts: Facts, api: str) -> None:
    assert facts.value(f"over_{api}") == "hello"


def test_its_router_falls_back_to_another_deployment(facts: Facts) -> None:
    assert facts.value("routed") == "hello"
