"""The wire towards clients, byte by byte. Numbers are those of docs/openai-wire.md."""

import json
import re
import time

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.stream import Stream, read_stream, steer

LONG = "The quick brown fox jumps over the lazy dog. " * 3


@pytest.fixture(scope="module")
def stream(gateway: GatewayProcess) -> Stream:
    return read_stream(gateway.chat(LONG, stream=True))


def test_1_3_4_an_unstreamed_answer_is_json_with_its_headers(gateway: GatewayProcess) -> None:
    response = gateway.chat()
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"req_[0-9a-f]{32}", response.headers["x-request-id"])
    assert response.headers["openai-version"] == "2020-10-01"
    assert response.headers["openai-processing-ms"].isdigit()


def test_2_a_stream_has_no_length_and_is_not_buffered(gateway: GatewayProcess) -> None:
    response = gateway.chat(stream=True)
    assert response.headers["content-type"] == "text/event-stream"
    assert "content-length" not in response.headers
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-request-id"]
    read_stream(response)


def test_3_a_request_id_of_the_callers_own_is_kept_if_it_is_a_plain_word(
    gateway: GatewayProcess,
) -> None:
    assert (
        gateway.chat(headers={"X-Request-Id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    )
    for bad in ("a b", "x" * 65, "é".encode().decode("latin-1"), '"'):
        answer = gateway.chat(headers={"X-Request-Id": bad.encode("latin-1")})
        assert answer.headers["x-request-id"].startswith("req_")


def test_3_errors_bear_a_request_id_too(gateway: GatewayProcess) -> None:
    for response in (gateway.get("/nope"), gateway.chat(model="nope"), gateway.chat(n=0)):
        assert response.headers["x-request-id"].startswith("req_")


def test_10_to_14_the_body_has_all_that_is_required(gateway: GatewayProcess) -> None:
    body = gateway.chat("one two three").json()
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{32}", body["id"])
    assert body["object"] == "chat.completion"
    assert isinstance(body["created"], int)
    assert body["model"] == "gpt-4o-mini"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "one two three", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    # 3 to frame the message, 1 for the role's word, 3 for the text, 3 to open the answer.
    assert body["usage"] == {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}


@pytest.mark.parametrize(
    ("said", "told"), [("length", "length"), ("content_filter", "content_filter"), ("eos", "stop")]
)
def test_13_a_finish_reason_that_openai_does_not_know_becomes_stop(
    gateway: GatewayProcess, said: str, told: str
) -> None:
    content = steer("text", finish_reason=said)
    assert gateway.chat(content).json()["choices"][0]["finish_reason"] == told
    assert read_stream(gateway.chat(content, stream=True)).finish_reasons == [told]


def test_19_frames_are_single_data_lines_and_the_last_is_done(stream: Stream) -> None:
    assert stream.lines[-2:] == ["data: [DONE]", ""]
    assert all(line == "" or line.startswith("data: ") for line in stream.lines)
    assert stream.lines[1::2] == [""] * (len(stream.lines) // 2)


def test_20_all_chunks_share_id_created_and_model(stream: Stream) -> None:
    heads = {(one["id"], one["created"], one["model"], one["object"]) for one in stream.chunks}
    assert len(heads) == 1
    assert heads.pop()[3] == "chat.completion.chunk"


def test_21_the_role_is_said_once_in_the_first_chunk(stream: Stream) -> None:
    deltas = [one["choices"][0]["delta"] for one in stream.chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert not any("role" in delta for delta in deltas[1:])


def test_22_23_exactly_one_chunk_finishes_and_its_delta_is_empty(stream: Stream) -> None:
    choices = [one["choices"][0] for one in stream.chunks]
    assert all({"delta", "finish_reason", "index"} <= set(choice) for choice in choices)
    assert [choice["finish_reason"] for choice in choices[:-1]] == [None] * (len(choices) - 1)
    assert choices[-1]["finish_reason"] == "stop"
    assert choices[-1]["delta"] == {}


def test_24_26_usage_comes_last_and_is_null_before(gateway: GatewayProcess) -> None:
    options = {"include_usage": True}
    stream = read_stream(gateway.chat(LONG, stream=True, stream_options=options))
    *before, last = stream.chunks
    assert all(one["usage"] is None and one["choices"] for one in before)
    assert last["choices"] == []
    assert last["usage"] == gateway.chat(LONG).json()["usage"]
    assert stream.text == LONG


def test_25_without_asking_no_chunk_has_usage(stream: Stream) -> None:
    assert not any("usage" in chunk for chunk in stream.chunks)


@pytest.mark.parametrize(
    "fault",
    ["duplicate", "reorder", "split-surrogate", "early", "as-json-text", "extra-argument"],
)
def test_28_the_streamed_text_equals_the_unstreamed_one(
    gateway: GatewayProcess, fault: str
) -> None:
    text = "Ünïcode 😀😀 \u0000 \u2028 data: [DONE]\n\n👩‍👩‍👧 e\u0301 \uffff and an end 😀"
    content = steer(text, chunks=9, fault=fault)
    assert read_stream(gateway.chat(content, stream=True)).text == text
    assert gateway.chat(content).json()["choices"][0]["message"]["content"] == text


def test_29_obfuscation_is_accepted_and_not_made(gateway: GatewayProcess) -> None:
    for wanted in (True, False):
        options = {"include_obfuscation": wanted}
        stream = read_stream(gateway.chat(stream=True, stream_options=options))
        assert not any("obfuscation" in chunk for chunk in stream.chunks)


@pytest.mark.parametrize("value", [None, False])
def test_30_stream_null_or_false_is_a_json_body(gateway: GatewayProcess, value: object) -> None:
    assert gateway.chat("plain", stream=value).json()["object"] == "chat.completion"


def test_34_heartbeats_are_comments_and_can_be_turned_off(gateway: GatewayProcess) -> None:
    # The shared gateway's heartbeat is 15 s; the slow model is quiet for three.
    stream = read_stream(gateway.chat(steer("x", delay=0.5), stream=True))
    assert not any(line.startswith(":") for line in stream.lines)


@pytest.mark.parametrize("heartbeat", [1, 0])
def test_34_a_quiet_stream_is_opened_and_held_by_heartbeats(
    emulator: EmulatorProcess, heartbeat: int
) -> None:
    with running_gateway(
        emulator, MIN_CREDENTIALS=1, FIRST_BYTE_TIMEOUT=1, HEARTBEAT_SECONDS=heartbeat
    ) as quiet:
        began = time.monotonic()
        response = quiet.chat(steer("at last", delay=4), stream=True)
        assert 0.9 < time.monotonic() - began < 2.2, "the headers do not wait for the text"
        stream = read_stream(response)
        assert stream.text == "at last"
        assert stream.chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        pings = [line for line in stream.lines if line == ": ping"]
        assert bool(pings) is bool(heartbeat)  # looked at once a second, so two are not certain


@pytest.mark.parametrize(
    ("model", "status", "code", "kind"),
    [
        ("error-400", 400, None, "invalid_request_error"),
        ("error-500", 502, "upstream_error", "server_error"),
    ],
)
def test_35_a_failure_before_the_first_output_keeps_its_status(
    gateway: GatewayProcess, model: str, status: int, code: str | None, kind: str
) -> None:
    for stream in (True, False):
        response = gateway.chat(model=model, stream=stream)
        assert response.status_code == status
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["code"], error["type"]) == (code, kind)


def test_36_37_a_failure_behind_output_is_an_error_event_and_no_stop(
    gateway: GatewayProcess,
) -> None:
    content = steer("one two three four five six", chunks=6, fault="fail", at=3)
    stream = read_stream(gateway.chat(content, stream=True))
    assert stream.text == "one two three"[: len(stream.text)]
    assert stream.text
    assert stream.finish_reasons == []
    assert stream.error
    assert set(stream.error) == {"message", "type", "param", "code"}
    assert stream.error["code"] == "upstream_run_failed"
    assert stream.done


def test_rewritten_text_fails_a_stream_and_replaces_an_unstreamed_answer(
    gateway: GatewayProcess,
) -> None:
    content = steer("one two three four five six", chunks=6, fault="rewrite", at=3)
    stream = read_stream(gateway.chat(content, stream=True))
    assert stream.error
    assert stream.error["code"] == "upstream_inconsistent"
    assert stream.finish_reasons == []
    assert gateway.chat(content).status_code == 200


def test_41_no_line_is_longer_than_64_kib(gateway: GatewayProcess) -> None:
    text = "\u0001😀" * 40_000
    stream = read_stream(gateway.chat(steer(text, chunks=1, interval=0), stream=True))
    assert stream.text == text
    assert max(len(line.encode()) for line in stream.lines) < 65_536


def test_ignored_parameters_are_named(gateway: GatewayProcess) -> None:
    response = gateway.chat(seed=1, tools=[], user="u", made_up={"a": 1}, temperature=0.5)
    assert response.headers["x-langfast-ignored-params"] == "made_up, seed, user"
    assert "x-langfast-ignored-params" not in gateway.chat(temperature=0.5).headers


def test_what_is_asked_reaches_the_upstream_untouched(
    gateway: GatewayProcess, emulator: EmulatorProcess
) -> None:
    parts = [
        {"type": "text", "text": "part", "x": {"kept": [1, None]}},
        {"type": "text", "text": "b"},
    ]
    messages = [
        {"role": "system", "content": "be kind", "name": None},
        {"role": "user", "content": parts},
    ]
    gateway.http.post(
        f"{gateway.api}/chat/completions",
        json={
            "model": "gpt-4.1",
            "messages": messages,
            "temperature": 0.25,
            "top_p": 0.5,
            "frequency_penalty": -1,
            "presence_penalty": 2,
            "max_tokens": 77,
        },
        timeout=20,
    )
    meta = emulator.runs()[-1]["prompt_meta"]
    assert meta["messages"] == messages
    assert meta["model"] == "gpt-4.1"
    sampling = [meta[name] for name in ("temperature", "top_p", "frequency_penalty")]
    assert sampling == [0.25, 0.5, -1]
    assert (meta["presence_penalty"], meta["max_completion_tokens"]) == (2, 77)
    assert (meta["response_format"], meta["stream"]) == ("text", True)


def test_42_to_56_refusals_are_never_html(gateway: GatewayProcess) -> None:
    for method, path, status in (
        ("GET", "/v1/chat/completions", 405),
        ("PUT", "/v1/models", 405),
        ("TRACE", "/v1/models", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/..%2f", 404),
        ("POST", "/", 405),
    ):
        response = gateway.http.request(method, gateway.url + path, timeout=10)
        assert response.status_code == status, path
        assert response.headers["content-type"] == "application/json"
        assert set(json.loads(response.content)["error"]) == {"message", "type", "param", "code"}
