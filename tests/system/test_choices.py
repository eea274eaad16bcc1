"""Several choices (`n`) with the real SDK against a real gunicorn.

Numbers are those of docs/openai-wire.md.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import Stream, read_stream, steer

ROLE = {"role": "assistant", "content": ""}
TOOL: Any = {"type": "function", "function": {"name": "f"}}
CALL = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'


def parts(stream: Stream) -> list[tuple[int, dict[str, Any], str | None]]:
    choices = [one["choices"][0] for one in stream.chunks if one["choices"]]
    return [(one["index"], one["delta"], one["finish_reason"]) for one in choices]


def free(gateway: GatewayProcess) -> bool:
    found = gateway.metrics()
    return not (found["langfast_leases"] or found["langfast_runs_in_flight"])


@pytest.mark.parametrize("n", [2, 8])
def test_16_an_unstreamed_answer_has_all_indices(client: OpenAI, n: int) -> None:
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "say it again"}], n=n
    )
    assert [choice.index for choice in answer.choices] == list(range(n))
    assert [choice.message.content for choice in answer.choices] == ["say it again"] * n
    assert {choice.finish_reason for choice in answer.choices} == {"stop"}
    assert answer.usage
    assert answer.usage.prompt_tokens == 10, "the prompt counts once"
    assert answer.usage.completion_tokens == 3 * n


def test_16_more_than_eight_is_a_400(gateway: GatewayProcess) -> None:
    for n in (9, 128):
        response = gateway.chat(n=n)
        assert response.status_code == 400
        assert response.json()["error"]["param"] == "n"


def test_33_choices_interleave_in_the_legal_order(gateway: GatewayProcess) -> None:
    content = steer("word " * 30, chunks=30, interval=0.02)
    options = {"include_usage": True}
    stream = read_stream(gateway.chat(content, n=3, stream=True, stream_options=options))
    found = parts(stream)
    assert list(dict.fromkeys(index for index, _, _ in found)) == [0, 1, 2]
    for choice in range(3):
        own = [(delta, reason) for index, delta, reason in found if index == choice]
        assert own[0] == (ROLE, None)
        assert own[-1] == ({}, "stop")
        assert "".join(delta["content"] for delta, _ in own[1:-1]) == "word " * 30
    middle = [index for index, _, _ in found[6:-9]]
    assert middle != sorted(middle), "they come side by side"
    assert stream.chunks[-1]["usage"]["completion_tokens"] >= 90
    assert stream.done


def test_the_sdks_stream_helper_puts_them_together(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o", messages=[{"role": "user", "content": steer("abc def ghi")}], n=3
    ) as stream:
        completion = stream.get_final_completion()
    assert [choice.message.content for choice in completion.choices] == ["abc def ghi"] * 3


@pytest.mark.parametrize("stream", [True, False])
def test_each_choice_may_be_asked_for_again_by_itself(
    gateway: GatewayProcess, stream: bool
) -> None:
    content = steer(["no call", CALL])  # type: ignore[arg-type]
    response = gateway.chat(content, n=3, tools=[TOOL], tool_choice="required", stream=stream)
    if stream:
        found = [delta for _, delta, _ in parts(read_stream(response))]
        ids = [one["id"] for delta in found for one in delta.get("tool_calls", []) if "id" in one]
    else:
        choices = response.json()["choices"]
        ids = [choice["message"]["tool_calls"][0]["id"] for choice in choices]
    assert len(set(ids)) == 3
    wait_for(lambda: free(gateway), "the places to be given back")


def test_limits_hold_for_each_choice(gateway: GatewayProcess) -> None:
    content = steer("one two three STOP four", chunks=9)
    choices = gateway.chat(content, n=2, stop="STOP").json()["choices"]
    assert [choice["message"]["content"] for choice in choices] == ["one two three "] * 2
    choices = gateway.chat(content, n=2, max_tokens=2).json()["choices"]
    assert [choice["finish_reason"] for choice in choices] == ["length"] * 2


@pytest.mark.parametrize("stream", [True, False])
def test_one_choice_that_fails_fails_the_request(
    gateway: GatewayProcess, emulator: EmulatorProcess, stream: bool
) -> None:
    # One start is refused, the next passes, and so on.
    content = steer("text", delay=2, fault="start-400", times=1)
    response = gateway.chat(content, n=2, stream=stream)
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    wait_for(lambda: free(gateway), "the places to be given back")


def test_a_choice_that_fails_in_the_middle_is_an_error_and_no_end(gateway: GatewayProcess) -> None:
    content = steer("one two three four five six", chunks=6, fault="fail", at=3)
    stream = read_stream(gateway.chat(content, n=3, stream=True))
    assert stream.error
    assert stream.error["code"] == "upstream_run_failed"
    assert stream.finish_reasons == []
    assert stream.done
    wait_for(lambda: free(gateway), "the places to be given back")


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_that_leaves_frees_all_places(gateway: GatewayProcess, stream: bool) -> None:
    content = steer("word " * 400, chunks=400, interval=0.05)
    messages: Any = [{"role": "user", "content": content}]
    with OpenAI(base_url=gateway.api, api_key="test-key-1", max_retries=0, timeout=1.0) as hasty:
        if stream:
            chunks = hasty.chat.completions.create(
                model="gpt-4o", messages=messages, n=4, stream=True
            )
            for chunk in chunks:
                if chunk.choices[0].delta.content:
                    break
            assert gateway.metrics()["langfast_runs_in_flight"] == 4
            wait_for(lambda: gateway.metrics()["langfast_leases"] == 4, "the leases to be counted")
            chunks.close()
        else:
            with pytest.raises(openai.APITimeoutError):
                hasty.chat.completions.create(model="gpt-4o", messages=messages, n=4)
    wait_for(lambda: free(gateway), "the places to be given back", 5)


@contextmanager
def small(emulator: EmulatorProcess, **settings: object) -> Iterator[GatewayProcess]:
    """A gateway with four places on one account."""
    sizes = {"MIN_CREDENTIALS": 1, "MAX_CREDENTIALS": 1, "RUNS_PER_CREDENTIAL": 4}
    with running_gateway(emulator, **sizes, QUEUE_TIMEOUT=1, **settings) as gateway:
        yield gateway


def test_without_a_place_for_each_none_begins(emulator: EmulatorProcess) -> None:
    with small(emulator) as gateway:
        assert gateway.chat("hi").status_code == 200
        content = steer("word " * 100, chunks=100, interval=0.1)
        streams = [gateway.chat(content, stream=True) for _ in range(2)]
        before = emulator.started()
        assert gateway.chat("hi", n=2).status_code == 200
        began = time.monotonic()
        response = gateway.chat("hi", n=3)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "too_many_runs"
        assert int(response.headers["Retry-After"]) >= 1
        assert time.monotonic() - began > 0.9
        assert emulator.started() == before + 2
        for stream in streams:
            stream.close()
        wait_for(lambda: free(gateway), "the places to be given back")
        assert gateway.chat("hi", n=4).status_code == 200


def test_more_choices_than_places_are_refused_at_once(emulator: EmulatorProcess) -> None:
    with small(emulator) as gateway:
        assert gateway.chat("hi").status_code == 200
        before = emulator.started()
        response = gateway.chat("hi", n=5)
        assert response.status_code == 503
        assert response.headers["x-should-retry"] == "false"
        assert emulator.started() == before


def test_the_first_request_of_all_may_have_several_choices(emulator: EmulatorProcess) -> None:
    """Nobody knows yet how many runs an account takes: the first of them finds out."""
    with small(emulator) as gateway:
        assert len(gateway.chat("hi", n=4).json()["choices"]) == 4


def test_a_choice_that_waits_in_line_to_be_asked_again_ends_no_other(
    emulator: EmulatorProcess,
) -> None:
    """The other one's text comes meanwhile, and all are looked at for it."""
    bad, good = json.dumps({"age": "old " * 30}), json.dumps({"age": int("7" * 15)})
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer"}},
        "required": ["age"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    settings = {"MIN_CREDENTIALS": 1, "MAX_CREDENTIALS": 1, "RUNS_PER_CREDENTIAL": 2}
    with (
        running_gateway(emulator, FIRST_BYTE_TIMEOUT=1, **settings) as gateway,
        ThreadPoolExecutor(2) as callers,
    ):
        assert gateway.chat("hi").status_code == 200
        content = json.dumps({"text": [bad, good], "chunks": 20, "interval": 0.1})
        two = callers.submit(gateway.chat, content, n=2, stream=True, response_format=form)
        wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 2, "both choices")
        other = callers.submit(gateway.chat, steer("word " * 40, chunks=40, interval=0.1))
        wait_for(lambda: gateway.metrics()["langfast_queue_length"] == 1, "the other in line")
        stream = read_stream(two.result())
        assert stream.error is None
        assert [reason for _, _, reason in parts(stream) if reason] == ["stop", "stop"]
        assert other.result().status_code == 200
        wait_for(lambda: free(gateway), "free places")


def test_requests_of_several_choices_do_not_hold_up_each_other_for_good(
    emulator: EmulatorProcess,
) -> None:
    with small(emulator, RUN_TIMEOUT=20) as gateway:
        assert gateway.chat("hi").status_code == 200
        content = steer("word " * 5, chunks=5, interval=0.02)
        streams = [gateway.chat(content, n=3, stream=True) for _ in range(4)]
        found = [parts(read_stream(stream)) for stream in streams]
        assert [len({index for index, _, _ in one}) for one in found] == [3] * 4
