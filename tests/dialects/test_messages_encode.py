"""Events to the bytes of Anthropic's messages, as tables."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Call, Completion
from langfast_wsgi.dialects._deltas import PIECE
from langfast_wsgi.dialects.messages.encode import PING, STOP, EventEncoder, message_body
from langfast_wsgi.errors import GatewayError, QuotaExhausted, RunFailed, UpstreamGarbled
from tests.support.builders import PAUSE

LINE = 64 * 1024
USAGE = Usage(8, 2)
CALLS: list[Event] = [
    CallBegun(0, "call_1", "f"),
    CallArguments(0, '{"x":'),
    CallArguments(0, "1}"),
    CallBegun(1, "call_2", "g"),
    CallArguments(1, "{}"),
]


def encoder(mark: str | None = None) -> EventEncoder:
    return EventEncoder("msg_1", "gpt-4o", mark, 8, "req_1")


def written(events: list[Event]) -> bytes:
    one = encoder()
    return b"".join(one.write(event) for event in events)


def parsed(data: bytes) -> list[dict[str, Any]]:
    """The data of each event; its ``event:`` line says the same."""
    assert data.endswith(b"\n\n")
    found = []
    for frame in data.decode().removesuffix("\n\n").split("\n\n"):
        kind, told = frame.split("\n")
        event = json.loads(told.removeprefix("data: "))
        assert kind == f"event: {event['type']}"
        found.append(event)
    return found


def kinds(data: bytes) -> list[str]:
    return [event["type"] for event in parsed(data)]


START = (
    b"event: message_start\n"
    b'data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"gpt-4o","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,'
    b'"usage":{"input_tokens":8,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
    b'"output_tokens":0}}}\n\n'
    b'event: ping\ndata: {"type":"ping"}\n\n'
)
TEXT_START = (
    b"event: content_block_start\n"
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
)


def delta(words: str) -> bytes:
    return (
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'
        f'{words}"}}}}\n\n'
    ).encode()


def stopped(index: int) -> bytes:
    return (
        f'event: content_block_stop\ndata: {{"type":"content_block_stop","index":{index}}}\n\n'
    ).encode()


def ended(reason: str, stop: str = "null", details: str = "null") -> bytes:
    return (
        "event: message_delta\n"
        f'data: {{"type":"message_delta","delta":{{"stop_reason":"{reason}",'
        f'"stop_sequence":{stop},"stop_details":{details}}},'
        '"usage":{"input_tokens":8,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
        '"output_tokens":2}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    ).encode()


# --- the bytes


@pytest.mark.parametrize(
    ("events", "data"),
    [
        ([], b""),
        ([PAUSE], b""),
        ([Text("Hi")], START + TEXT_START + delta("Hi")),
        (
            [Text("H"), PAUSE, Text("i"), Finished("stop"), USAGE],
            START + TEXT_START + delta("H") + delta("i") + stopped(0) + ended("end_turn"),
        ),
        (
            [Text("H"), Text("i", last=True), Finished("length"), USAGE],
            START + TEXT_START + delta("H") + delta("i") + stopped(0) + ended("max_tokens"),
        ),
        (
            [Text("H", last=True), Finished("stop", "##"), USAGE],
            START + TEXT_START + delta("H") + stopped(0) + ended("stop_sequence", '"##"'),
        ),
        ([Finished("stop"), USAGE], START + ended("end_turn")),
        (
            [Text("x"), Finished("content_filter"), USAGE],
            START
            + TEXT_START
            + delta("x")
            + stopped(0)
            + ended("refusal", "null", '{"type":"refusal","category":null,"explanation":null}'),
        ),
        (
            [Refused("I will not."), Finished("stop"), USAGE],
            START
            + TEXT_START
            + delta("I will not.")
            + stopped(0)
            + ended("refusal", "null", '{"type":"refusal","category":null,"explanation":null}'),
        ),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_events_become_these_bytes(events: list[Event], data: bytes) -> None:
    assert written(events) == data


def test_calls_are_blocks_behind_the_text_each_with_its_own_end() -> None:
    data = written([Text("Let me see."), *CALLS, Finished("tool_calls"), USAGE])
    assert kinds(data) == [
        *("message_start", "ping"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta"),
        "content_block_stop",
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    events = parsed(data)
    starts = [event for event in events if event["type"] == "content_block_start"]
    assert [event["content_block"] for event in starts] == [
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
    ]
    assert [event["index"] for event in events if "index" in event] == [
        *([0] * 3),
        *([1] * 4),
        *([2] * 3),
    ]
    pieces = [event["delta"] for event in events if event.get("index") == 1 and "delta" in event]
    assert pieces == [
        {"type": "input_json_delta", "partial_json": '{"x":'},
        {"type": "input_json_delta", "partial_json": "1}"},
    ]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_calls_without_text_begin_at_the_first_block() -> None:
    events = parsed(written([*CALLS, Finished("tool_calls"), USAGE]))
    assert [event["index"] for event in events if event["type"] == "content_block_start"] == [0, 1]


def test_what_comes_right_before_the_end_leaves_with_it() -> None:
    one = encoder()
    assert one.write(Text("Hi"))
    quiet = [Text("!", last=True), *CALLS, Finished("tool_calls")]
    assert [one.write(event) for event in quiet] == [b""] * len(quiet)
    assert one.write(USAGE).endswith(STOP)


def test_the_opening_is_sent_once_and_may_be_sent_before_anything_is_known() -> None:
    one = encoder()
    assert one.open() == START
    assert one.open() == b""
    assert one.write(Text("Hi")) == TEXT_START + delta("Hi")
    assert START.endswith(PING)


def test_an_upstream_that_is_none_is_marked() -> None:
    message = parsed(encoder("emulator").open())[0]["message"]
    assert message["system_fingerprint"] == "emulator"
    assert b"system_fingerprint" not in encoder().open()


@pytest.mark.parametrize("size", [PIECE, PIECE + 1, 3 * PIECE + 5])
@pytest.mark.parametrize("word", ["a", "\u2028", "😀", '"', "\x01"])
def test_no_line_is_longer_than_64_kib(word: str, size: int) -> None:
    events: list[Event] = [Text(word * size), CallBegun(0, "call_1", "f")]
    arguments = json.dumps({"x": word * size})
    events += [CallArguments(0, arguments), Finished("tool_calls"), USAGE]
    data = written(events)
    assert max(map(len, data.split(b"\n"))) < LINE
    deltas = [event["delta"] for event in parsed(data) if event["type"] == "content_block_delta"]
    assert "".join(one.get("text", "") for one in deltas) == word * size
    assert "".join(one.get("partial_json", "") for one in deltas) == arguments


@given(st.lists(st.text(min_size=1), max_size=8), st.booleans())
@example(["\r\n\n", "data: x\n\n", "\u2028\u2029\x85"], True)
@settings(deadline=None, max_examples=200)
def test_whatever_text_comes_the_frames_hold_it(pieces: list[str], last: bool) -> None:
    texts: list[Event] = [Text(piece) for piece in pieces]
    if texts and last:
        texts[-1] = Text(pieces[-1], last=True)
    events = parsed(written([*texts, Finished("stop"), USAGE]))
    deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(deltas) == "".join(pieces)


# --- failures


@pytest.mark.parametrize("events", [[Text("Hi")], [Text("Hi", last=True)], CALLS])
def test_a_failure_is_an_error_in_place_of_the_end(events: list[Event]) -> None:
    one = encoder()
    data = b"".join(one.write(event) for event in events) + one.fail(RunFailed("no"))
    *_, error = parsed(data)
    assert error == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "no",
            "details": {"error_code": "upstream_run_failed"},
        },
        "request_id": "req_1",
    }
    assert "message_delta" not in kinds(data)
    assert "message_stop" not in kinds(data)


def test_a_failure_behind_the_end_comes_in_its_place() -> None:
    one = encoder()
    said = [one.write(event) for event in (Text("Hi"), Finished("stop"))]
    assert kinds(b"".join(said) + one.fail(GatewayError("no")))[-1] == "error"


def test_a_failure_tells_its_kind() -> None:
    (error,) = parsed(encoder().fail(QuotaExhausted("no more")))
    assert error["error"]["type"] == "billing_error"


def test_text_that_was_sent_cannot_be_taken_back() -> None:
    one = encoder()
    one.write(Text("abc"))
    with pytest.raises(UpstreamGarbled) as caught:
        one.write(Replaced("xyz"))
    assert caught.value.code == "upstream_inconsistent"


# --- unstreamed


def body(completion: Completion, mark: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(
        orjson.dumps(message_body("msg_1", "gpt-4o", mark, completion))
    )
    return found


def test_an_unstreamed_answer_is_one_message() -> None:
    assert body(Completion("Hi", "stop", USAGE)) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "gpt-4o",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 8,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 2,
        },
    }


def test_calls_stand_behind_the_text_with_their_arguments_untouched() -> None:
    large = '{"x":123456789012345678901234567890}'
    calls = (Call("call_1", "f", large), Call("call_2", "g", "{}"))
    raw = orjson.dumps(
        message_body("msg_1", "m", None, Completion("a", "tool_calls", USAGE, calls))
    )
    assert f'"input":{large}' in raw.decode()
    told = json.loads(raw)
    assert [block["type"] for block in told["content"]] == ["text", "tool_use", "tool_use"]
    assert [block.get("id") for block in told["content"]] == [None, "toolu_1", "toolu_2"]
    assert told["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("completion", "reason", "stop"),
    [
        (Completion("a", "length", USAGE), "max_tokens", None),
        (Completion("a", "stop", USAGE, stop="##"), "stop_sequence", "##"),
        (Completion("a", "content_filter", USAGE), "refusal", None),
        (Completion("", "stop", USAGE, (), "No."), "refusal", None),
        (Completion("", "stop", USAGE), "end_turn", None),
        (Completion("", "length", USAGE, (Call("call_1", "f", "{}"),)), "max_tokens", None),
    ],
    ids=repr,
)
def test_why_it_ended(completion: Completion, reason: str, stop: str | None) -> None:
    told = body(completion)
    assert (told["stop_reason"], told["stop_sequence"]) == (reason, stop)
    assert (told["stop_details"] is not None) is (reason == "refusal")


def test_a_refusal_is_the_text() -> None:
    told = body(Completion("", "stop", USAGE, (), "No."))
    assert told["content"] == [{"type": "text", "text": "No."}]


def test_an_answer_without_words_has_no_block() -> None:
    assert body(Completion("", "stop", USAGE))["content"] == []


def test_an_unstreamed_answer_of_no_real_upstream_is_marked() -> None:
    assert body(Completion("a", "stop", USAGE), "emulator")["system_fingerprint"] == "emulator"
    assert "system_fingerprint" not in body(Completion("a", "stop", USAGE))


@given(st.lists(st.text(min_size=1), max_size=5), st.sampled_from(["stop", "length"]))
@settings(deadline=None, max_examples=100)
def test_a_stream_says_what_the_unstreamed_answer_says(pieces: list[str], reason: str) -> None:
    events = parsed(written([*map(Text, pieces), Finished(reason), USAGE]))
    told = body(Completion("".join(pieces), reason, USAGE))
    texts = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(texts) == "".join(block["text"] for block in told["content"])
    end = events[-2]
    assert end["delta"] == {name: told[name] for name in end["delta"]}
    assert end["usage"] == told["usage"]
