"""Which event may follow which."""

import re
from collections.abc import Iterator
from itertools import product

import pytest

from langfast_wsgi.conversation import order
from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import (
    Chosen,
    Event,
    Finished,
    Pause,
    Replaced,
    Text,
    Usage,
)
from langfast_wsgi.conversation.order import NEXT, OutOfOrder, State, ordered
from tests.support.builders import PAUSE

CALL, MORE = CallBegun(0, "call_1", "f"), CallArguments(0, "{}")
EVENTS: list[Event] = [
    *(Text("a"), Replaced("b"), CALL, MORE, Refused("no"), PAUSE, Finished("stop"), Usage(1, 1)),
]


@pytest.mark.parametrize(
    "stream",
    [
        [Finished("stop")],
        [PAUSE, Text("a"), PAUSE, Replaced("b"), Text("c"), PAUSE, Finished("length")],
        [Text("a"), Finished("stop"), Usage(1, 1)],
        [Text("a"), CALL, MORE, PAUSE, MORE, CALL, Finished("tool_calls"), Usage(1, 1)],
        [PAUSE, Refused("no"), Refused("way"), PAUSE, Finished("stop")],
        [Chosen(1, Text("a")), PAUSE, Chosen(0, Finished("stop")), Finished("stop")],
    ],
    ids=[
        *("an empty answer", "anything before the end", "usage behind it", "calls", "a refusal"),
        "choices",
    ],
)
def test_a_legal_stream_is_handed_on_untouched(stream: list[Event]) -> None:
    assert list(ordered(iter(stream))) == stream


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ([], "stopped without an end"),
        ([Text("a")], "stopped without an end"),
        ([PAUSE], "stopped without an end"),
        ([Text("a"), CALL, MORE], "stopped without an end"),
        ([MORE], "CallArguments while open"),
        ([CALL, Text("a")], "Text while calling"),
        ([CALL, Replaced("a")], "Replaced while calling"),
        ([CALL, Usage(1, 1)], "Usage while calling"),
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
    assert moves == [(State.OPEN, State.OPEN), (State.CALLING, State.CALLING)]


def test_the_drawn_table_is_the_one_that_is_looked_at() -> None:
    _, _, body, _ = re.split(r"^==.*\n", order.__doc__ or "", flags=re.MULTILINE)
    drawn = {
        (words[0], event.strip(","), words[-1])
        for words in map(str.split, body.splitlines())
        for event in words[1:-1]
    }
    table = {
        (state.value, event.__name__, following.value)
        for state, legal in NEXT.items()
        for event, following in legal.items()
    }
    assert drawn == table


def test_a_fault_of_the_stream_passes_through() -> None:
    def failing() -> Iterator[Event]:
        yield Text("a")
        raise ValueError("what?")

    events = ordered(failing())
    next(events)
    with pytest.raises(ValueError, match=r"what\?"):
        next(events)
