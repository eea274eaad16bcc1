"""Several choices to the bytes of one stream."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.calls import CallArguments, CallBegun
from langfast_wsgi.conversation.events import Chosen, Event, Finished, Replaced, Text, Usage
from langfast_wsgi.dialects._chunks import ChoicesEncoder
from langfast_wsgi.dialects.chat.encode import ChunkEncoder
from langfast_wsgi.errors import RunFailed, UpstreamGarbled
from tests.support.builders import PAUSE

ROLE = {"role": "assistant", "content": ""}
END = Finished("stop")


def encoder(choices: int = 3, *, usage: bool = False) -> ChoicesEncoder:
    encoders = [
        ChunkEncoder("chatcmpl-1", 17, "m", None, usage, index=index) for index in range(choices)
    ]
    return ChoicesEncoder(encoders, usage)


def chunks(data: bytes) -> list[Any]:
    """The JSON of each frame; the terminator as None."""
    words = [frame.removeprefix("data: ") for frame in data.decode().split("\n\n")[:-1]]
    return [None if word == "[DONE]" else json.loads(word) for word in words]


def said(data: bytes) -> list[tuple[int, Any, str | None]]:
    """Index, delta and finish reason of each chunk."""
    choices = [chunk["choices"][0] for chunk in chunks(data) if chunk and chunk.get("choices")]
    return [(one["index"], one["delta"], one["finish_reason"]) for one in choices]


def test_choices_open_in_order_whoever_speaks_first() -> None:
    one = encoder()
    assert said(one.write(Chosen(2, Text("c")))) == [
        (0, ROLE, None),
        (1, ROLE, None),
        (2, ROLE, None),
        (2, {"content": "c"}, None),
    ]
    assert said(one.write(Chosen(0, Text("a")))) == [(0, {"content": "a"}, None)]


def test_a_choice_that_says_nothing_is_opened_all_the_same() -> None:
    one = encoder(2)
    assert said(one.write(Chosen(0, END))) == [(0, ROLE, None)]
    assert said(one.write(Chosen(1, Text("b")))) == [(1, ROLE, None), (1, {"content": "b"}, None)]


def test_the_ends_are_said_when_all_choices_are_complete() -> None:
    one = encoder(2)
    one.open()
    assert said(one.write(Chosen(0, Text("a", last=True)))) == []
    assert said(one.write(Chosen(0, Finished("length")))) == [(0, {"content": "a"}, None)]
    assert said(one.write(Chosen(1, Text("b")))) == [(1, ROLE, None), (1, {"content": "b"}, None)]
    assert one.write(Chosen(1, END)) == b""
    data = one.write(END)
    assert said(data) == [(0, {}, "length"), (1, {}, "stop")]
    assert chunks(data)[-1] is None


def test_usage_comes_behind_all_ends() -> None:
    one = encoder(2, usage=True)
    for index in (0, 1):
        one.write(Chosen(index, END))
    assert one.write(END) == b""
    *ends, usage, done = chunks(one.write(Usage(8, 5)))
    assert [end["choices"][0]["finish_reason"] for end in ends] == ["stop", "stop"]
    assert (usage["choices"], usage["usage"]["total_tokens"], done) == ([], 13, None)


def test_calls_leave_with_the_end_of_their_own_choice() -> None:
    one = encoder(2)
    assert one.write(Chosen(1, CallBegun(0, "call_1", "f"))) == b""
    assert one.write(Chosen(1, CallArguments(0, "{}"))) == b""
    found = said(one.write(Chosen(1, Finished("tool_calls"))))
    assert [index for index, _, _ in found] == [0, 1, 1, 1]
    assert found[1][1] == {"role": "assistant", "content": None}


def test_no_end_is_said_in_a_stream_that_fails() -> None:
    one = encoder(2)
    one.write(Chosen(0, Text("a")))
    one.write(Chosen(0, END))
    one.write(Chosen(1, Text("b", last=True)))
    data = one.fail(RunFailed("no"))
    assert said(data) == [(1, ROLE, None), (1, {"content": "b"}, None)]
    assert [set(chunk) for chunk in chunks(data)[-2:-1]] == [{"error"}]
    assert chunks(data)[-1] is None


def test_text_that_was_sent_cannot_be_taken_back() -> None:
    with pytest.raises(UpstreamGarbled):
        encoder().write(Chosen(1, Replaced("x")))


def test_a_pause_says_nothing() -> None:
    assert encoder().write(PAUSE) == b""


@given(
    st.lists(st.tuples(st.integers(0, 3), st.text(min_size=1, max_size=5)), max_size=20),
    st.permutations(range(4)),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_interleaving_keeps_the_rules_of_the_wire(
    texts: list[tuple[int, str]], order: list[int], usage: bool, opened: bool
) -> None:
    one = encoder(4, usage=usage)
    events: list[Event] = [Chosen(index, Text(text)) for index, text in texts]
    events += [Chosen(index, END) for index in order] + [END]
    if usage:
        events.append(Usage(1, 1))
    data = (one.open() if opened else b"") + b"".join(one.write(event) for event in events)
    found = said(data)
    first_seen = list(dict.fromkeys(index for index, _, _ in found))
    assert first_seen == [0, 1, 2, 3]
    for choice in range(4):
        own = [(delta, reason) for index, delta, reason in found if index == choice]
        assert own[0] == (ROLE, None)
        assert own[-1] == ({}, "stop")
        told = "".join(delta["content"] for delta, _ in own[1:-1])
        assert told == "".join(text for index, text in texts if index == choice)
        assert [reason for _, reason in own[:-1]] == [None] * (len(own) - 1)
    assert chunks(data)[-1] is None
