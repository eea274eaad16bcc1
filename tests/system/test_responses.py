"""The Responses API, with the real SDK against a real gunicorn.

Numbers are those of docs/openai-wire.md.
"""

import asyncio
import json
import time
from typing import Any

import openai
import pytest
import requests
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.openapi import Document
from tests.support.raw import RawConnection, post
from tests.support.stream import steer
from tests.system.conftest import KEY

TEXT = "Grüße aus der Küche: 😀 👩‍👩‍👧 naïve – und \u2028 auch das.\n\n```py\nprint('x')\n```"
LINE = 64 * 1024
PATH = "/v1/responses"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
GOOD = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


class Person(BaseModel):
    name: str
    age: int


def created(client: OpenAI, **fields: Any) -> Any:
    return client.responses.create(**{"model": "gpt-4o", **fields})


def streamed(client: OpenAI, **fields: Any) -> Any:
    """The same, streamed and put together by the SDK."""
    with client.responses.stream(**{"model": "gpt-4o", **fields}) as stream:
        return stream.get_final_response()


ASKING = pytest.mark.parametrize("asking", [created, streamed], ids=["unstreamed", "streamed"])


def answered(gateway: GatewayProcess, **fields: Any) -> requests.Response:
    body = {"model": "gpt-4o", "input": "hi", **fields}
    stream = bool(fields.get("stream"))
    return gateway.http.post(gateway.url + PATH, json=body, stream=stream, timeout=60)


def events_of(response: requests.Response) -> list[dict[str, Any]]:
    """The events of a stream, looked at as bytes."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    content = response.content.decode()
    assert content.endswith("\n\n")
    frames = [one for one in content.split("\n\n") if one and not one.startswith(":")]
    events = []
    for frame in frames:
        kind, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert kind == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Their types, each run of deltas as one."""
    found = [event["type"].removeprefix("response.") for event in events]
    return [
        one
        for index, one in enumerate(found)
        if not (one.endswith("delta") and found[index - 1] == one)
    ]


def seen(emulator: EmulatorProcess) -> list[dict[str, Any]]:
    """The messages that the last run saw."""
    return list(emulator.runs()[-1]["prompt_meta"]["messages"])


# --- a response


@ASKING
def test_r1_r4_a_response_is_whole_and_counted(client: OpenAI, asking: Any) -> None:
    began = time.time()
    response = asking(client, input=TEXT, metadata={"a": "b"}, temperature=0.5)
    assert response.output_text == TEXT
    assert (response.status, response.model, response.error) == ("completed", "gpt-4o", None)
    assert response.id.startswith("resp_")
    assert began - 5 < response.created_at <= response.completed_at < began + 60
    assert (response.metadata, response.temperature) == ({"a": "b"}, 0.5)
    assert response.system_fingerprint == "emulator"
    usage = response.usage
    assert usage.input_tokens > 5
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    (message,) = response.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    assert message.id.startswith("msg_")


def test_r6_r7_the_events_come_in_their_order(gateway: GatewayProcess) -> None:
    response = answered(gateway, input=TEXT, stream=True)
    assert "content-length" not in response.headers
    assert response.headers["x-request-id"]
    events = events_of(response)
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    deltas = [one["delta"] for one in events if one["type"] == "response.output_text.delta"]
    assert len(deltas) > 3
    assert "".join(deltas) == TEXT == events[-4]["text"]
    assert events[-1]["response"]["output"] == [events[-2]["item"]]


def test_r9_a_long_text_comes_whole_and_its_deltas_are_short_lines(gateway: GatewayProcess) -> None:
    text = "é\u2028\x01😀" * 40_000
    response = answered(gateway, input=text, stream=True)
    lines = response.content.split(b"\n")
    deltas = [one for one in lines if b'"response.output_text.delta"' in one]
    assert max(map(len, deltas)) < LINE
    said = "".join(json.loads(one.removeprefix(b"data: "))["delta"] for one in deltas)
    assert said == text
    events = [json.loads(one.removeprefix(b"data: ")) for one in lines if one[:6] == b"data: "]
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == text


def test_the_first_text_leaves_before_the_end(gateway: GatewayProcess) -> None:
    content = steer("word " * 20, chunks=20, interval=0.1)
    with answered(gateway, input=content, stream=True) as response:
        began = time.monotonic()
        for line in response.iter_lines():
            if b"output_text.delta" in line:
                break
        assert time.monotonic() - began < 1.5  # all of it takes two seconds


