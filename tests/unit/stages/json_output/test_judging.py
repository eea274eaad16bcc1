"""The stage that makes JSON of text."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text
from langfast_wsgi.errors import UpstreamGarbled
from langfast_wsgi.stages.json_output.form import Form
from langfast_wsgi.stages.json_output.judging import judging
from langfast_wsgi.stages.mending import Document
from langfast_wsgi.stages.reask import Again
from tests.unit.stages.json_output.test_form import PERSON
from tests.unit.stages.streams import (
    PAUSE,
    Source,
    assert_well_formed,
    cut,
    cuts,
    reason_of,
    refusal_of,
    stream,
    text_of,
)

ZOE = '{"name": "Zoë", "age": 3}'
ANY = Form()
FITTING = Form(PERSON)


def judged(
    events: Any, form: Form = ANY, *, last: bool = True, trickle: bool = True
) -> tuple[list[Event], Again | None]:
    """What is said, and the verdict."""
    said: list[Event] = []
    answer = judging(form, trickle=trickle)(iter(events), last)
    while True:
        try:
            said.append(next(answer))
        except StopIteration as end:
            return said, end.value


noise = st.lists(
    st.sampled_from(
        [
            *('{"a": 1}', ZOE, "{'b': 'x'}", '{"c": [1, 2,],}', '{"name": 3}', "Here: ", "\n"),
            *("```json\n", "```", "{", "}", '"', '"d": ', "True", "[", "]", ",", "12", "'", "é"),
            *('{"e": "f" "g": 2}', '{"h": "i'),
        ]
    ),
    max_size=8,
).map("".join)


@given(
    text=noise,
    places=cuts,
    schema=st.booleans(),
    trickle=st.booleans(),
    final=st.booleans(),
    last=st.booleans(),
)
@example(text='{"a": 1 "b": 2}', places=[4], schema=False, trickle=True, final=True, last=True)
@settings(deadline=None, max_examples=1500)
def test_whatever_comes_only_valid_json_is_said_and_cuts_change_nothing(
    text: str, places: list[int], schema: bool, trickle: bool, final: bool, last: bool
) -> None:
    form = FITTING if schema else ANY
    try:
        said, again = judged(cut(text, places, last=last), form, last=final, trickle=trickle)
    except UpstreamGarbled:
        with pytest.raises(UpstreamGarbled):
            judged(stream([text] if text else []), form, last=final, trickle=trickle)
        assert final or trickle
        return
    if again is not None:
        assert not final
        assert again.said == text
        assert text_of(said) == ""
    elif refusal_of(said) is not None:
        assert final
        assert schema
        assert refusal_of(said) == text.strip()
        assert text_of(said) == ""
    else:
        value = json.loads(text_of(said))
        assert isinstance(value, dict)
        assert not schema or set(value) == {"name", "age"}
    if again is None:
        assert reason_of(said) == "stop"
    assert_well_formed(said)
    same, same_again = judged(stream([text] if text else []), form, last=final, trickle=trickle)
    assert (text_of(same), refusal_of(same), same_again) == (text_of(said), refusal_of(said), again)


@given(text=noise, places=cuts)
@settings(deadline=None)
def test_where_an_object_trickles_nothing_is_held_that_can_be_sent(
    text: str, places: list[int]
) -> None:
    source = Source(*cut(text, places, last=False))
    answer = judging(ANY, trickle=True)(source, True)
    shown = ""
    try:
        for event in answer:
            if isinstance(event, Text):
                shown += event.delta
            elif event is PAUSE:
                assert shown == Document().feed(text_of(source.taken))
    except UpstreamGarbled:
        pass


@pytest.mark.parametrize("trickle", [True, False])
@pytest.mark.parametrize(
    "text",
    [ZOE, f"```json\n{ZOE}\n```", f"Sure, here it is:\n\n{ZOE}\n\nAnything else?", f"{ZOE}{ZOE}"],
)
@pytest.mark.parametrize("form", [ANY, FITTING], ids=["object", "schema"])
def test_fences_and_words_around_it_are_dropped(form: Form, text: str, trickle: bool) -> None:
    said, again = judged(cut(text, range(0, 90, 4)), form, trickle=trickle, last=False)
    assert (text_of(said), reason_of(said), again) == (ZOE, "stop", None)


def test_an_object_trickles_as_it_comes() -> None:
    events = [Text('{"a'), Text('": 1'), Text("}", last=True), Finished("stop")]
    assert judged(events)[0] == [
        Text('{"a'),
        Text('": '),
        Text("1}", last=True),
        Finished("stop"),
    ]


def test_brackets_that_are_missing_at_the_end_are_added() -> None:
    events = [Text('{"a": [1'), Text(", 2", last=True), Finished("stop")]
    assert judged(events)[0] == [
        Text('{"a": ['),
        Text("1"),
        Text(", 2]}", last=True),
        Finished("stop"),
    ]


@pytest.mark.parametrize("form", [ANY, FITTING], ids=["not streamed", "schema"])
def test_otherwise_nothing_is_said_before_all_of_it_is_known_to_fit(form: Form) -> None:
    events = cut(ZOE, range(0, 25, 3), last=False)
    said, _ = judged(events, form, trickle=form is FITTING)
    assert said == [*[PAUSE] * (len(said) - 2), Text(ZOE, last=True), Finished("stop")]


def test_a_pause_is_passed_on_at_once() -> None:
    source = Source(Text('{"a'), PAUSE, Text('": 1}'), Finished("stop"))
    answer = judging(FITTING, trickle=True)(source, True)
    assert next(answer) is PAUSE
    assert len(source.taken) == 2


# --- what does not fit


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (FITTING, '{"name": "Zoë"}'),
        (FITTING, "I cannot."),
        (FITTING, '{"name": "Zo'),
        (FITTING, ""),
        (ANY, "I cannot."),
        (ANY, ""),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_turned_down_and_nothing_is_said(form: Form, text: str) -> None:
    said, again = judged(stream([text] if text else [], last=False), form, last=False)
    assert all(event is PAUSE for event in said)
    assert again is not None
    assert again.said == text
    assert "Answer again" in again.correction


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (FITTING, '{"name": "Zoë"}'),
        (FITTING, 'Well: {"name"'),
        (FITTING, " \n"),
        (ANY, "I cannot."),
        (ANY, ""),
    ],
    ids=repr,
)
def test_where_there_is_no_asking_again_it_is_a_fault(form: Form, text: str) -> None:
    with pytest.raises(UpstreamGarbled) as fault:
        judged(stream([text] if text else []), form)
    assert (fault.value.code, fault.value.retry) == ("upstream_invalid_json", False)
    assert "Zoë" not in fault.value.message


def test_words_in_place_of_what_a_schema_describes_are_a_refusal_in_the_end() -> None:
    said, again = judged(cut(" I cannot do that.\n", [5]), FITTING)
    assert said == [PAUSE, Refused("I cannot do that."), Finished("stop")]
    assert again is None


def test_an_object_that_breaks_after_it_was_begun_is_a_fault_even_with_a_budget() -> None:
    events = [Text('{"a": 1'), PAUSE, Text(' "b": 2}'), Finished("stop")]
    answer = judging(ANY, trickle=True)(iter(events), False)
    assert [next(answer), next(answer)] == [Text('{"a": '), PAUSE]
    with pytest.raises(UpstreamGarbled):
        list(answer)


def test_the_same_object_is_guessed_at_where_nothing_was_sent() -> None:
    said, _ = judged(stream(['{"a": 1', ' "b": 2}']), trickle=False)
    assert text_of(said) == '{"a": 1, "b": 2}'


# --- how it ends


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ('Here: {"name": "Zo', FITTING, '{"name": "Zo'),
        ('{"a": 12', ANY, '{"a": '),
        ("Here", ANY, "Here"),
        ("", ANY, ""),
    ],
)
@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_passes_as_far_as_it_goes(
    text: str, form: Form, expected: str, reason: str
) -> None:
    said, again = judged(stream([text] if text else [], reason), form, last=False)
    assert (text_of(said), reason_of(said), again) == (expected, reason, None)


def test_calls_pass_and_words_before_them_are_dropped() -> None:
    calls: list[Event] = [
        CallBegun(0, "call_1", "f"),
        CallArguments(0, "{}"),
        Finished("tool_calls"),
    ]
    assert judged([Text("Let me see."), *calls], FITTING, last=False) == (calls, None)


def test_a_source_without_an_end_is_left_without_one() -> None:
    assert judged([Text(ZOE)], FITTING, last=False) == ([], None)


@pytest.mark.parametrize(
    ("events", "form", "expected"),
    [
        ([Text('{"a": 1, '), Replaced(ZOE)], FITTING, [Text(ZOE, True)]),
        ([Replaced('{"b'), Text('": 1}')], ANY, [Text('{"b'), Text('": 1}')]),
        ([Text('{"a'), Replaced('{"b": 1}')], ANY, [Text('{"a'), Replaced('{"b": 1}')]),
        ([Text("Well"), Replaced('{"b": 1}')], ANY, [Text('{"b": 1}')]),
    ],
    ids=repr,
)
def test_a_text_that_is_replaced_is_read_anew(
    events: list[Event], form: Form, expected: list[Event]
) -> None:
    said, _ = judged([*events, Finished("stop")], form)
    assert text_of(said) == text_of(expected)
    assert [type(event) for event in said] == [*map(type, expected), Finished]
