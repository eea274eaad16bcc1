"""Stop sequences."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.calls import CallArguments, CallBegun
from langfast_wsgi.conversation.events import Finished, Replaced, Text
from langfast_wsgi.stages.stop import stopped
from tests.unit.stages.streams import (
    PAUSE,
    Source,
    assert_well_formed,
    cut,
    cuts,
    reason_of,
    text_of,
)

words = st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1, max_size=4)


def first_complete(text: str, stops: list[str]) -> str:
    """The text before the stop sequence that is complete first, by definition."""
    for end in range(len(text) + 1):
        begins = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if begins:
            return text[: min(begins)]
    return text


@given(text=st.text("ab\nc", max_size=40), stops=words, places=cuts, last=st.booleans())
@example(text="aab", stops=["ab"], places=[1, 2], last=True)
@example(text="\n\na\n", stops=["\n\nab", "a\n"], places=[1, 2, 3], last=False)
@example(text="abab\n", stops=["abab\nb", "\nc"], places=[1, 3], last=False)
@settings(deadline=None, max_examples=400)
def test_however_a_text_is_cut_it_ends_before_the_sequence_that_is_complete_first(
    text: str, stops: list[str], places: list[int], last: bool
) -> None:
    said = list(stopped(iter(cut(text, places, "length", last=last)), stops))
    expected = first_complete(text, stops)
    assert text_of(said) == expected
    assert reason_of(said) == ("length" if expected == text else "stop")
    # The word that stands there in the text; of several the shortest is complete first.
    rest = text[len(expected) :]
    begun = [stop for stop in stops if rest.startswith(stop)]
    (word,) = [event.stop for event in said if isinstance(event, Finished)]
    assert word == min(begun, key=len, default=None)
    assert not any(stop in text_of(said) for stop in stops)
    assert_well_formed(said)


@given(text=st.text("ab\nc", max_size=40), stop=st.text("ab\n", min_size=1), places=cuts)
@settings(deadline=None, max_examples=200)
def test_one_sequence_cuts_where_find_finds_it(text: str, stop: str, places: list[int]) -> None:
    at = text.find(stop)
    said = list(stopped(iter(cut(text, places)), [stop]))
    assert text_of(said) == (text if at < 0 else text[:at])


@given(text=st.text("ab\nc", max_size=40), stops=words, places=cuts)
@settings(deadline=None, max_examples=200)
def test_held_is_never_more_than_the_longest_beginning_of_a_sequence(
    text: str, stops: list[str], places: list[int]
) -> None:
    come = ""
    shown = ""
    source = Source(*cut(text, places, last=False))
    for event in stopped(source, stops):
        if isinstance(event, Text):
            shown += event.delta
        if event is PAUSE:
            come = text_of(source.taken)
            begins = {stop[:size] for stop in stops for size in range(len(stop))}
            held = max(len(begin) for begin in begins if come.endswith(begin))
            assert shown == come[: len(come) - held]


def test_a_pause_is_passed_on_at_once_also_while_text_is_held() -> None:
    stage = stopped(iter([Text("Hi#"), PAUSE, Text("!"), Finished("stop")]), ["##"])
    assert [next(stage), next(stage)] == [Text("Hi"), PAUSE]
    assert list(stage) == [Text("#!"), Finished("stop")]


def test_text_without_a_sequence_passes_as_the_same_event() -> None:
    event = Text("plain", last=True)
    assert next(iter(stopped(iter([event, Finished("stop")]), ["x"]))) is event


def test_at_a_sequence_the_source_is_closed_and_asked_no_more() -> None:
    source = Source(Text("one STOP two"), Text("three"), Finished("length"))
    assert list(stopped(source, ["STOP"])) == [Text("one ", last=True), Finished("stop", "STOP")]
    assert source.closed
    assert source.taken == [Text("one STOP two")]


def test_a_stage_that_is_closed_closes_its_source() -> None:
    source = Source(Text("one"), Text("two"))
    stage = stopped(source, ["x"])
    next(stage)
    stage.close()  # type: ignore[attr-defined]
    assert source.closed


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([Text("abc"), Replaced("xyz")], [Text("abc"), Replaced("xyz"), Finished("stop")]),
        ([Text("abc"), Replaced("x#yz")], [Text("abc"), Replaced("x"), Finished("stop", "#")]),
        ([Replaced("x#yz")], [Text("x", last=True), Finished("stop", "#")]),
        ([Replaced("#")], [Finished("stop", "#")]),
        (
            [Text("a~"), Replaced("b~")],
            [Text("a"), Replaced("b"), Text("~", True), Finished("stop")],
        ),
        ([Text("~"), Replaced("a~"), Text("~b")], [Text("a"), Finished("stop", "~~")]),
    ],
    ids=repr,
)
def test_a_text_that_is_replaced_is_looked_at_anew(said: list, expected: list) -> None:
    assert list(stopped(iter([*said, Finished("stop")]), ["#", "~~"])) == expected


def test_what_is_held_comes_before_a_call() -> None:
    calls = [CallBegun(0, "call_1", "f"), CallArguments(0, "{}"), Finished("tool_calls")]
    said = list(stopped(iter([Text("a#"), PAUSE, *calls]), ["##"]))
    assert said == [Text("a"), PAUSE, Text("#"), *calls]


def test_without_words_everything_passes() -> None:
    said = cut("a text", [2, 3])
    assert list(stopped(iter(said), [])) == said
    assert list(stopped(iter(said), [""])) == said
