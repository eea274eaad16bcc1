"""Legacy completions with the real SDK against a real gunicorn, and byte by byte.

Numbers are those of docs/openai-wire.md.
"""

import asyncio
import re
from typing import Any

import openai
import pytest
import requests
from openai import AsyncOpenAI, OpenAI

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.openapi import Document
from tests.support.stream import Stream, read_stream, steer
from tests.system.conftest import KEY

TEXT = "Grüße aus der Küche: 😀 👩‍👩‍👧 naïve – und \u2028 auch das.\n\n```py\nprint('x')\n```"
LONG = "The quick brown fox jumps over the lazy dog. " * 3
USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def post(gateway: GatewayProcess, prompt: object = "hi", **fields: Any) -> requests.Response:
    headers = fields.pop("headers", {})
    body = {"prompt": prompt, **fields}
    return gateway.http.post(
        f"{gateway.api}/completions",
        json=body,
        headers=headers,
        stream=bool(fields.get("stream")),
        timeout=60,
    )


def texts(stream: Stream) -> dict[int, str]:
    """What each choice said."""
    found: dict[int, str] = {}
    for choice in (one for chunk in stream.chunks for one in chunk["choices"]):
        found[choice["index"]] = found.get(choice["index"], "") + choice["text"]
    return found


def free(gateway: GatewayProcess) -> bool:
    found = gateway.metrics()
    return not (found["langfast_leases"] or found["langfast_runs_in_flight"])


@pytest.fixture
def at_rest(gateway: GatewayProcess) -> Any:
    """Whatever happens, no place is left over."""
    yield
    wait_for(lambda: free(gateway), "the places to be given back", 5)


# --- with the SDK


def test_an_unstreamed_answer_is_whole_and_counted(client: OpenAI) -> None:
    answer = client.completions.create(model="gpt-4o-mini", prompt=TEXT)
    assert re.fullmatch(r"cmpl-[0-9a-f]{32}", answer.id)
    assert (answer.object, answer.model) == ("text_completion", "gpt-4o-mini")
    [choice] = answer.choices
    assert (choice.text, choice.index, choice.finish_reason) == (TEXT, 0, "stop")
    assert choice.logprobs is None
    assert answer.usage
    assert answer.usage.completion_tokens > 16, "nothing is cut at OpenAI's default of 16 tokens"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.system_fingerprint == "emulator"
    assert answer._request_id


def test_the_prompt_is_what_a_user_says(gateway: GatewayProcess, emulator: EmulatorProcess) -> None:
    post(gateway, "Once upon a time", max_tokens=9, temperature=1.5, stop=["x"])
    asked = emulator.runs()[-1]["prompt_meta"]
    assert asked["messages"] == [{"role": "user", "content": "Once upon a time"}]
    assert (asked["max_completion_tokens"], asked["temperature"]) == (9, 1.5)


def test_a_streamed_answer_has_the_same_text(client: OpenAI) -> None:
    stream = client.completions.create(model="gpt-4o", prompt=TEXT, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
    assert len(chunks) > 3
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.object for chunk in chunks} == {"text_completion"}


def test_async_callers_are_served_side_by_side(gateway: GatewayProcess) -> None:
    async def one(client: AsyncOpenAI, number: int) -> str:
        prompt = steer(f"number {number} " * 9, interval=0.05)
        if number % 2:
            answer = await client.completions.create(model="gpt-4o", prompt=prompt)
            return answer.choices[0].text
        stream = await client.completions.create(model="gpt-4o", prompt=prompt, stream=True)
        return "".join([chunk.choices[0].text async for chunk in stream])

    async def everybody() -> list[str]:
        async with AsyncOpenAI(base_url=gateway.api, api_key=KEY, max_retries=0) as client:
            return list(await asyncio.gather(*(one(client, number) for number in range(20))))

    assert asyncio.run(everybody()) == [f"number {number} " * 9 for number in range(20)]


