"""The emulator's models do what they say, seen through the gateway."""

import json
import time
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from tests.support.emulator import running_emulator
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.stream import read_stream


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    """As `make run` starts it: nothing configured."""
    with running_gateway() as process:
        yield process


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.api, api_key="any", max_retries=0) as openai_client:
        yield openai_client


def said(gateway: GatewayProcess, model: str, *messages: dict[str, object]) -> str:
    body = {"model": model, "messages": list(messages)}
    response = gateway.http.post(f"{gateway.api}/chat/completions", json=body, timeout=20)
    return str(response.json()["choices"][0]["message"]["content"])


def user(content: str) -> dict[str, object]:
    return {"role": "user", "content": content}


def test_its_models_are_listed_beside_the_others(client: OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert ids[-8:] == [
        "echo",
        "auto",
        "slow",
        "error-400",
        "error-429",
        "error-500",
        "flaky-429",
        "error-midstream",
    ]
    assert len(ids) == 17 + 8


@pytest.mark.parametrize(
    "text", ["héllo wörld, byte for byte 😀\n\t end ", '{"not": "steering"}', "a"]
)
def test_echo_says_the_last_user_message_in_several_chunks(
    gateway: GatewayProcess, text: str
) -> None:
    stream = read_stream(gateway.chat(text, model="echo", stream=True))
    assert stream.text == text
    if len(text) > 3:
        deltas = [chunk["choices"][0]["delta"].get("content") for chunk in stream.chunks]
        assert len([delta for delta in deltas if delta]) >= 3


def test_a_model_of_a_remote_emulator_is_waited_for_until_the_emulator_is_known() -> None:
    """Nobody knows that it is one, and what it offers, before its first answer."""
    with running_emulator() as remote:
        remote.faults(sign_up={"hang": 3.5, "times": 1})
        with running_gateway(remote, ready=False, MIN_CREDENTIALS=1) as fresh:
            assert fresh.chat("hello", model="echo").status_code == 200
            assert fresh.chat("hello", model="nobody's").status_code == 404


def test_echo_holds_the_result_of_a_tool(gateway: GatewayProcess) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = said(
        gateway,
        "echo",
        user("What is the weather?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "17 degrees"},
    )
    assert "17 degrees" in answer


TOOLS = """You can call these tools:
{"name": "get_weather", "parameters": {"type": "object", "properties": {"city":
{"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"]}}
{"name": "get_time", "parameters": {"type": "object", "properties": {}}}
To call one, answer with <tool_call>{"name": "…", "arguments": {…}}</tool_call>."""


def test_auto_calls_the_tool_that_the_user_names(gateway: GatewayProcess) -> None:
    system = {"role": "system", "content": TOOLS}
    answer = said(gateway, "auto", system, user("Use get_weather for Paris and 3 days"))
    call = json.loads(answer.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    assert call == {"name": "get_weather", "arguments": {"city": "Paris", "days": 3}}
    assert said(gateway, "auto", system, user("use both")).count("<tool_call>") == 2


def test_auto_fills_a_schema_and_obeys_say_exactly(gateway: GatewayProcess) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    system = {"role": "system", "content": f"Answer in JSON by this schema: {json.dumps(schema)}"}
    answer = said(gateway, "auto", system, user("Alice is 31 years old"))
    assert json.loads(answer) == {"name": "Alice", "age": 31}
    assert said(gateway, "auto", user("Please say exactly: So be it.")) == "So be it."
    assert len(said(gateway, "auto", user("Tell me of whales")).split()) >= 10


def test_slow_is_quiet_for_three_seconds_and_then_steady(client: OpenAI) -> None:
    began = time.monotonic()
    times = []
    stream = client.chat.completions.create(
        model="slow", messages=[{"role": "user", "content": "x"}], stream=True
    )
    for chunk in stream:
        if chunk.choices[0].delta.content:
            times.append(time.monotonic() - began)
        if len(times) == 12:
            break
    stream.close()
    assert 2.9 < times[0] < 3.6
    assert 0.9 < times[11] - times[1] < 1.3


def test_the_errors_become_the_sdks_own_classes(client: OpenAI) -> None:
    def ask(model: str) -> None:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}])

    with pytest.raises(openai.BadRequestError):
        ask("error-400")
    with pytest.raises(openai.RateLimitError) as limited:
        ask("error-429")
    assert limited.value.response.headers["retry-after"] == "1"
    with pytest.raises(openai.InternalServerError) as failed:
        ask("error-500")
    assert failed.value.status_code == 502


def test_flaky_429_is_cured_by_the_sdks_own_retries(gateway: GatewayProcess) -> None:
    with OpenAI(base_url=gateway.api, api_key="any") as patient:
        answer = patient.chat.completions.create(
            model="flaky-429", messages=[{"role": "user", "content": "third time lucky"}]
        )
    assert answer.choices[0].message.content == "third time lucky"


def test_error_midstream_sends_three_chunks_and_then_an_error(gateway: GatewayProcess) -> None:
    stream = read_stream(gateway.chat("x", model="error-midstream", stream=True))
    deltas = [chunk["choices"][0]["delta"].get("content") for chunk in stream.chunks]
    assert len([delta for delta in deltas if delta]) == 3
    assert stream.error
    assert stream.error["code"] == "upstream_disconnected"
    response = gateway.chat("x", model="error-midstream")
    assert (response.status_code, response.json()["error"]["code"]) == (
        502,
        "upstream_disconnected",
    )
