"""Events to the bytes of OpenAI's legacy completions, as tables."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai.types import Completion as SdkCompletion

from langfast_wsgi.conversation.events import Chosen, Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Completion
from langfast_wsgi.dialects._chunks import DONE, ChoicesEncoder
from langfast_wsgi.dialects._deltas import PIECE
from langfast_wsgi.dialects.completions.encode import ChunkEncoder, completion_body
from langfast_wsgi.errors import RateLimited, RunFailed, UpstreamGarbled
from tests.support.builders import PAUSE

LINE = 64 * 1024
HEAD = ("cmpl-1", 1700000000, "gpt-4o-mini", None)
END = Finished("stop")


def encoder(*, usage: bool = False, echo: str = "", index: int = 0) -> ChunkEncoder:
    return ChunkEncoder(*HEAD, usage, index=index, echo=echo)


def several(*echoes: str, usage: bool = False) -> ChoicesEncoder:
    encoders = [encoder(usage=usage, echo=one, index=index) for index, one in enumerate(echoes)]
    return ChoicesEncoder(encoders, usage)


def written(events: list[Event], *, usage: bool = False, echo: str = "") -> bytes:
    one = encoder(usage=usage, echo=echo)
    return b"".join(one.write(event) for event in events)


def chunk(text: str, finish: str = "null", tail: str = "", index: int = 0) -> bytes:
    """A chunk, byte for byte."""
    return (
        'data: {"id":"cmpl-1","object":"text_completion","created":1700000000,'
        f'"model":"gpt-4o-mini","system_fingerprint":null,"choices":[{{"index":{index},"text":'
        f'{json.dumps(text, ensure_ascii=False)},"logprobs":null,"finish_reason":{finish}}}]'
        + tail
        + "}\n\n"
    ).encode()


NULL = ',"usage":null'
USAGE = (
    b'data: {"id":"cmpl-1","object":"text_completion","created":1700000000,'
    b'"model":"gpt-4o-mini","system_fingerprint":null,"choices":[],'
    b'"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10}}\n\n'
)


def parsed(data: bytes) -> list[Any]:
    """The JSON of each frame; the terminator as None."""
    frames = data.decode().removesuffix("\n\n").split("\n\n") if data else []
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    words = [frame.removeprefix("data: ") for frame in frames]
    return [None if word == "[DONE]" else json.loads(word) for word in words]


def said(data: bytes) -> list[tuple[int, str, str | None]]:
    """Index, text and finish reason of each chunk."""
    choices = [one["choices"][0] for one in parsed(data) if one and one.get("choices")]
    return [(one["index"], one["text"], one["finish_reason"]) for one in choices]


# --- one answer


@pytest.mark.parametrize(
    ("events", "data"),
    [
        ([], b""),
        ([PAUSE], b""),
        ([Text("Hi")], chunk("Hi")),
        (
            [Text("H"), PAUSE, Text("i"), END],
            chunk("H") + chunk("i") + chunk("", '"stop"') + DONE,
        ),
        ([Text("Hi", last=True), Finished("length")], chunk("Hi") + chunk("", '"length"') + DONE),
        ([Finished("content_filter")], chunk("", '"content_filter"') + DONE),
        ([Finished("tool_calls")], chunk("", '"stop"') + DONE),
        ([Text('"\\\n\u2028é😀')], chunk('"\\\n\u2028é😀')),
    ],
    ids=["nothing", "silence", "text", "stream", "held", "filtered", "calls", "escapes"],
)
def test_a_stream_byte_for_byte(events: list[Event], data: bytes) -> None:
    assert written(events) == data


@pytest.mark.parametrize("last", [True, False])
def test_a_stream_with_usage_byte_for_byte(last: bool) -> None:
    data = written([Text("Hi", last=last), END, Usage(8, 2)], usage=True)
    assert data == chunk("Hi", tail=NULL) + chunk("", '"stop"', NULL) + USAGE + DONE


@pytest.mark.parametrize(
    ("events", "data"),
    [
        ([Text("b"), END], chunk("a") + chunk("b") + chunk("", '"stop"') + DONE),
        ([Text("b", last=True), END], chunk("a") + chunk("b") + chunk("", '"stop"') + DONE),
        ([END], chunk("a") + chunk("", '"stop"') + DONE),
    ],
    ids=["text", "held", "empty"],
)
def test_the_prompt_stands_once_before_all_else_where_it_is_echoed(
    events: list[Event], data: bytes
) -> None:
    assert written(events, echo="a") == data
    one = encoder(echo="a")
    opened = one.open()
    assert opened == chunk("a")
    assert one.open() == b""
    assert opened + b"".join(one.write(event) for event in events) == data


def test_a_stream_can_be_opened_before_anything_is_known_and_only_once() -> None:
    one = encoder()
    assert (one.open(), one.open()) == (chunk(""), b"")
    assert one.write(Text("Hi")) == chunk("Hi")
    late = encoder()
    late.write(Text("Hi"))
    assert late.open() == b""


@pytest.mark.parametrize("events", [[], [Text("Hi")], [Text("Hi", last=True)]])
@pytest.mark.parametrize("usage", [True, False])
def test_a_failure_is_one_error_event_and_no_finish_reason(
    events: list[Event], usage: bool
) -> None:
    one = encoder(usage=usage)
    data = b"".join(one.write(event) for event in events) + one.fail(RateLimited("slow down"))
    *texts, error, done = parsed(data)
    assert [one["choices"][0]["finish_reason"] for one in texts] == [None] * len(events)
    assert error == {
        "error": {
            "message": "slow down",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }
    assert done is None


def test_an_end_that_waits_for_its_usage_is_not_said_when_an_error_comes_instead() -> None:
    one = encoder(usage=True)
    data = one.write(Text("Hi")) + one.write(END) + one.fail(RunFailed("no"))
    assert b'"finish_reason":"' not in data


def test_text_that_was_sent_cannot_be_taken_back() -> None:
    with pytest.raises(UpstreamGarbled) as caught:
        encoder().write(Replaced("x"))
    assert caught.value.code == "upstream_inconsistent"


@pytest.mark.parametrize("character", ["x", '"', "\x00", "é", "😀", "\u2028"])
@pytest.mark.parametrize("where", ["text", "echo"])
def test_no_line_is_longer_than_64_kib(character: str, where: str) -> None:
    text = character * (3 * PIECE + 1)
    data = written([Text(text)]) if where == "text" else encoder(echo=text).open()
    assert max(map(len, data.split(b"\n"))) <= LINE
    assert "".join(one["choices"][0]["text"] for one in parsed(data)) == text


@given(
    st.lists(st.text(min_size=1, max_size=30), max_size=8),
    st.booleans(),
    st.booleans(),
    st.text(max_size=5),
)
@example(["a" * PIECE * 2, "b"], False, False, "")
@settings(max_examples=200, deadline=None)
def test_the_texts_add_up_whatever_they_are(
    texts: list[str], usage: bool, opened: bool, echo: str
) -> None:
    one = encoder(usage=usage, echo=echo)
    events: list[Event] = [Text(text, last=text is texts[-1]) for text in texts]
    events += [END, Usage(1, 1)] if usage else [END]
    data = (one.open() if opened else b"") + b"".join(one.write(event) for event in events)
    found = said(data)
    assert "".join(text for _, text, _ in found) == echo + "".join(texts)
    assert [reason for _, _, reason in found] == [None] * (len(found) - 1) + ["stop"]
    for told in parsed(data)[:-1]:
        assert ("usage" in told) is usage


# --- several


def test_choices_open_in_order_whoever_speaks_first() -> None:
    one = several("", "", "")
    assert said(one.write(Chosen(2, Text("c")))) == [(0, "", None), (1, "", None), (2, "c", None)]
    assert said(one.write(Chosen(0, Text("a")))) == [(0, "a", None)]


def test_each_choice_echoes_its_own_prompt() -> None:
    one = several("a", "b")
    data = one.open() + one.write(Chosen(1, Text("y"))) + one.write(Chosen(0, Text("x")))
    assert said(data) == [(0, "a", None), (1, "b", None), (1, "y", None), (0, "x", None)]


def test_the_ends_are_said_when_all_choices_are_complete() -> None:
    one = several("", "", usage=True)
    one.write(Chosen(0, Text("a")))
    assert said(one.write(Chosen(0, END))) == []
    assert said(one.write(Chosen(1, Text("b", last=True)))) == []
    assert said(one.write(Chosen(1, Finished("length")))) == [(1, "b", None)]
    assert one.write(END) == b""
    *ends, usage, done = parsed(one.write(Usage(8, 5)))
    assert [end["choices"][0]["finish_reason"] for end in ends] == ["stop", "length"]
    assert (usage["choices"], usage["usage"]["total_tokens"], done) == ([], 13, None)


def test_no_end_is_said_where_one_of_them_fails() -> None:
    one = several("", "")
    one.write(Chosen(0, Text("a")))
    one.write(Chosen(0, END))
    one.write(Chosen(1, Text("b", last=True)))
    data = one.fail(RunFailed("no"))
    assert said(data) == [(1, "b", None)]
    assert [list(told) for told in parsed(data)[-2:-1]] == [["error"]]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.text(min_size=1, max_size=5)), max_size=20),
    st.permutations(range(4)),
    st.lists(st.text(max_size=3), min_size=4, max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_any_interleaving_adds_up_for_each_choice(
    texts: list[tuple[int, str]], order: list[int], echoes: list[str]
) -> None:
    one = several(*echoes)
    events: list[Event] = [Chosen(index, Text(text)) for index, text in texts]
    events += [Chosen(index, END) for index in order] + [END]
    found = said(b"".join(one.write(event) for event in events))
    assert list(dict.fromkeys(index for index, _, _ in found)) == [0, 1, 2, 3]
    for choice in range(4):
        own = [(text, reason) for index, text, reason in found if index == choice]
        expected = echoes[choice] + "".join(text for index, text in texts if index == choice)
        assert "".join(text for text, _ in own) == expected
        assert [reason for _, reason in own] == [None] * (len(own) - 1) + ["stop"]


# --- one body


def test_an_unstreamed_answer_has_all_that_the_sdk_wants() -> None:
    completions = [Completion(" time", "stop", None), Completion(" a", "tool_calls", None)]
    body = completion_body(*HEAD, completions, Usage(8, 2), echoes=["Once upon a", ""])
    assert body == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1700000000,
        "model": "gpt-4o-mini",
        "system_fingerprint": None,
        "choices": [
            {"text": "Once upon a time", "index": 0, "logprobs": None, "finish_reason": "stop"},
            {"text": " a", "index": 1, "logprobs": None, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
    }
    assert SdkCompletion.model_validate(body).choices[0].text == "Once upon a time"


def test_without_a_count_there_is_no_usage() -> None:
    assert "usage" not in completion_body(*HEAD, [], None, echoes=[])