def test_57_faults_have_the_sdks_classes(client: OpenAI, gateway: GatewayProcess) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.completions.create(model="gpt-99", prompt="hi")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as tokens:
        client.completions.create(model="gpt-4o", prompt=[1, 2, 3])
    assert (tokens.value.code, tokens.value.param) == ("unsupported_value", "prompt")
    with pytest.raises(openai.RateLimitError):
        client.completions.create(model="error-429", prompt="hi")
    wrong = OpenAI(base_url=gateway.api, api_key="wrong", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError):
        wrong.completions.create(model="gpt-4o", prompt="hi")


def test_36_a_run_that_fails_in_the_middle_raises_instead_of_ending(client: OpenAI) -> None:
    prompt = steer("one two three four five six", chunks=6, fault="fail", at=3)
    stream = client.completions.create(model="gpt-4o", prompt=prompt, stream=True)
    found: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        found.extend(chunk.choices[0].text for chunk in stream)
    assert caught.value.code == "upstream_run_failed"


# --- the wire


@pytest.fixture(scope="module")
def stream(gateway: GatewayProcess) -> Stream:
    return read_stream(post(gateway, LONG, stream=True))


def test_2_19_20_a_stream_is_framed_as_chats_is(gateway: GatewayProcess, stream: Stream) -> None:
    assert stream.lines[-2:] == ["data: [DONE]", ""]
    assert all(line == "" or line.startswith("data: ") for line in stream.lines)
    heads = {(one["id"], one["created"], one["model"], one["object"]) for one in stream.chunks}
    assert len(heads) == 1
    response = post(gateway, stream=True)
    assert response.headers["cache-control"] == "no-cache"
    assert "content-length" not in response.headers
    read_stream(response)


def test_22_25_exactly_one_chunk_finishes_and_none_has_usage(stream: Stream) -> None:
    choices = [one["choices"][0] for one in stream.chunks]
    assert all(set(one) == {"text", "index", "logprobs", "finish_reason"} for one in choices)
    assert stream.finish_reasons == ["stop"]
    assert (choices[-1]["text"], choices[-1]["finish_reason"]) == ("", "stop")
    assert not any("usage" in chunk for chunk in stream.chunks)
    assert texts(stream) == {0: LONG}


def test_24_26_usage_comes_last_and_is_null_before(gateway: GatewayProcess) -> None:
    *before, last = read_stream(post(gateway, LONG, **USAGE)).chunks
    assert all(one["usage"] is None and one["choices"] for one in before)
    assert last["choices"] == []
    assert last["usage"] == post(gateway, LONG).json()["usage"]


@pytest.mark.parametrize("character", ["x", '"', "\u0000", "é"])
def test_41_no_line_is_longer_than_64_kib(gateway: GatewayProcess, character: str) -> None:
    text = character * 70_000
    found = read_stream(post(gateway, text, stream=True, echo=True))
    assert max(len(line.encode()) for line in found.lines) <= 64 * 1024
    assert texts(found) == {0: text * 2}


@pytest.mark.parametrize("fault", ["duplicate", "reorder", "split-surrogate", "early"])
def test_28_the_streamed_text_equals_the_unstreamed_one(
    gateway: GatewayProcess, fault: str
) -> None:
    text = "Ünïcode 😀😀 \u0000 \u2028 data: [DONE]\n\n👩‍👩‍👧 e\u0301 \uffff and an end 😀"
    prompt = steer(text, chunks=9, fault=fault)
    assert texts(read_stream(post(gateway, prompt, stream=True))) == {0: text}
    assert post(gateway, prompt).json()["choices"][0]["text"] == text


@pytest.mark.parametrize(
    ("said", "told"), [("length", "length"), ("content_filter", "content_filter"), ("eos", "stop")]
)
def test_13_finish_reasons_are_those_of_completions(
    gateway: GatewayProcess, said: str, told: str
) -> None:
    prompt = steer("text", finish_reason=said)
    assert post(gateway, prompt).json()["choices"][0]["finish_reason"] == told
    assert read_stream(post(gateway, prompt, stream=True)).finish_reasons == [told]


def test_13_there_are_no_calls_to_finish_with(gateway: GatewayProcess) -> None:
    prompt = steer("text", finish_reason="tool_calls")
    assert post(gateway, prompt).json()["choices"][0]["finish_reason"] == "stop"


