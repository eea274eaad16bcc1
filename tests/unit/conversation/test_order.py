"""Which event may follow which."""

from collections.abc import Iterator
from itertools import product

import pytest

from langfast_wsgi.conversation.events import (
    Event,
    Finished,
    Pause,
    Replaced,
    Text,
    Usage,
)
from langfast_wsgi.conversation.order import NEXT, OutOfOrder, State, ordered
from tests.support.builders import PAUSE

EVENTS: list[Event] = [Text("a"), Replaced("b"), PAUSE, Finished("stop"), Usage(1, 1)]


@pytest.mark.parametrize(
    "stream",
    [
        [Finished("stop")],
        [PAUSE, Text("a"), PAUSE, Replaced("b"), Text("c"), PAUSE, Finished("length")],
        [Text("a"), Finished("stop"), Usage(1, 1)],
    ],
    ids=["an empty answer", "anything before the end", "usage behind it"],
)
def test_a_legal_stream_is_handed_on_untouched(stream: list[Event]) -> None:
    assert list(ordered(iter(stream))) == stream


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ([], "stopped without an end"),
        ([Text("a")], "stopped without an end"),
        ([PAUSE], "stopped without an end"),
        ([Usage(1, 1)], "Usage while open"),
        ([Finished("stop"), Text("a")], "Text while finished"),
        ([Finished("stop"), Finished("stop")], "Finished while finished"),
        ([Finished("stop"), PAUSE], "Pause while finished"),
        ([Finished("stop"), Usage(1, 1), Usage(1, 1)], "Usage while counted"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_an_illegal_stream_is_out_of_order(stream: list[Event], words: str) -> None:
    with pytest.raises(OutOfOrder, match=words):
        list(ordered(iter(stream)))


def test_what_came_before_the_illegal_event_was_handed_on() -> None:
    events = ordered(iter([Text("a"), Finished("stop"), Text("b")]))
    assert [next(events), next(events)] == [Text("a"), Finished("stop")]
    with pytest.raises(OutOfOrder):
        next(events)


def test_every_stream_of_four_events_is_judged_by_the_table() -> None:
    for stream in product(EVENTS, repeat=4):
        state: State | None = State.OPEN
        for event in stream:
            state = NEXT[state].get(type(event)) if state else None
        legal = state in (State.FINISHED, State.COUNTED)
        try:
            list(ordered(iter(stream)))
        except OutOfOrder:
            assert not legal, stream
        else:
            assert legal, stream


def test_a_pause_changes_no_state() -> None:
    moves = [(state, legal[Pause]) for state, legal in NEXT.items() if Pause in legal]
    assert moves == [(State.OPEN, State.OPEN)]


def test_a_fault_of_the_stream_passes_through() -> None:
    def failing() -> Iterator[Event]:
        yield Text("a")
        raise ValueError("what?")

    events = ordered(failing())
    next(events)
    with pytest.raises(ValueError, match=r"what\?"):
        next(events)
