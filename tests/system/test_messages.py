"""The real anthropic SDK against gunicorn started as in the Procfile.

Numbers are those of docs/anthropic-wire.md.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
import requests
from anthropic import Anthropic, AsyncAnthropic, beta_tool
from pydantic import BaseModel

from tests.support.canaries import new
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.openapi import Document
from tests.support.raw import RawConnection, post
from tests.support.stream import steer
from tests.system.conftest import KEY

TEXT = "Grüße aus der Küche: 😀 👩‍👩‍👧 naïve – und \u2028 auch das.\n\n```py\nprint('x')\n```"
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
WEATHER: Any = {"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}
TIME: Any = {"name": "get_time", "input_schema": {"type": "object"}}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
CLOCK = '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>'
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[Anthropic]:
    with Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as one:
        yield one


def ask(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def steered(*texts: str, **steering: Any) -> list[Any]:
    """A message that makes the model say these texts, turn by turn."""
    return ask(steer(list(texts), **steering))  # type: ignore[arg-type]


def create(client: Anthropic, messages: Any, **fields: Any) -> Any:
    return client.messages.create(
        messages=messages, **{"model": "gpt-4o", "max_tokens": 1000, **fields}
    )


def streamed(client: Anthropic, messages: Any, **fields: Any) -> Any:
    """The same, streamed and put together by the SDK."""
    fields = {"model": "gpt-4o", "max_tokens": 1000, **fields}
    with client.messages.stream(messages=messages, **fields) as stream:
        return stream.get_final_message()


ASKING = pytest.mark.parametrize("asking", [create, streamed], ids=["unstreamed", "streamed"])


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def calls(message: Any) -> list[tuple[str, Any]]:
    return [(one.name, one.input) for one in message.content if one.type == "tool_use"]


def send(gateway: GatewayProcess, content: Any = "hi", **fields: Any) -> requests.Response:
    """A message without the SDK."""
    headers = fields.pop("headers", {})
    path = fields.pop("path", "/v1/messages")
    body = {"model": "gpt-4o", "max_tokens": 1000, "messages": ask(content), **fields}
    stream = bool(fields.get("stream"))
    return gateway.http.post(
        gateway.url + path, json=body, headers=headers, stream=stream, timeout=60
    )


def events_of(response: requests.Response) -> list[dict[str, Any]]:
    """The data of each event of a stream; its ``event:`` line says the same."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    found = []
    for frame in response.content.decode().strip("\n").split("\n\n"):
        if frame.startswith(":"):
            continue
        kind, told = frame.split("\n")
        found.append(json.loads(told.removeprefix("data: ")))
        assert kind == f"event: {found[-1]['type']}"
    return found


# --- text


@ASKING
def test_m1_an_answer_is_whole_and_counted(client: Anthropic, asking: Any) -> None:
    message = asking(client, ask(TEXT))
    assert message.id.startswith("msg_")
    assert (message.type, message.role, message.model) == ("message", "assistant", "gpt-4o")
    assert [block.type for block in message.content] == ["text"]
    assert text_of(message) == TEXT
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.output_tokens > 5
    assert message.system_fingerprint == "emulator"


def test_m8_both_count_the_same_and_m9_so_does_the_route_that_counts(client: Anthropic) -> None:
    fields: Any = {"system": "Be brief.", "tools": [WEATHER]}
    whole, put_together = (one(client, ask(TEXT), **fields) for one in (create, streamed))
    assert whole.usage == put_together.usage
    counted = client.messages.count_tokens(model="gpt-4o", messages=ask(TEXT), **fields)
    assert counted.input_tokens == whole.usage.input_tokens > 100
    plain = client.messages.count_tokens(model="gpt-4o", messages=ask(TEXT))
    assert 0 < plain.input_tokens < counted.input_tokens


def test_text_streams_while_it_is_written(client: Anthropic) -> None:
    messages = ask(steer("word " * 40, chunks=40, interval=0.02))
    with client.messages.stream(model="gpt-4o", max_tokens=99, messages=messages) as stream:
        arrived = [(piece, time.monotonic()) for piece in stream.text_stream]
    assert "".join(piece for piece, _ in arrived) == "word " * 40
    assert len(arrived) > 20
    assert arrived[-1][1] - arrived[0][1] > 0.3


@ASKING
def test_a_long_text_arrives_whole(client: Anthropic, asking: Any) -> None:
    long = "Straße 😀 \u2028" * 1500
    assert text_of(asking(client, ask(long), max_tokens=20_000)) == long