def test_async_callers_are_served_side_by_side(gateway: GatewayProcess) -> None:
    async def one(client: AsyncOpenAI, number: int) -> str:
        stream = await client.responses.create(
            model="gpt-4o", input=steer(f"number {number} " * 9, interval=0.05), stream=True
        )
        return "".join(
            [event.delta async for event in stream if event.type == "response.output_text.delta"]
        )

    async def everybody() -> list[str]:
        async with AsyncOpenAI(base_url=gateway.api, api_key=KEY, max_retries=0) as client:
            first = await client.responses.create(model="gpt-4o", input=TEXT)
            assert first.output_text == TEXT
            async with client.responses.stream(model="gpt-4o", input=TEXT) as stream:
                assert (await stream.get_final_response()).output_text == TEXT
            return await asyncio.gather(*(one(client, number) for number in range(8)))

    assert asyncio.run(everybody()) == [f"number {number} " * 9 for number in range(8)]


# --- what is asked


def test_instructions_and_items_reach_the_model(client: OpenAI, emulator: EmulatorProcess) -> None:
    created(
        client,
        instructions="Be brief.",
        input=[
            {"role": "user", "content": "My name is Bob."},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hello Bob.", "annotations": []}],
            },
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Who am I?"}],
            },
        ],
    )
    assert seen(emulator) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "My name is Bob."},
        {"role": "assistant", "content": "Hello Bob."},
        {"role": "user", "content": "Who am I?"},
    ]


def test_what_an_agent_sends_is_taken(gateway: GatewayProcess, emulator: EmulatorProcess) -> None:
    """As Codex asks: stateless, with what it cannot know to be of no use."""
    response = answered(
        gateway,
        instructions="You are a coding agent.",
        input=[
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": steer(GOOD)}],
            }
        ],
        tools=[WEATHER, {"type": "function", "name": "shell", "strict": False, "parameters": {}}],
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning=None,
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="abc",
    )
    assert response.headers["x-langfast-ignored-params"] == "prompt_cache_key"
    events = events_of(response)
    done = [one["item"] for one in events if one["type"] == "response.output_item.done"]
    assert [(one["type"], one["name"]) for one in done] == [("function_call", "get_weather")]
    assert events[-1]["response"]["store"] is False
    assert seen(emulator)[0]["content"].startswith("You are a coding agent.")


@ASKING
def test_r3_a_limit_that_is_reached_makes_it_incomplete(client: OpenAI, asking: Any) -> None:
    if asking is created:
        response = created(client, input="one two three four five", max_output_tokens=2)
    else:  # the helper knows no end but a complete one
        with client.responses.stream(
            model="gpt-4o", input="one two three four five", max_output_tokens=2
        ) as stream:
            last = list(stream)[-1]
        assert last.type == "response.incomplete"
        response = last.response
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text == "one two"
    assert response.output[0].status == "incomplete"


def test_r21_input_tokens_are_counted_without_a_run(
    client: OpenAI, emulator: EmulatorProcess
) -> None:
    before = emulator.stats()
    plain = client.responses.input_tokens.count(model="gpt-4o", input="How is the weather?")
    more = client.responses.input_tokens.count(
        model="gpt-4o", input="How is the weather?", tools=[WEATHER]
    )
    assert plain.object == "response.input_tokens"
    assert 5 < plain.input_tokens < more.input_tokens
    assert emulator.stats()["starts"] == before["starts"]
    assert created(client, input="How is the weather?").usage.input_tokens == plain.input_tokens


# --- tools and JSON


@ASKING
def test_r2_a_model_that_obeys_calls_and_then_tells_the_result(client: OpenAI, asking: Any) -> None:
    question: Any = {"role": "user", "content": "How is the weather in Paris?"}
    response = asking(client, model="auto", input=[question], tools=[WEATHER])
    (call,) = response.output
    assert (call.type, call.name, call.status) == ("function_call", "get_weather", "completed")
    assert json.loads(call.arguments) == {"city": "Paris"}
    assert call.id.startswith("fc_")
    assert call.call_id.startswith("call_")
    result: Any = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": [{"type": "input_text", "text": "17 degrees and rain"}],
    }
    told = asking(
        client,
        model="auto",
        input=[question, call.model_dump(exclude_none=True), result],
        tools=[WEATHER],
    )
    assert "17 degrees and rain" in told.output_text
    # The same by the response's id alone.
    told = asking(
        client, model="auto", input=[result], previous_response_id=response.id, tools=[WEATHER]
    )
    assert "17 degrees and rain" in told.output_text


def test_text_may_stand_before_calls(gateway: GatewayProcess) -> None:
    content = steer(f"Let me see.\n{GOOD}")
    events = events_of(answered(gateway, input=content, tools=[WEATHER], stream=True))
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    message, call = events[-1]["response"]["output"]
    assert message["content"][0]["text"].strip() == "Let me see."
    assert json.loads(call["arguments"]) == {"city": "Paris"}
    assert [one["output_index"] for one in events if one["type"].endswith("item.done")] == [0, 1]