def test_17_18_stop_words_and_limits_hold(gateway: GatewayProcess) -> None:
    prompt = steer("one two three STOP four", chunks=9)
    [choice] = post(gateway, prompt, stop="STOP").json()["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("one two three ", "stop")
    found = read_stream(post(gateway, prompt, max_tokens=2, stream=True))
    assert (texts(found), found.finish_reasons) == ({0: "one two"}, ["length"])


def test_35_a_failure_before_the_first_output_keeps_its_status(gateway: GatewayProcess) -> None:
    for fields in ({}, {"stream": True}, {"stream": True, "echo": True}):
        response = post(gateway, steer(fault="start-500"), **fields)
        assert response.status_code == 502
        assert response.json()["error"]["code"] == "upstream_error"


@pytest.mark.parametrize("n", [1, 3])
def test_36_a_failure_behind_it_is_one_error_event_and_no_end(
    gateway: GatewayProcess, n: int, at_rest: None
) -> None:
    prompt = steer("one two three four five six", chunks=6, interval=0.02, fault="fail", at=3)
    found = read_stream(post(gateway, prompt, n=n, **USAGE))
    assert found.error
    assert found.error["code"] == "upstream_run_failed"
    assert (found.finish_reasons, found.done) == ([], True)
    assert found.lines[-4].startswith('data: {"error"')
    assert all(one["usage"] is None for one in found.chunks)


def test_64_what_has_no_effect_is_named_in_a_header(gateway: GatewayProcess) -> None:
    response = post(gateway, seed=1, user="u", top_k=3, best_of=1, suffix="", echo=False)
    assert response.headers["x-langfast-ignored-params"] == "seed, top_k, user"


def test_39_a_stream_whose_first_text_is_late_begins_all_the_same(
    emulator: EmulatorProcess,
) -> None:
    with running_gateway(emulator, MIN_CREDENTIALS=1, FIRST_BYTE_TIMEOUT=1) as gateway:
        prompt = steer("late", delay=3)
        for echo, first in ((False, ""), (True, prompt)):
            response = post(gateway, prompt, stream=True, echo=echo)
            assert response.elapsed.total_seconds() < 2.8
            found = read_stream(response)
            assert found.chunks[0]["choices"][0]["text"] == first
            assert texts(found) == {0: first + "late"}


@pytest.mark.parametrize(
    ("status", "prompt", "fields"),
    [
        (200, "hi", {}),
        (200, ["a", "b"], {"n": 2, "echo": True}),
        (200, "hi", {"stream": True}),
        (200, ["a", "b"], {"n": 2, "echo": True, **USAGE}),
        (200, "hi", {"seed": 1}),
        (200, steer("one two three", chunks=3, fault="fail", at=2), {"stream": True}),
        (400, [1], {}),
        (400, steer(fault="start-400", code="content_filter"), {}),
        (404, "hi", {"model": "nobody's"}),
        (502, steer(fault="start-500"), {}),
        (504, steer(fault="start-504"), {}),
    ],
)
def test_every_answer_is_as_the_document_tells(
    gateway: GatewayProcess, status: int, prompt: object, fields: dict[str, Any]
) -> None:
    told = Document(gateway.get("/openapi.json").json())
    answer = post(gateway, prompt, **fields)
    assert answer.status_code == status, answer.text
    told.check("POST", "/v1/completions", answer)


# --- echo, several prompts, several answers


@pytest.mark.parametrize("stream", [True, False])
def test_the_echo_stands_before_the_text_and_is_not_counted(
    gateway: GatewayProcess, stream: bool
) -> None:
    plain = post(gateway, "say it").json()["usage"]
    if stream:
        found = read_stream(post(gateway, "say it", echo=True, **USAGE))
        told, usage = texts(found), found.chunks[-1]["usage"]
    else:
        body = post(gateway, "say it", echo=True).json()
        told, usage = {0: body["choices"][0]["text"]}, body["usage"]
    assert told == {0: "say itsay it"}
    assert usage == plain


def test_answers_are_numbered_prompt_by_prompt(client: OpenAI) -> None:
    prompts = ["first", "second", "third one"]
    answer = client.completions.create(model="gpt-4o", prompt=prompts, n=2, echo=True)
    assert [choice.index for choice in answer.choices] == list(range(6))
    expected = [f"{prompt}{prompt}" for prompt in prompts for _ in range(2)]
    assert [choice.text for choice in answer.choices] == expected
    assert answer.usage
    single = [client.completions.create(model="gpt-4o", prompt=one).usage for one in prompts]
    assert answer.usage.prompt_tokens == sum(one.prompt_tokens for one in single if one)
    assert answer.usage.completion_tokens == 2 * sum(one.completion_tokens for one in single if one)


def test_16_33_streamed_answers_interleave_and_open_in_order(gateway: GatewayProcess) -> None:
    prompts = [steer(f"{word} " * 30, chunks=30, interval=0.02) for word in ("a", "b")]
    found = read_stream(post(gateway, prompts, n=2, **USAGE))
    assert texts(found) == {0: "a " * 30, 1: "a " * 30, 2: "b " * 30, 3: "b " * 30}
    order = [chunk["choices"][0]["index"] for chunk in found.chunks if chunk["choices"]]
    assert list(dict.fromkeys(order)) == [0, 1, 2, 3]
    middle = order[8:-12]
    assert middle != sorted(middle), "they come side by side"
    assert found.finish_reasons == ["stop"] * 4
    assert found.done
    assert found.chunks[-1]["usage"]["completion_tokens"] >= 120


@pytest.mark.parametrize(
    ("prompt", "fields", "param"),
    [
        ("a", {"n": 9}, "n"),
        (["a", "b"], {"n": 5}, "n"),
        (["a"] * 9, {}, "prompt"),
        ([[1, 2]], {}, "prompt"),
        ("a", {"best_of": 2}, "best_of"),
        ("a", {"suffix": "b"}, "suffix"),
        ("a", {"logprobs": 1}, "logprobs"),
        (None, {}, "prompt"),
    ],
)
def test_what_cannot_be_done_is_a_400_that_names_it_and_starts_nothing(
    gateway: GatewayProcess,
    emulator: EmulatorProcess,
    prompt: object,
    fields: dict[str, Any],
    param: str,
) -> None:
    before = emulator.stats()["starts"]
    response = post(gateway, prompt, **fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert response.headers["x-should-retry"] == "false"
    assert emulator.stats()["starts"] == before


@pytest.mark.parametrize("stream", [True, False])
def test_one_prompt_that_is_refused_fails_the_request(
    gateway: GatewayProcess, stream: bool, at_rest: None
) -> None:
    prompts = [steer("text", delay=1), steer("no", fault="start-400", message="not this one")]
    response = post(gateway, prompts, stream=stream)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "not this one"


def test_without_a_place_for_each_prompt_none_begins(emulator: EmulatorProcess) -> None:
    sizes = {"MIN_CREDENTIALS": 1, "MAX_CREDENTIALS": 1, "RUNS_PER_CREDENTIAL": 4}
    with running_gateway(emulator, **sizes, QUEUE_TIMEOUT=1) as gateway:  # type: ignore[arg-type]
        assert post(gateway).status_code == 200
        before = emulator.started()
        refused = post(gateway, list("abcde"))
        assert refused.status_code == 503
        assert refused.headers["x-should-retry"] == "false"
        assert emulator.started() == before
        assert len(post(gateway, ["a", "b"], n=2).json()["choices"]) == 4


@pytest.mark.parametrize("stream", [True, False])
def test_38_a_caller_that_leaves_frees_all_places(
    gateway: GatewayProcess, stream: bool, at_rest: None
) -> None:
    prompts = [steer(f"{word} " * 400, chunks=400, interval=0.05) for word in ("a", "b")]
    with OpenAI(base_url=gateway.api, api_key=KEY, max_retries=0, timeout=1.0) as hasty:
        if not stream:
            with pytest.raises(openai.APITimeoutError):
                hasty.completions.create(model="gpt-4o", prompt=prompts, n=2)
            return
        chunks = hasty.completions.create(model="gpt-4o", prompt=prompts, n=2, stream=True)
        for chunk in chunks:
            if chunk.choices[0].text:
                break
        assert gateway.metrics()["langfast_runs_in_flight"] == 4
        chunks.close()