def test_async_callers_are_served_side_by_side(gateway: GatewayProcess) -> None:
    async def one(client: AsyncAnthropic, number: int) -> str:
        messages = ask(steer(f"number {number} " * 9, interval=0.05))
        async with client.messages.stream(
            model="gpt-4o", max_tokens=1000, messages=messages
        ) as stream:
            return "".join([piece async for piece in stream.text_stream])

    async def everybody() -> list[str]:
        async with AsyncAnthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
            plain = await client.messages.create(
                model="gpt-4o", max_tokens=10, messages=ask("plain")
            )
            assert text_of(plain) == "plain"
            return list(await asyncio.gather(*(one(client, number) for number in range(20))))

    assert asyncio.run(everybody()) == [f"number {number} " * 9 for number in range(20)]


def test_m2_what_the_model_is_told(client: Anthropic, emulator: EmulatorProcess) -> None:
    create(
        client,
        [
            {"role": "user", "content": "one"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "two"},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
                    {"type": "text", "text": "b"},
                ],
            },
        ],
        system=[{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        extra_body={"temperature": 0.25, "top_p": 0.5},
        max_tokens=77,
    )
    told = emulator.runs()[-1]["prompt_meta"]
    assert told["messages"] == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "a\nb"},
    ]
    limits = ("temperature", "top_p", "max_completion_tokens")
    assert [told[name] for name in limits] == [0.25, 0.5, 77]


# --- why it ended


@ASKING
def test_m6_a_stop_sequence_ends_the_text_and_is_named(client: Anthropic, asking: Any) -> None:
    message = asking(client, ask("one two three four"), stop_sequences=["zero", "three", "four"])
    assert text_of(message) == "one two "
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "three")
    message = asking(client, ask("one two"), stop_sequences=["three"])
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)


@ASKING
def test_m7_max_tokens_end_the_text(client: Anthropic, asking: Any) -> None:
    message = asking(client, ask("word " * 50), max_tokens=5)
    assert text_of(message) != "word " * 50
    assert ("word " * 50).startswith(text_of(message))
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens <= 5


# --- the wire of a stream