def test_a_forced_choice_is_kept_to(client: OpenAI) -> None:
    clock: Any = {"type": "function", "name": "get_time", "parameters": None, "strict": False}
    for choice in (
        {"type": "function", "name": "get_time"},
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "get_time"}],
        },
    ):
        response = created(
            client,
            model="auto",
            input="How is the weather in Paris?",
            tools=[WEATHER, clock],
            tool_choice=choice,
        )
        assert [one.name for one in response.output] == ["get_time"]
        assert response.tool_choice.model_dump(exclude_none=True) == choice


def test_the_sdk_parses_structured_output(client: OpenAI) -> None:
    ask = "Ada Lovelace, 36 years old"
    parsed = client.responses.parse(model="auto", input=ask, text_format=Person)
    assert isinstance(parsed.output_parsed, Person)
    with client.responses.stream(model="auto", input=ask, text_format=Person) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Person)
    plain = created(
        client, model="auto", input="JSON, please", text={"format": {"type": "json_object"}}
    )
    assert isinstance(json.loads(plain.output_text), dict)


def test_r5_words_in_place_of_a_schema_are_a_refusal(
    client: OpenAI, gateway: GatewayProcess
) -> None:
    content = steer(["I would rather not."])  # and when it is asked again
    form = {"format": {"type": "json_schema", "name": "n", "schema": Person.model_json_schema()}}
    (message,) = created(client, input=content, text=form).output
    assert message.content[0].type == "refusal"
    assert message.content[0].refusal == "I would rather not."
    events = events_of(answered(gateway, input=content, text=form, stream=True))
    assert kinds(events)[3:-1] == [
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
    ]


