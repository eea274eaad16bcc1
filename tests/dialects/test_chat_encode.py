"""Events to the bytes of OpenAI's chat completions, as tables."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Call, Completion
from langfast_wsgi.dialects._chunks import DONE
from langfast_wsgi.dialects._deltas import PIECE
from langfast_wsgi.dialects.chat.encode import ChunkEncoder, completion_body
from langfast_wsgi.errors import GatewayError, RateLimited, RunFailed, UpstreamGarbled
from tests.support.builders import PAUSE

MODEL = "gpt-4o-mini"
LINE = 64 * 1024


def encoder(
    *, usage: bool = False, model: str = MODEL, mark: str | None = None, deprecated: bool = False
) -> ChunkEncoder:
    return ChunkEncoder("chatcmpl-1", 1700000000, model, mark, usage, deprecated=deprecated)


def written(events: list[Event], *, usage: bool = False, deprecated: bool = False) -> bytes:
    one = encoder(usage=usage, deprecated=deprecated)
    return b"".join(one.write(event) for event in events)


def chunk(delta: str, finish: str = "null", tail: str = "") -> bytes:
    """A chunk, byte for byte."""
    return (
        'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,'
        '"model":"gpt-4o-mini","system_fingerprint":null,"choices":[{"index":0,"delta":'
        + delta
        + ',"logprobs":null,"finish_reason":'
        + finish
        + "}]"
        + tail
        + "}\n\n"
    ).encode()


ROLE = '{"role":"assistant","content":""}'
NULL = ',"usage":null'
USAGE = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,'
    b'"model":"gpt-4o-mini","system_fingerprint":null,"choices":[],'
    b'"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10}}\n\n'
)


def parsed(data: bytes) -> list[Any]:
    """The JSON of each frame; the terminator as None."""
    assert data.endswith(b"\n\n")
    frames = data.decode().removesuffix("\n\n").split("\n\n")
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    words = [frame.removeprefix("data: ") for frame in frames]
    return [None if word == "[DONE]" else json.loads(word) for word in words]


# --- the bytes


@pytest.mark.parametrize(
    ("events", "data"),
    [
        ([], b""),
        ([PAUSE], b""),
        ([Text("Hi")], chunk(ROLE) + chunk('{"content":"Hi"}')),
        (
            [Text("H"), PAUSE, Text("i"), Finished("stop")],
            chunk(ROLE)
            + chunk('{"content":"H"}')
            + chunk('{"content":"i"}')
            + chunk("{}", '"stop"')
            + DONE,
        ),
        (
            [Text("Hi", last=True), Finished("length")],
            chunk(ROLE) + chunk('{"content":"Hi"}') + chunk("{}", '"length"') + DONE,
        ),
        ([Finished("content_filter")], chunk(ROLE) + chunk("{}", '"content_filter"') + DONE),
        (
            [Text('"\\\n\u2028é😀\x00')],
            chunk(ROLE) + chunk('{"content":"\\"\\\\\\n\u2028é😀\\u0000"}'),
        ),
    ],
    ids=["nothing", "silence", "text", "stream", "held", "empty", "escapes"],
)
def test_a_stream_byte_for_byte(events: list[Event], data: bytes) -> None:
    assert written(events) == data


@pytest.mark.parametrize(
    ("events", "data"),
    [
        (
            [Text("Hi"), Finished("stop"), Usage(8, 2)],
            chunk(ROLE, tail=NULL)
            + chunk('{"content":"Hi"}', tail=NULL)
            + chunk("{}", '"stop"', NULL)
            + USAGE
            + DONE,
        ),
        (
            [Text("Hi", last=True), Finished("stop"), Usage(8, 2)],
            chunk(ROLE, tail=NULL)
            + chunk('{"content":"Hi"}', tail=NULL)
            + chunk("{}", '"stop"', NULL)
            + USAGE
            + DONE,
        ),
    ],
    ids=["sent", "held"],
)
def test_a_stream_with_usage_byte_for_byte(events: list[Event], data: bytes) -> None:
    assert written(events, usage=True) == data


def test_the_role_is_said_once_whether_the_stream_was_opened_before_or_not() -> None:
    one = encoder()
    assert one.open() == chunk(ROLE)
    assert one.open() == b""
    assert one.write(Text("Hi")) == chunk('{"content":"Hi"}')
    assert one.write(Finished("stop")) == chunk("{}", '"stop"') + DONE


def test_an_opened_stream_may_hold_nothing_but_its_end() -> None:
    one = encoder()
    assert one.open() + one.write(Finished("stop")) == (chunk(ROLE) + chunk("{}", '"stop"') + DONE)


def test_the_last_text_the_end_and_the_terminator_leave_in_one_write() -> None:
    one = encoder(usage=True)
    one.open()
    assert one.write(Text("Hi", last=True)) == b""
    assert one.write(Finished("stop")) == b""
    assert one.write(Usage(8, 2)).endswith(USAGE + DONE)


def test_text_behind_a_held_one_keeps_its_place() -> None:
    one = encoder()
    one.open()
    assert one.write(Text("a", last=True)) == b""
    assert one.write(Text("b")) == b""
    assert one.write(Finished("stop")) == (
        chunk('{"content":"a"}') + chunk('{"content":"b"}') + chunk("{}", '"stop"') + DONE
    )


# --- calls and refusals

NO_TEXT = '{"role":"assistant","content":null}'
CALLS: list[Event] = [
    CallBegun(0, "call_1", "f"),
    CallArguments(0, '{"x":"1"}'),
    CallBegun(1, "call_2", "g"),
    CallArguments(1, "{}"),
]
FIRST = chunk(
    '{"tool_calls":[{"index":0,"id":"call_1","type":"function",'
    '"function":{"name":"f","arguments":""}}]}'
) + chunk('{"tool_calls":[{"index":0,"function":{"arguments":"{\\"x\\":\\"1\\"}"}}]}')
SECOND = chunk(
    '{"tool_calls":[{"index":1,"id":"call_2","type":"function",'
    '"function":{"name":"g","arguments":""}}]}'
) + chunk('{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}')


@pytest.mark.parametrize(
    ("events", "data"),
    [
        (
            [*CALLS, Finished("tool_calls")],
            chunk(NO_TEXT) + FIRST + SECOND + chunk("{}", '"tool_calls"') + DONE,
        ),
        (
            [Text("Wait."), *CALLS[:2], Finished("tool_calls")],
            chunk(ROLE) + chunk('{"content":"Wait."}') + FIRST + chunk("{}", '"tool_calls"') + DONE,
        ),
        (
            [*CALLS[:2], Finished("length")],
            chunk(NO_TEXT) + FIRST + chunk("{}", '"length"') + DONE,
        ),
        (
            [Refused("I won't."), Finished("stop")],
            chunk(NO_TEXT) + chunk('{"refusal":"I won\'t."}') + chunk("{}", '"stop"') + DONE,
        ),
    ],
    ids=["calls", "text before", "cut off", "refusal"],
)
def test_calls_and_refusals_byte_for_byte(events: list[Event], data: bytes) -> None:
    assert written(events) == data


def test_a_deprecated_call_byte_for_byte() -> None:
    assert written([*CALLS[:2], Finished("tool_calls")], deprecated=True) == (
        chunk(NO_TEXT)
        + chunk('{"function_call":{"name":"f","arguments":""}}')
        + chunk('{"function_call":{"arguments":"{\\"x\\":\\"1\\"}"}}')
        + chunk("{}", '"function_call"')
        + DONE
    )


def test_calls_the_end_and_the_terminator_leave_in_one_write() -> None:
    one = encoder(usage=True)
    assert [one.write(event) for event in [*CALLS, Finished("tool_calls")]] == [b""] * 5
    assert one.write(Usage(8, 2)).endswith(USAGE + DONE)


def test_calls_behind_the_role_of_a_stream_that_was_opened_early() -> None:
    one = encoder()
    assert one.open() == chunk(ROLE)
    assert one.write(CALLS[0]) == b""
    assert one.write(Finished("tool_calls")).startswith(b'data: {"id":"chatcmpl-1"')


@pytest.mark.parametrize("character", ["\x00", "a", "é", "😀", '"', "\\"], ids=ascii)
@pytest.mark.parametrize("kind", ["arguments", "refusal"])
def test_long_arguments_and_refusals_are_cut_into_lines_of_64_kib(
    character: str, kind: str
) -> None:
    text = character * (10 * PIECE + 7)
    said: list[Event] = [Refused(text)]
    if kind == "arguments":
        said = [CallBegun(0, "c", "f" * 64), CallArguments(0, text)]
    one = encoder(model="m" * 256, mark="emulator", usage=True)
    data = b"".join(one.write(event) for event in [*said, Finished("stop"), Usage(1, 1)])
    assert max(len(line) for line in data.split(b"\n")) <= LINE
    deltas = [one["choices"][0]["delta"] for one in parsed(data)[:-2]]
    calls = [call["function"]["arguments"] for one in deltas for call in one.get("tool_calls", [])]
    assert "".join([*calls, *(one.get("refusal", "") for one in deltas)]) == text


# --- what must hold of any stream

TEXTS = st.lists(st.text(max_size=30).filter(bool), max_size=6)


@given(TEXTS, st.booleans(), st.booleans(), st.sampled_from(["stop", "length"]))
@settings(max_examples=150, deadline=None)
def test_any_stream_keeps_the_rules_of_the_wire(
    texts: list[str], hint: bool, usage: bool, reason: str
) -> None:
    events: list[Event] = [Text(text) for text in texts]
    if events and hint:
        events[-1] = Text(texts[-1], last=True)
    events.append(Finished(reason))
    if usage:
        events.append(Usage(8, 2))
    *chunks, done = parsed(written(events, usage=usage))
    assert done is None
    assert len({(one["id"], one["created"], one["model"], one["object"]) for one in chunks}) == 1
    if usage:
        last = chunks.pop()
        assert (last["choices"], last["usage"]["total_tokens"]) == ([], 10)
        assert all(one["usage"] is None for one in chunks)
    else:
        assert all("usage" not in one for one in chunks)
    choices = [one["choices"][0] for one in chunks]
    assert all(set(one) >= {"index", "delta", "finish_reason", "logprobs"} for one in choices)
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert all("role" not in one["delta"] for one in choices[1:])
    assert [one["finish_reason"] for one in choices] == [None] * (len(choices) - 1) + [reason]
    assert choices[-1]["delta"] == {}
    assert "".join(one["delta"].get("content", "") for one in choices) == "".join(texts)


@pytest.mark.parametrize(
    "character", ["\x00", "\x1f", "a", "é", "😀", '"', "\\"], ids=lambda value: ascii(value)
)
@pytest.mark.parametrize("length", [PIECE, PIECE + 1, 10 * PIECE + 7])
def test_no_line_is_longer_than_64_kib_whatever_must_be_escaped(
    character: str, length: int
) -> None:
    text = character * length
    data = encoder(model="m" * 256, mark="emulator", usage=True).write(Text(text, last=False))
    assert max(len(line) for line in data.split(b"\n")) <= LINE
    deltas = [one["choices"][0]["delta"]["content"] for one in parsed(data)]
    assert "".join(deltas) == text


def test_the_largest_text_that_fits_is_one_chunk() -> None:
    assert len(parsed(written([Text("x" * PIECE)]))) == 2
    assert len(parsed(written([Text("x" * (PIECE + 1))]))) == 3


@given(st.text(max_size=40))
@example("100% %s %d {0} {} \\ \"quoted\" 'single' 😀\u2028\n")
@settings(max_examples=80, deadline=None)
def test_any_model_name_is_written_as_it_is(model: str) -> None:
    one = encoder(model=model, usage=True)
    data = b"".join(one.write(event) for event in (Text("a"), Finished("stop"), Usage(8, 2)))
    *chunks, _ = parsed(data)
    assert {found["model"] for found in chunks} == {model}
    assert len(chunks) == 4


@pytest.mark.parametrize("mark", [None, "emulator"])
def test_every_chunk_bears_the_fingerprint(mark: str | None) -> None:
    one = encoder(mark=mark, usage=True)
    data = b"".join(one.write(event) for event in (Text("a"), Finished("stop"), Usage(8, 2)))
    assert {found["system_fingerprint"] for found in parsed(data)[:-1]} == {mark}


# --- errors


def test_an_error_is_an_event_of_its_own_and_then_the_terminator() -> None:
    one = encoder()
    one.write(Text("Hi"))
    assert one.fail(RunFailed('no "way"')) == (
        b'data: {"error":{"message":"no \\"way\\"","type":"server_error","param":null,'
        b'"code":"upstream_run_failed"}}\n\n' + DONE
    )


def test_an_error_in_a_stream_without_text_comes_alone() -> None:
    assert parsed(encoder().fail(RateLimited("slow")))[0]["error"]["type"] == "rate_limit_error"


def test_text_that_was_held_leaves_before_the_error() -> None:
    one = encoder()
    one.open()
    one.write(Text("Hi", last=True))
    assert one.fail(GatewayError("x")).startswith(chunk('{"content":"Hi"}') + b'data: {"error"')


def test_no_finish_reason_is_said_before_an_error_also_where_one_was_held_for_the_usage() -> None:
    """Or a client takes a failed stream for a whole one: openai-wire.md 36."""
    one = encoder(usage=True)
    one.open()
    one.write(Text("Hi", last=True))
    one.write(Finished("stop"))
    frames = parsed(one.fail(GatewayError("counting failed")))
    reasons = [
        frame["choices"][0]["finish_reason"] for frame in frames if frame and "choices" in frame
    ]
    assert reasons == [None]
    assert "error" in frames[-2]


def test_text_that_was_sent_cannot_be_taken_back() -> None:
    one = encoder()
    one.write(Text("abc"))
    with pytest.raises(UpstreamGarbled) as caught:
        one.write(Replaced("xyz"))
    assert caught.value.code == "upstream_inconsistent"


# --- an unstreamed answer


@pytest.mark.parametrize("usage", [Usage(8, 2), None])
def test_an_unstreamed_answer_field_by_field(usage: Usage | None) -> None:
    told = [Completion("Hi", "length", None), Completion("", "stop", None)]
    body = completion_body("chatcmpl-1", 17, "m", "emulator", told, usage)
    counts = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}
    assert body == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 17,
        "model": "m",
        "system_fingerprint": "emulator",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "length",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": "", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            },
        ],
        **({"usage": counts} if usage else {}),
    }


def choice(completion: Completion, *, deprecated: bool = False) -> Any:
    body = completion_body("c", 17, "m", None, [completion], None, deprecated=deprecated)
    return body["choices"][0]


def test_unstreamed_calls_have_no_content_unless_text_came_before() -> None:
    calls = (Call("call_1", "f", '{"x":1}'), Call("call_2", "g", "{}"))
    found = choice(Completion("", "tool_calls", None, calls))
    assert found["finish_reason"] == "tool_calls"
    assert found["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "f", "arguments": '{"x":1}'},
            },
            {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    assert choice(Completion("Wait.", "tool_calls", None, calls))["message"]["content"] == "Wait."


def test_an_unstreamed_deprecated_call() -> None:
    found = choice(
        Completion("", "tool_calls", None, (Call("call_1", "f", "{}"),)), deprecated=True
    )
    assert found["finish_reason"] == "function_call"
    assert found["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "function_call": {"name": "f", "arguments": "{}"},
    }


def test_an_unstreamed_refusal_stands_in_place_of_the_content() -> None:
    message = choice(Completion("", "stop", None, (), "I won't."))["message"]
    assert message == {"role": "assistant", "content": None, "refusal": "I won't."}