def test_m10_the_events_of_a_text_come_in_their_order(gateway: GatewayProcess) -> None:
    response = send(gateway, steer("Hello there, you.", chunks=3), stream=True)
    events = events_of(response)
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert set(kinds[3:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    start = events[0]["message"]
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert start["usage"]["input_tokens"] == events[-2]["usage"]["input_tokens"] > 0
    assert {event["index"] for event in events if "index" in event} == {0}
    assert b"[DONE]" not in response.content
    assert response.headers["cache-control"] == "no-cache"


def test_m11_text_comes_before_calls_each_in_a_block_of_its_own(gateway: GatewayProcess) -> None:
    content = steer(f"Let me look.\n{CALL}\n{CLOCK}")
    events = events_of(send(gateway, content, stream=True, tools=[WEATHER, TIME]))
    opened: list[int] = []
    closed: list[int] = []
    for event in events:
        if event["type"] == "content_block_start":
            assert opened == closed, "a block began while another was open"
            opened.append(event["index"])
        elif event["type"] == "content_block_stop":
            closed.append(event["index"])
        elif event["type"] == "content_block_delta":
            assert event["index"] == opened[-1]
            assert event["index"] not in closed
    assert opened == closed == [0, 1, 2]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_m12_heartbeats_are_comments_which_the_sdk_skips(emulator: EmulatorProcess) -> None:
    settings = {"HEARTBEAT_SECONDS": 0.3, "FIRST_BYTE_TIMEOUT": 1, "MIN_CREDENTIALS": 1}
    content = steer("at last", delay=5)
    with running_gateway(emulator, **settings) as patient:
        raw = send(patient, content, stream=True)
        lines = raw.content.decode().split("\n")
        assert lines.count(": ping") >= 2
        key = str(patient.http.headers["Authorization"]).removeprefix("Bearer ")
        with Anthropic(base_url=patient.url, api_key=key, max_retries=0) as client:
            assert text_of(streamed(client, ask(content))) == "at last"


def test_every_answer_and_event_is_as_the_document_tells(gateway: GatewayProcess) -> None:
    told = Document(gateway.get("/openapi.json").json())
    answers = told.content["paths"]["/v1/messages"]["post"]["responses"]
    schema = answers["200"]["content"]["text/event-stream"]["schema"]
    for content in (
        steer(f"So.\n{CALL}"),
        steer("a b c", chunks=3, fault="fail", at=2),
        steer("x", finish_reason="length"),
    ):
        for event in events_of(send(gateway, content, stream=True, tools=[WEATHER])):
            told.validate(schema, event)
    for status, fields in (
        (200, {"content": steer(f"So.\n{CALL}"), "tools": [WEATHER]}),
        (200, {"top_k": 1}),
        (400, {"max_tokens": 0}),
        (404, {"model": "nobody's"}),
        (502, {"content": steer(fault="start-500")}),
        (504, {"content": steer(fault="start-504")}),
    ):
        answer = send(gateway, **fields)
        assert answer.status_code == status
        told.check("POST", "/v1/messages", answer)
    counted = send(gateway, path="/v1/messages/count_tokens")
    told.check("POST", "/v1/messages/count_tokens", counted)
    for path, template in (("/v1/models", "/v1/models"), ("/v1/models/echo", "/v1/models/{id}")):
        told.check("GET", template, gateway.get(path, headers=VERSION))
    for path in ("/v1/models?limit=0", "/v1/models?after_id=x"):
        refused = gateway.get(path, headers=VERSION)
        assert refused.status_code == 400
        told.check("GET", "/v1/models", refused)
    told.check("GET", "/v1/models/{id}", gateway.get("/v1/models/x", headers=VERSION))
    nobody = requests.post(gateway.url + "/v1/messages", json={}, timeout=10)
    told.check("POST", "/v1/messages", nobody)


# --- tools


@ASKING
def test_m13_a_model_that_obeys_calls_and_then_tells_the_result(
    client: Anthropic, asking: Any
) -> None:
    messages = ask("How is the weather in Paris?")
    message = asking(client, messages, model="auto", tools=[WEATHER])
    assert message.stop_reason == "tool_use"
    (block,) = message.content
    assert (block.type, block.name, block.input) == ("tool_use", "get_weather", {"city": "Paris"})
    assert block.id.startswith("toolu_")
    result = {
        "type": "tool_result",
        "tool_use_id": block.id,
        "content": [{"type": "text", "text": "17 degrees and rain"}],
    }
    messages = [*messages, message.to_param(), {"role": "user", "content": [result]}]
    message = asking(client, messages, model="auto", tools=[WEATHER])
    assert message.stop_reason == "end_turn"
    assert "17 degrees and rain" in text_of(message)


@pytest.mark.parametrize("stream", [True, False])
def test_m34_the_sdks_own_loop_over_tools_comes_to_its_end(client: Anthropic, stream: bool) -> None:
    asked: list[str] = []

    @beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "17 degrees and rain"

    runner: Any = client.beta.messages.tool_runner(
        model="auto",
        max_tokens=1000,
        tools=[get_weather],
        messages=ask("How is the weather in Paris?"),
        stream=stream,
    )
    last = [part.get_final_message() for part in runner][-1] if stream else runner.until_done()
    assert asked == ["Paris"]
    assert "17 degrees and rain" in text_of(last)


def test_a_tool_that_failed_is_told_as_such(client: Anthropic, emulator: EmulatorProcess) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "X"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": "no such city",
        "is_error": True,
    }
    create(
        client,
        [
            *ask("Weather?"),
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result, {"type": "text", "text": "So?"}]},
        ],
        tools=[WEATHER],
    )
    *_, told, question = emulator.runs()[-1]["prompt_meta"]["messages"]
    assert "The tool failed: no such city" in told["content"]
    assert question == {"role": "user", "content": "So?"}


@ASKING
def test_m14_tool_choice_is_kept_to(client: Anthropic, asking: Any) -> None:
    tools = [WEATHER, TIME]
    both = steered(f"{CALL}\n{CLOCK}")
    assert [name for name, _ in calls(asking(client, both, tools=tools))] == [
        "get_weather",
        "get_time",
    ]
    single: Any = {"type": "auto", "disable_parallel_tool_use": True}
    assert len(calls(asking(client, both, tools=tools, tool_choice=single))) == 1
    any_of_them: Any = {"type": "any"}
    talkative = steered("I would rather talk.", CALL)
    message = asking(client, talkative, tools=tools, tool_choice=any_of_them)
    assert calls(message) == [("get_weather", {"city": "Paris"})]
    named: Any = {"type": "tool", "name": "get_time"}
    assert calls(asking(client, steered(CALL, CLOCK), tools=tools, tool_choice=named)) == [
        ("get_time", {})
    ]
    none: Any = {"type": "none"}
    message = asking(client, steered(CALL), tools=tools, tool_choice=none)
    assert (text_of(message), message.stop_reason) == (CALL, "end_turn")