@pytest.mark.parametrize("kind", ["web_search", "custom", "local_shell", "mcp"])
def test_r13_a_tool_that_nobody_runs_is_a_400(client: OpenAI, kind: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        created(client, input="hi", tools=[WEATHER, {"type": kind, "name": "x"}])
    assert caught.value.param == "tools[1].type"


# --- what was said before


def test_r16_a_response_goes_on_from_another(client: OpenAI, emulator: EmulatorProcess) -> None:
    first = created(client, input="My name is Bob.", instructions="Be brief.")
    second = created(client, input="And I am old.", previous_response_id=first.id)
    third = streamed(client, input="Who am I?", previous_response_id=second.id)
    assert third.previous_response_id == second.id
    texts = ["My name is Bob.", "And I am old."]
    assert seen(emulator) == [
        *({"role": role, "content": text} for text in texts for role in ("user", "assistant")),
        {"role": "user", "content": "Who am I?"},
    ]
    with pytest.raises(openai.BadRequestError) as caught:
        created(client, input="x", previous_response_id="resp_" + "0" * 32)
    assert caught.value.code == "previous_response_not_found"


def test_r18_items_are_found_by_their_ids(client: OpenAI, emulator: EmulatorProcess) -> None:
    """As the Vercel AI SDK goes on: every item by its id, and no response named."""
    first = streamed(client, input=steer(GOOD), tools=[WEATHER])
    (call,) = first.output
    answer = created(
        client,
        tools=[WEATHER],
        input=[
            {"role": "user", "content": "Paris?"},
            {"type": "item_reference", "id": call.id},
            {"type": "function_call_output", "call_id": call.call_id, "output": "rain"},
        ],
    )
    assert answer.status == "completed"
    assert '"city":"Paris"' in seen(emulator)[-2]["content"].replace(" ", "")
    with pytest.raises(openai.BadRequestError, match="not found"):
        created(client, input=[{"type": "item_reference", "id": "msg_" + "0" * 37}])


def test_r17_r19_what_is_not_to_be_kept_is_not_there(client: OpenAI) -> None:
    response = created(client, input="hi", store=False)
    with pytest.raises(openai.BadRequestError) as caught:
        created(client, input="x", previous_response_id=response.id)
    assert caught.value.code == "previous_response_not_found"


def test_r16_another_key_finds_nothing(gateway: GatewayProcess, client: OpenAI) -> None:
    mine = created(client, input="secret")
    with OpenAI(base_url=gateway.api, api_key="test-key-2", max_retries=0) as other:
        for asked in (
            {"input": "x", "previous_response_id": mine.id},
            {"input": [{"type": "item_reference", "id": mine.output[0].id}]},
        ):
            with pytest.raises(openai.BadRequestError) as caught:
                created(other, **asked)
            assert "secret" not in str(caught.value)


# --- errors


@pytest.mark.parametrize("stream", [False, True])
def test_r10_a_failure_before_the_first_output_keeps_its_status(
    client: OpenAI, stream: bool
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        created(client, input=steer(fault="start-500"), stream=stream)
    assert caught.value.status_code == 502
    assert caught.value.code == "upstream_error"
    with pytest.raises(openai.NotFoundError) as unknown:
        created(client, model="nobody's", input="hi", stream=stream)
    assert unknown.value.code == "model_not_found"


def test_r10_a_failure_behind_it_ends_the_stream_and_the_sdk_raises(
    client: OpenAI, gateway: GatewayProcess
) -> None:
    content = steer("one two three", chunks=3, fault="fail", at=2, message="out of luck")
    events = events_of(answered(gateway, input=content, stream=True))
    assert kinds(events)[-3:] == ["output_text.delta", "error", "failed"]
    error, failed = events[-2:]
    assert error["code"] == error["error"]["code"] == "upstream_run_failed"
    assert "out of luck" in error["message"]
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "upstream_run_failed"
    assert failed["response"]["usage"] is None

    said: list[str] = []

    def read() -> None:
        said.extend(event.type for event in created(client, input=content, stream=True))

    with pytest.raises(openai.APIError) as caught:
        read()
    assert caught.value.code == "upstream_run_failed"
    assert said[-1] == "response.output_text.delta"
    with pytest.raises(openai.APIError, match="out of luck"):
        streamed(client, input=content)
    with pytest.raises(openai.BadRequestError):
        created(client, input="x", previous_response_id=failed["response"]["id"])


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_that_leaves_frees_its_place(gateway: GatewayProcess, stream: bool) -> None:
    body = json.dumps(
        {"input": steer("x" * 400, chunks=200, interval=0.1), "model": "gpt-4o", "stream": stream}
    ).encode()
    head = {"Authorization": f"Bearer {KEY}", "Content-Length": len(body)}

    def in_flight() -> float:
        return gateway.metrics()["langfast_runs_in_flight"]

    with RawConnection(gateway) as raw:
        raw.send(post(head, PATH) + body)
        wait_for(lambda: in_flight() == 1, "the run")
        if stream:
            assert raw.socket.recv(100)
    wait_for(lambda: in_flight() == 0, "the free place", 10)


def test_silence_is_filled_with_comments_behind_the_opening(emulator: EmulatorProcess) -> None:
    with running_gateway(emulator, FIRST_BYTE_TIMEOUT=1, HEARTBEAT_SECONDS=1) as gateway:
        response = answered(gateway, input=steer("late", delay=4), stream=True)
        frames = response.content.decode().split("\n\n")
        assert frames[0].startswith("event: response.created")
        assert frames[1].startswith("event: response.in_progress")
        assert frames[2] == ": ping"
        assert kinds(events_of(response))[-1] == "completed"
        with OpenAI(base_url=gateway.api, api_key="any", max_retries=0) as client:
            assert streamed(client, input=steer("late", delay=3)).output_text == "late"
        failed = answered(gateway, input=steer(delay=3, fault="fail", at=0), stream=True)
        assert kinds(events_of(failed)) == ["created", "in_progress", "error", "failed"]


def test_where_nothing_is_kept_the_caller_is_told(emulator: EmulatorProcess) -> None:
    with running_gateway(emulator, RESPONSE_STORE_BYTES=0) as gateway:
        response = answered(gateway, store=True)
        assert response.json()["store"] is False
        assert response.headers["x-langfast-ignored-params"] == "store"
        assert "x-langfast-ignored-params" not in answered(gateway).headers
        refused = answered(gateway, previous_response_id=response.json()["id"])
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "previous_response_id"


# --- as it is told


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input": "one two three four", "max_output_tokens": 2},
        {"model": "auto", "input": "How is the weather in Paris?", "tools": [WEATHER]},
        {"input": steer(f"Let me see.\n{GOOD}"), "tools": [WEATHER], "metadata": {"a": "b"}},
        {
            "input": steer("No."),
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        },
        {"input": steer("one two three", chunks=3, fault="fail", at=2)},
    ],
)
def test_answers_are_as_the_document_tells(gateway: GatewayProcess, fields: Any) -> None:
    told = Document(gateway.get("/openapi.json").json())
    told.check("POST", PATH, answered(gateway, **fields))
    event = {"$ref": "#/components/schemas/ResponseEvent"}
    for one in events_of(answered(gateway, stream=True, **fields)):
        told.validate(event, one)
    body = {"model": "gpt-4o", "input": "hi"}
    counted = gateway.http.post(f"{gateway.url}{PATH}/input_tokens", json=body, timeout=10)
    told.check("POST", f"{PATH}/input_tokens", counted)
