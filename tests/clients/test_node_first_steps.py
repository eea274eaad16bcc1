"""What everybody does first, with each of the JavaScript clients, over each API that it speaks."""

from typing import Any

import pytest

from tests.clients.conftest import KEY
from tests.clients.node.program import Facts, run_program
from tests.support.gateway import GatewayProcess

TEXT = "Grüße aus der Küche: 😀 👩‍👩‍👧 naïve – und \u2028 auch das.\n\n```py\nprint('x')\n```"

CLIENTS = {
    "openai": ("openai_sdk.mjs", "chat"),
    "openai's stream helper": ("openai_sdk.mjs", "chatStreamHelper"),
    "openai's responses": ("openai_sdk.mjs", "responses"),
    "anthropic": ("anthropic_sdk.mjs", "messages"),
    "AI SDK, compatible": ("ai_sdk.mjs", "compatible"),
    "AI SDK, OpenAI's chat": ("ai_sdk.mjs", "chat"),
    "AI SDK, OpenAI's responses": ("ai_sdk.mjs", "responses"),
    "AI SDK, Anthropic": ("ai_sdk.mjs", "messages"),
    "agents, chat": ("agents.mjs", "chat"),
    "agents, responses": ("agents.mjs", "responses"),
    "langchain, chat": ("langchain.mjs", "chat"),
    "langchain, responses": ("langchain.mjs", "responses"),
}


@pytest.fixture(scope="module", params=CLIENTS, ids=str)
def facts(request: pytest.FixtureRequest, gateway: GatewayProcess, cut: str) -> Facts:
    module, name = CLIENTS[request.param]
    return run_program("first_steps.mjs", gateway.api, KEY, f"./{module}", name, cut)


def attempts(fact: dict[str, Any]) -> list[int]:
    return [attempt["status"] for attempt in fact["attempts"]]


def test_an_answer_has_its_text_to_the_last_character(facts: Facts) -> None:
    assert facts.value("whole")["text"] == TEXT


def test_usage_is_counted_streamed_or_not(facts: Facts) -> None:
    asked, answered = facts.value("whole")["usage"]
    streamed = facts.value("streamed")["usage"]
    assert asked > answered > 20, "the prompt is the text and what surrounds a message"
    assert streamed[0] > asked, "the same text within a steering message"
    assert streamed[1] == answered


def test_a_stream_shows_text_long_before_its_end(facts: Facts) -> None:
    streamed = facts.value("streamed")
    assert "".join(streamed["pieces"]) == streamed["text"] == TEXT
    assert len(streamed["pieces"]) >= 3
    assert streamed["seconds"] > 0.4, "of the 0.9 s that the answer takes after its first piece"
    assert streamed["finish"] == facts.value("whole")["finish"]


def test_an_answer_that_was_cut_short_says_so(facts: Facts) -> None:
    if "thrown" in facts["cut short"]:  # the agents over responses take none that is incomplete
        assert "response.incomplete" in facts.thrown("cut short")["message"]
        return
    short = facts.value("cut short")
    assert short["text"] == "Ein Satz. "
    if facts.value("whole")["finish"]:  # the agents over chat keep it to themselves
        assert short["finish"] in {"length", "max_tokens", "incomplete"}


@pytest.mark.parametrize("how", ["wrong key", "wrong key, streamed"])
def test_a_wrong_key_is_an_authentication_error(facts: Facts, how: str) -> None:
    thrown = facts.thrown(how)
    assert thrown["status"] == 401
    assert "API key" in thrown["message"]


def test_an_unknown_model_is_not_found(facts: Facts) -> None:
    thrown = facts.thrown("unknown model")
    assert thrown["status"] == 404
    assert "gpt-99" in thrown["message"]


def test_a_429_is_tried_again_when_the_gateway_says(facts: Facts) -> None:
    retried = facts.value("retried")
    assert retried["text"].startswith("third time lucky")
    assert attempts(retried) == [429, 429, 200]
    for before, after in zip(retried["attempts"], retried["attempts"][1:], strict=False):
        assert after["at"] - before["answered"] > 0.95 * float(before["retryAfter"])


def test_a_bad_request_is_not_tried_again(facts: Facts) -> None:
    assert attempts(facts.value("not retried")) == [400]
    assert facts.value("not retried")["thrown"]["status"] == 400


def test_a_failure_in_the_middle_of_a_stream_raises(facts: Facts) -> None:
    seen = facts.value("failed in the middle")
    assert seen["text"] == "One, two, three, a"
    assert "run ended as failed" in seen["thrown"]["message"]
    assert seen["ended"] is None


def test_a_connection_that_is_cut_in_the_middle_raises(facts: Facts) -> None:
    seen = facts.value("cut in the middle")
    assert "word word" in seen["text"]
    assert seen["text"] != "word " * 400
    assert seen["thrown"], seen["ended"]


def test_a_failure_in_the_middle_of_an_unstreamed_answer_raises(facts: Facts) -> None:
    assert facts.thrown("failed, unstreamed")["status"] == 502


def test_leaving_a_stream_frees_its_place(facts: Facts) -> None:
    left = facts.value("left the stream")
    assert left["inFlight"] == 1
    assert left["text"].startswith("word ")
    assert left["thrown"] or not left["ended"]["finish"], "a half text must not look whole"
    assert left["seconds"] is not None
    assert left["seconds"] < 2


def test_leaving_before_the_answer_frees_its_place(facts: Facts) -> None:
    left = facts.value("left before the answer")
    assert left["inFlight"] == 1
    assert "abort" in left["thrown"]["message"].lower()
    assert left["seconds"] is not None
    assert left["seconds"] < 2