@ASKING
def test_arguments_that_do_not_fit_are_asked_for_again(client: Anthropic, asking: Any) -> None:
    bad = '<tool_call>{"name": "get_weather", "arguments": {"days": 2}}</tool_call>'
    assert calls(asking(client, steered(bad, CALL), tools=[WEATHER])) == [
        ("get_weather", {"city": "Paris"})
    ]


def test_a_schema_that_is_none_is_a_400_that_names_it(client: Anthropic) -> None:
    bad: Any = {"name": "f", "input_schema": {"type": "number?"}}
    for asking in (create, streamed):
        with pytest.raises(anthropic.BadRequestError, match=r"tools\[1\]\.input_schema"):
            asking(client, ask("hi"), tools=[TIME, bad])
    with pytest.raises(anthropic.BadRequestError, match=r"tools\[0\]\.input_schema"):
        client.messages.count_tokens(model="gpt-4o", messages=ask("hi"), tools=[bad])


def test_m15_a_server_tool_is_a_400_that_names_it(client: Anthropic) -> None:
    tool: Any = {"type": "web_search_20250305", "name": "web_search"}
    with pytest.raises(anthropic.BadRequestError, match=r"tools\[0\]\.type.*web_search_20250305"):
        create(client, ask("hi"), tools=[tool])


# --- structured output


class Step(BaseModel):
    """What is parsed."""

    city: str
    days: int


@ASKING
def test_m16_an_output_format_is_filled(client: Anthropic, asking: Any) -> None:
    format_: Any = {"type": "json_schema", "schema": SCHEMA}
    message = asking(
        client, steered('Sure: {"city": "Rome", "days": 2}'), output_config={"format": format_}
    )
    assert json.loads(text_of(message)) == {"city": "Rome", "days": 2}


def test_m16_the_sdk_parses_to_the_model_that_it_was_given(client: Anthropic) -> None:
    asked: Any = {
        "model": "gpt-4o",
        "max_tokens": 100,
        "messages": steered('{"city": "Rome", "days": 2}'),
        "output_format": Step,
    }
    expected = Step(city="Rome", days=2)
    assert client.messages.parse(**asked).parsed_output == expected
    with client.messages.stream(**asked) as stream:
        assert stream.get_final_message().parsed_output == expected


@ASKING
def test_m17_words_in_place_of_json_are_a_refusal(client: Anthropic, asking: Any) -> None:
    format_: Any = {"type": "json_schema", "schema": SCHEMA}
    message = asking(client, steered("I will not."), output_config={"format": format_})
    assert (text_of(message), message.stop_reason) == ("I will not.", "refusal")
    assert message.stop_details.type == "refusal"


# --- keys


@pytest.mark.parametrize("header", ["x-api-key", "X-Api-Key"])
def test_m20_a_key_may_come_in_anthropics_header(gateway: GatewayProcess, header: str) -> None:
    for path, body in (
        ("/v1/messages", {"model": "gpt-4o", "max_tokens": 5, "messages": ask("hi")}),
        ("/v1/chat/completions", {"messages": ask("hi")}),
    ):
        answer = requests.post(gateway.url + path, json=body, headers={header: KEY}, timeout=30)
        assert answer.status_code == 200
    listed = requests.get(f"{gateway.api}/models", headers={header: KEY}, timeout=10)
    assert listed.status_code == 200


def test_m20_the_sdk_may_send_it_either_way(gateway: GatewayProcess) -> None:
    ways: list[dict[str, Any]] = [
        {"api_key": KEY},
        {"auth_token": KEY},
        {"api_key": "another-services", "default_headers": {"X-Api-Key": KEY}},
    ]
    for way in ways:
        with Anthropic(base_url=gateway.url, max_retries=0, **way) as client:
            assert text_of(create(client, ask("hi"))) == "hi"


