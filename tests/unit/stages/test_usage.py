"""What a run used, counted behind its end."""

from typing import Any

import pytest

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.stages.tokenizer import count
from langfast_wsgi.stages.usage import counted, prompt_tokens
from tests.support.builders import PAUSE

HELLO = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("messages", "tokens"),
    [
        ([], 3),
        ([HELLO], 3 + 3 + 1 + 1),
        ([HELLO, HELLO], 3 + 2 * (3 + 1 + 1)),
        ([{"role": "user", "content": "hello world"}], 3 + 3 + 1 + 2),
        ([{**HELLO, "name": "user"}], 3 + 3 + 1 + 1 + 1 + 1),
        ([{**HELLO, "name": None}], 3 + 3 + 1 + 1),
        ([{"role": "assistant", "content": None}], 3 + 3 + 1),
        ([{"role": "user", "content": ""}], 3 + 3 + 1),
        (
            [{"role": "user", "content": [{"type": "text", "text": "hello"}, {"text": " world"}]}],
            3 + 3 + 1 + 2,
        ),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_prompt_tokens_are_framed_as_for_a_chat_model(
    messages: list[dict[str, Any]], tokens: int
) -> None:
    assert prompt_tokens(messages) == tokens


@pytest.mark.parametrize(
    ("value", "as_json"),
    [
        ([{"type": "image_url"}], '[{"type":"image_url"}]'),
        ([{"text": 7}], '[{"text":7}]'),
        ([], "[]"),
        (["plain"], '["plain"]'),
        ({"name": "f"}, '{"name":"f"}'),
        (7, "7"),
        (True, "true"),
    ],
    ids=repr,
)
def test_a_field_that_is_no_text_counts_as_its_json(value: object, as_json: str) -> None:
    calling = [{"role": "assistant", "tool_calls": value}]
    assert prompt_tokens(calling) == 3 + 3 + 1 + count(as_json)


@pytest.mark.parametrize(
    ("events", "tokens"),
    [
        ([Finished("stop")], 0),
        ([Text("hello"), PAUSE, Text(" world"), Finished("stop")], 2),
        ([Text("one two three four"), Replaced("hello"), Text(" world"), Finished("stop")], 2),
        ([Refused("hello world"), Finished("stop")], 2),
        (
            [
                Text("hello"),
                CallBegun(0, "call_1", " world"),
                CallArguments(0, "{}"),
                Finished("tool_calls"),
            ],
            3,
        ),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_usage_comes_behind_the_end_and_changes_nothing_before_it(
    events: list[Event], tokens: int
) -> None:
    found = list(counted(iter(events), [HELLO]))
    assert found == [*events, Usage(8, tokens)]


def test_a_stream_that_is_cut_off_is_not_counted() -> None:
    assert list(counted(iter([Text("a")]), [HELLO])) == [Text("a")]


def test_events_are_handed_on_as_they_come() -> None:
    seen: list[str] = []

    def source():  # type: ignore[no-untyped-def]
        seen.append("asked")
        yield Text("a")
        seen.append("asked again")
        yield Finished("stop")

    stage = counted(source(), [HELLO])
    next(stage)
    assert seen == ["asked"]
