"""The stage that makes calls of text."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.calls import CallArguments, CallBegun
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text
from langfast_wsgi.errors import UpstreamGarbled
from langfast_wsgi.stages.reask import Again
from langfast_wsgi.stages.tool_calls.judging import call_id, judging
from langfast_wsgi.stages.tool_calls.offer import Offer
from tests.unit.stages.streams import (
    PAUSE,
    Source,
    assert_well_formed,
    calls_of,
    cut,
    cuts,
    pieces,
    reason_of,
    stream,
    text_of,
)
from tests.unit.stages.tool_calls.offers import ADD, PING, WEATHER, offer

TOOLS = {tool.name: tool for tool in (WEATHER, ADD, PING)}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
WRONG = '<tool_call>\n{"name": "get_weather", "arguments": {"town": "Paris"}}\n</tool_call>'
PARIS = [("get_weather", '{"city":"Paris"}')]


def judged(
    events: Any, made: Offer | None = None, *, last: bool = True
) -> tuple[list[Event], Again | None]:
    """What is said, and the verdict."""
    numbers = count(1)
    judge = judging(made or offer(), lambda: f"call_{next(numbers)}")
    said: list[Event] = []
    answer = judge(iter(events), last)
    while True:
        try:
            said.append(next(answer))
        except StopIteration as end:
            return said, end.value


def whole(text: str, made: Offer | None = None, **how: Any) -> tuple[list[Event], Again | None]:
    return judged([Text(text, last=True), Finished("stop")], made, **how)


# --- calls

names = st.sampled_from(["get_weather", "getWeather", "functions.get_weather"])
cities = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["Paris", 'a "b"', "it's", "</tool_call>", "{}", "a\nb", "```", "<tool_call>"]
)
MARKS = [
    ("<tool_call>\n", "\n</tool_call>"),
    ("<tool_call>", ""),
    ("\n\n<tool_call>\n```json\n", "\n```\n</tool_call>"),
    ("<function_call>", "</function_call>\nNow I wait."),
    ("<|tool_call|>", "<|/tool_call|>"),
    ("[TOOL_CALL]\n", "\n[/TOOL_CALL]"),
    ("TOOL_CALL: ", ""),
    ("```json\n", "\n```"),
    ("```tool_call\n", "\n```\n"),
    ("", ""),
    ("  \n", "\n"),
]
SHAPES = [
    lambda name, arguments: json.dumps({"name": name, "arguments": arguments}),
    lambda name, arguments: json.dumps({"name": name, "parameters": arguments}, indent=1),
    lambda name, arguments: json.dumps({"tool": name, "input": arguments}, ensure_ascii=False),
    lambda name, arguments: json.dumps({"name": name, "arguments": json.dumps(arguments)}),
    lambda name, arguments: json.dumps([{"name": name, "arguments": arguments}]),
    lambda name, arguments: json.dumps({"tool_calls": [{"name": name, "arguments": arguments}]}),
    lambda name, arguments: json.dumps(
        {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    ),
    lambda name, arguments: json.dumps({"name": name, "arguments": arguments})[:-1] + ",}",
    lambda name, arguments: "{'name': '%s', 'arguments': {'city': '%s'}}".replace(
        "%s", name, 1
    ).replace("%s", arguments["city"].replace("\\", "\\\\").replace("'", "\\'")),
]


@given(
    name=names,
    city=cities,
    marks=st.sampled_from(MARKS),
    shape=st.sampled_from(SHAPES),
    places=cuts,
    last=st.booleans(),
)
@settings(deadline=None, max_examples=600)
def test_however_a_call_is_written_and_cut_it_is_the_same_call(
    name: str, city: str, marks: tuple[str, str], shape: Any, places: list[int], last: bool
) -> None:
    text = marks[0] + shape(name, {"city": city}) + marks[1]
    said, again = judged(cut(text, places, last=last), last=False)
    assert again is None
    (call,) = calls_of(said)
    assert (call[0], json.loads(call[1])) == ("get_weather", {"city": city})
    assert text_of(said) == ""
    assert reason_of(said) == "tool_calls"


@given(
    cities=st.lists(cities, min_size=2, max_size=4),
    marks=st.sampled_from([*MARKS[:3], MARKS[5]]),
    joint=st.sampled_from(["\n", "", " and\n"]),
    places=cuts,
)
@settings(deadline=None)
def test_several_calls_are_numbered_in_their_order(
    cities: list[str], marks: tuple[str, str], joint: str, places: list[int]
) -> None:
    blocks = [marks[0] + SHAPES[0]("get_weather", {"city": city}) + marks[1] for city in cities]
    said, _ = judged(cut(joint.join(blocks), places))
    found = [json.loads(arguments)["city"] for _, arguments in calls_of(said)]
    assert found == cities


noise = st.lists(
    st.sampled_from(
        [
            *("<tool_call>", "</tool_call>", '{"name": "get_weather"', ', "arguments": {', "}"),
            *('"city": "x"', '"city": 3', "}}", "Hello ", "\n", "```json\n", "```", "'", '"', "["),
            *("]", "{", "<", "ping", '{"name": "ping"}', "TOOL_CALL:", "<tool_response>", " ", ","),
            *(CALL, WRONG, '{"a": 1}', "é"),
        ]
    ),
    max_size=10,
).map("".join)


@given(
    text=noise,
    places=cuts,
    reason=st.sampled_from(["stop", "length"]),
    final=st.booleans(),
    last=st.booleans(),
    required=st.booleans(),
)
@example(
    text="Hello <tool_call>", places=[3, 9], reason="stop", final=False, last=False, required=False
)
@settings(deadline=None, max_examples=1500)
def test_whatever_comes_no_call_is_invalid_no_text_is_lost_and_cuts_change_nothing(
    text: str, places: list[int], reason: str, final: bool, last: bool, required: bool
) -> None:
    made = offer(choice="required" if required else "auto")
    try:
        said, again = judged(cut(text, places, reason, last=last), made, last=final)
    except UpstreamGarbled:
        assert required
        assert final
        with pytest.raises(UpstreamGarbled):
            judged(stream([text] if text else [], reason), made, last=final)
        return
    calls = calls_of(said)
    for name, arguments in calls:
        value = json.loads(arguments)
        assert isinstance(value, dict)
        assert made.find(name).schema.problem(value) is None
        assert name in TOOLS
    if again is not None:
        assert not final
        assert reason == "stop"
        assert again.said == text
        assert text_of(said) == ""
        assert calls == []
    elif calls:
        assert text.startswith(text_of(said))
        assert reason_of(said) == ("tool_calls" if reason == "stop" else reason)
    else:
        assert text_of(said) == text
        assert reason_of(said) == reason
    assert_well_formed(said)
    same, same_again = judged(stream([text] if text else [], reason), made, last=final)
    assert (text_of(same), calls_of(same), same_again) == (text_of(said), calls, again)


@given(text=st.text(max_size=60), places=cuts)
@settings(deadline=None)
def test_plain_text_passes_unchanged(text: str, places: list[int]) -> None:
    said, again = judged(cut(text, places), last=False)
    assert (text_of(said), again) == (text, None)


def test_a_call_is_begun_with_its_id_and_name_and_then_its_arguments_come() -> None:
    said, _ = whole(CALL)
    assert said == [
        CallBegun(0, "call_1", "get_weather"),
        CallArguments(0, '{"city":"Paris"}'),
        Finished("tool_calls"),
    ]


def test_ids_are_unique() -> None:
    ids = {call_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(one.startswith("call_") and len(one) == 29 for one in ids)


# --- text


def test_text_passes_as_the_same_events_and_at_once() -> None:
    events = [Text("It"), Text(" rains."), Text(" <b>", last=True), Finished("stop")]
    judge = judging(offer())(iter(events), True)
    assert next(judge) is events[0]
    assert [next(judge) is event for event in events[1:]] == [True, True, True]


def test_a_pause_is_passed_on_at_once_also_within_a_call() -> None:
    events = [Text(CALL[:5]), PAUSE, Text(CALL[5:20]), PAUSE, Text(CALL[20:]), Finished("stop")]
    source = Source(*events)
    judge = judging(offer())(source, True)
    assert next(judge) is PAUSE
    assert len(source.taken) == 2
    assert next(judge) is PAUSE
    assert len(source.taken) == 4


def test_a_call_may_stand_behind_text() -> None:
    said, _ = judged(cut(f"Let me see.\n{CALL}\nDone.", range(0, 80, 5)))
    assert text_of(said) == "Let me see.\n"
    assert calls_of(said) == PARIS
    assert_well_formed(said)


# --- what is not valid


def test_an_invalid_call_is_turned_down_with_a_correction_and_nothing_is_said() -> None:
    said, again = judged(cut(WRONG, [10, 20], last=False), last=False)
    assert all(event is PAUSE for event in said)
    assert again is not None
    assert again.said == WRONG
    assert "get_weather do not fit its parameters" in again.correction


def test_one_invalid_call_of_several_turns_all_of_them_down() -> None:
    assert whole(f"{CALL}\n{WRONG}", last=False)[1] is not None


def test_an_invalid_call_is_text_where_there_is_no_asking_again() -> None:
    said, again = whole(WRONG)
    assert said == [Text(WRONG, last=True), Finished("stop")]
    assert again is None


def test_an_invalid_call_behind_text_is_text() -> None:
    said, again = whole(f"Hm. {WRONG}", last=False)
    assert said == [Text("Hm. "), Text(WRONG, last=True), Finished("stop")]
    assert again is None


def test_json_that_only_began_like_a_call_is_text_and_not_asked_for_again() -> None:
    text = '{"name": "ping", "address": "127.0.0.1"}'
    said, again = whole(text, last=False)
    assert said == [Text(text, last=True), Finished("stop")]
    assert again is None


# --- the choice


def test_where_a_call_is_required_text_before_it_is_dropped() -> None:
    said, _ = whole(f"Let me see.\n{CALL}", offer(choice="required"))
    assert (text_of(said), calls_of(said)) == ("", PARIS)


def test_where_a_call_is_required_text_alone_is_turned_down() -> None:
    made = offer(choice="required")
    said, again = whole("It rains.", made, last=False)
    assert said == []
    assert again is not None
    with pytest.raises(UpstreamGarbled) as fault:
        whole("It rains.", made)
    assert (fault.value.code, fault.value.retry) == ("upstream_no_tool_call", False)
    assert "rains" not in fault.value.message


def test_where_one_tool_is_required_no_other_is_called() -> None:
    made = offer(choice="required", allowed=["ping"])
    assert whole(CALL, made, last=False)[1] is not None
    assert calls_of(whole('{"any": 1}', made)[0]) == [("ping", '{"any":1}')]


def test_without_parallel_calls_the_first_is_the_only_one() -> None:
    said, _ = whole(f"{CALL}\n{CALL}", offer(parallel=False))
    assert calls_of(said) == PARIS


# --- how it ends


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_of_an_answer_that_was_cut_whole_calls_are_said_and_its_reason(reason: str) -> None:
    said, again = judged(cut(f"{CALL}\n{CALL[:-20]}", [], reason), last=False)
    assert (calls_of(said), reason_of(said), again) == (PARIS, reason, None)
    said, again = judged(cut(CALL[:-20], [], reason), offer(choice="required"), last=False)
    assert (text_of(said), reason_of(said), again) == (CALL[:-20], reason, None)


def test_a_source_without_an_end_is_left_without_one() -> None:
    assert judged([Text("Hi")]) == ([Text("Hi")], None)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([Text("ab"), Replaced("xy")], [Text("ab"), Replaced("xy"), Finished("stop")]),
        ([Text("<tool_c"), Replaced("xy")], [Text("xy"), Finished("stop")]),
        (
            [Text("<tool_call>"), Replaced("xy"), Text("z")],
            [Text("xy"), Text("z"), Finished("stop")],
        ),
        (
            [Text("ab"), Replaced("<tool_call>")],
            [Text("ab"), Replaced(""), Text("<tool_call>", True), Finished("stop")],
        ),
    ],
    ids=repr,
)
def test_a_text_that_is_replaced_is_told_anew(events: list[Event], expected: list[Event]) -> None:
    assert judged([*events, Finished("stop")])[0] == expected


def test_a_stream_in_single_characters_gives_the_same_as_the_whole() -> None:
    for text in (CALL, f"So. {CALL}", WRONG, "plain <tool text"):
        single: Iterator[Event] = iter(stream(pieces(text, range(len(text)))))
        assert [
            event for event in judged(single)[0] if isinstance(event, CallBegun | CallArguments)
        ] == [event for event in whole(text)[0] if isinstance(event, CallBegun | CallArguments)]