def test_m20_a_wrong_key_raises_authentication_error_and_is_never_shown(
    emulator: EmulatorProcess,
) -> None:
    right, wrong = new("api-key"), new("wrong-key")
    settings = {"API_MASTER_KEY": right, "LOG_LEVEL": "debug", "MIN_CREDENTIALS": 1}
    with running_gateway(emulator, **settings) as guarded:
        guarded.watch.canaries.plant("a wrong key", wrong)
        for headers in ({"x-api-key": wrong}, {"Authorization": f"Bearer {wrong}"}):
            answer = send(guarded, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "authentication_error"
        assert send(guarded, headers={"x-api-key": right}).status_code == 200
        assert send(guarded, headers={"x-api-key": right}, max_tokens=0).status_code == 400
        with (
            Anthropic(base_url=guarded.url, api_key=wrong, max_retries=0) as client,
            pytest.raises(anthropic.AuthenticationError) as caught,
        ):
            create(client, ask("hi"))
        assert (caught.value.type, caught.value.error_code) == (
            "authentication_error",
            "invalid_api_key",
        )
        assert caught.value.request_id


# --- failures


@pytest.mark.parametrize(
    ("content", "fields", "status", "raised", "kind", "code"),
    [
        ("hi", {"max_tokens": 0}, 400, anthropic.BadRequestError, "invalid_request_error", None),
        ("hi", {"model": "no"}, 404, anthropic.NotFoundError, "not_found_error", "model_not_found"),
        (
            steer(fault="fail", at=0),
            {},
            502,
            anthropic.InternalServerError,
            "api_error",
            "upstream_run_failed",
        ),
        (
            steer(fault="start-504"),
            {},
            504,
            anthropic.GatewayTimeoutError,
            "timeout_error",
            "upstream_timeout",
        ),
    ],
)
@ASKING
def test_m21_an_early_failure_keeps_its_status_and_raises_its_class(
    client: Anthropic,
    asking: Any,
    content: str,
    fields: Any,
    status: int,
    raised: type[anthropic.APIStatusError],
    kind: str,
    code: str | None,
) -> None:
    with pytest.raises(raised) as caught:
        asking(client, ask(content), **fields)
    error = caught.value
    assert (error.status_code, error.type) == (status, kind)
    assert error.request_id == error.body["request_id"]  # type: ignore[index]
    if code:
        assert error.error_code == code


def test_m22_a_late_failure_is_an_error_event_and_no_end(gateway: GatewayProcess) -> None:
    content = steer("one two three four", chunks=4, fault="fail", at=2)
    *events, error = events_of(send(gateway, content, stream=True))
    kinds = [event["type"] for event in events]
    assert "content_block_delta" in kinds
    assert not {"message_delta", "message_stop", "error"} & set(kinds)
    assert error["error"]["type"] == "api_error"
    assert error["error"]["details"] == {"error_code": "upstream_run_failed"}
    assert error["request_id"]


def test_m22_the_sdk_raises_instead_of_ending(client: Anthropic) -> None:
    pieces = []
    with (
        pytest.raises(anthropic.APIStatusError, match="lost") as caught,
        client.messages.stream(
            model="error-midstream", max_tokens=100, messages=ask("tell me")
        ) as stream,
    ):
        pieces.extend(stream.text_stream)
    assert pieces, "what came before is kept"
    assert (caught.value.type, caught.value.error_code) == ("api_error", "upstream_disconnected")


def test_m23_the_sdk_tries_again_when_and_only_when_that_may_help() -> None:
    counts = {}
    with (
        running_emulator("--interval", "0") as emulator,
        running_gateway(emulator, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway,
    ):
        key = str(gateway.http.headers["Authorization"]).removeprefix("Bearer ")
        with Anthropic(base_url=gateway.url, api_key=key, max_retries=6) as client:
            # Turned away twice with a time to wait; the SDK waits, and is served.
            began = time.monotonic()
            assert text_of(create(client, ask("again"), model="flaky-429")) == "again"
            assert time.monotonic() - began >= 1
            for fault in ("start-504", "start-402"):
                before = gateway.metrics().get(answered(fault), 0)
                with pytest.raises(anthropic.APIStatusError):
                    create(client, ask(steer(fault=fault)))
                counts[fault] = gateway.metrics()[answered(fault)] - before
    assert counts == {"start-504": 1, "start-402": 1}


def answered(fault: str) -> str:
    status = {"start-504": 504, "start-402": 429}[fault]
    return f'langfast_requests_total{{route="/v1/messages",status="{status}"}}'


def test_m24_whatever_is_below_the_route_speaks_its_words(gateway: GatewayProcess) -> None:
    for method, path, status, kind in (
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("GET", "/v1/messages/batches/x", 404, "not_found_error"),
    ):
        answer = gateway.http.request(method, gateway.url + path, timeout=10)
        assert answer.status_code == status
        assert (answer.json()["type"], answer.json()["error"]["type"]) == ("error", kind)
        assert answer.headers["request-id"] == answer.json()["request_id"]
    elsewhere = gateway.http.post(f"{gateway.api}/completionz", timeout=10)
    assert set(elsewhere.json()) == {"error"}


def test_m24_too_large_a_body_is_a_413_in_the_same_words(gateway: GatewayProcess) -> None:
    head = post({"x-api-key": KEY, "Content-Length": 99_000_000}, "/v1/messages")
    with RawConnection(gateway) as connection:
        connection.send(head)
        status, headers, body = connection.answer()
    assert status == 413
    assert json.loads(body)["error"]["type"] == "request_too_large"
    assert headers["request-id"] == json.loads(body)["request_id"]


def test_no_json_is_a_400_in_the_same_words(gateway: GatewayProcess) -> None:
    answer = gateway.http.post(gateway.url + "/v1/messages", data=b"[", timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-should-retry"] == "false"


# --- who leaves


def test_m25_leaving_in_the_middle_frees_the_place(
    client: Anthropic, gateway: GatewayProcess
) -> None:
    messages = ask(steer("word " * 500, chunks=500, interval=0.05))
    with client.messages.stream(model="gpt-4o", max_tokens=999, messages=messages) as stream:
        next(iter(stream.text_stream))
        assert gateway.metrics()["langfast_runs_in_flight"] >= 1
    began = time.monotonic()
    wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "the place to be free")
    assert time.monotonic() - began < 2
    wait_for(lambda: gateway.metrics()["langfast_leases"] == 0, "the lease to be given back", 3)


def test_m25_leaving_an_unstreamed_request_frees_the_place(gateway: GatewayProcess) -> None:
    gone = 'langfast_runs_total{outcome="client_gone"}'
    before = gateway.metrics().get(gone, 0)
    hasty = Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0, timeout=0.4)
    with hasty, pytest.raises(anthropic.APITimeoutError):
        create(hasty, ask("hi"), model="slow")
    wait_for(lambda: gateway.metrics().get(gone, 0) == before + 1, "the departure", patience=2.5)
    assert gateway.metrics()["langfast_runs_in_flight"] == 0


# --- fields and models


def test_m30_what_has_no_effect_is_named(client: Anthropic) -> None:
    raw = client.messages.with_raw_response.create(
        model="gpt-4o",
        max_tokens=10,
        messages=ask("hi"),
        metadata={"user_id": "u"},
        thinking={"type": "adaptive"},
        output_config={"effort": "low"},
        extra_body={"top_k": 3},
    )
    told = raw.headers["x-langfast-ignored-params"]
    assert told == "metadata, output_config.effort, thinking, top_k"


def test_m31_versions_and_betas_are_tolerated(client: Anthropic, gateway: GatewayProcess) -> None:
    message = client.beta.messages.create(
        model="gpt-4o", max_tokens=10, messages=ask("hi"), betas=["context-1m-2025-08-07"]
    )
    assert text_of(message) == "hi"
    assert send(gateway, headers={"anthropic-version": "1999-01-01"}).status_code == 200
    assert send(gateway).status_code == 200


def test_m32_models_are_listed_page_by_page_and_retrieved(client: Anthropic) -> None:
    ids = [model.id for model in client.models.list(limit=3)]
    assert ids == [model.id for model in client.models.list()]
    assert len(set(ids)) == len(ids) > 10
    assert {"gpt-4o-mini", "echo", "auto"} <= set(ids)
    model = client.models.retrieve("echo")
    assert (model.type, model.id, model.display_name) == ("model", "echo", "echo")
    assert model.created_at.year == 2025
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve("no/such:model")
    assert caught.value.type == "not_found_error"


def test_m33_any_name_is_taken_where_the_operator_wants_that(emulator: EmulatorProcess) -> None:
    settings = {"ALLOW_UNKNOWN_MODELS": 1, "MIN_CREDENTIALS": 1}
    with running_gateway(emulator, **settings) as open_minded:
        answer = send(open_minded, model="claude-sonnet-9")
        assert answer.json()["model"] == "claude-sonnet-9"
    assert emulator.runs()[-1]["prompt_meta"]["model"] == "claude-sonnet-9"
