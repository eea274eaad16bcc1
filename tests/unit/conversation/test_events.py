"""The records that a stream is made of."""

import dataclasses
from typing import get_args

import pytest

from langfast_wsgi.conversation import events
from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Chosen, Finished, Replaced, Text, Usage
from tests.support.builders import PAUSE

ALL = [
    *(Text("a"), Replaced("b"), CallBegun(0, "c", "f"), CallArguments(0, "{}"), Refused("no")),
    *(Chosen(0, Text("a")), PAUSE, Finished("stop"), Usage(1, 2)),
]


def test_every_record_is_an_event() -> None:
    assert {type(one) for one in ALL} == set(get_args(events.Event))


@pytest.mark.parametrize("event", ALL, ids=repr)
def test_an_event_is_frozen_and_slotted(event: object) -> None:
    assert not hasattr(event, "__dict__")
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        event.delta = "x"  # type: ignore[attr-defined]


def test_events_are_equal_by_value() -> None:
    assert Text("a") == Text("a", last=False)
    assert Text("a") != Text("a", last=True)


def test_the_finish_reasons_are_openais_without_the_deprecated_one() -> None:
    assert frozenset({"stop", "length", "tool_calls", "content_filter"}) == events.FINISH_REASONS


class Rung:
    """A bell that says what it is told to say."""

    listener = None

    def __init__(self, *news: bool) -> None:
        self.news = list(news)

    def wait(self) -> bool:
        """See Bell."""
        return self.news.pop(0)


def test_who_waits_at_each_pause_sees_those_only_at_which_no_news_came() -> None:
    first, second, third = (events.Pause(Rung(news)) for news in (True, False, True))
    stream = [first, Text("a"), second, third, Finished("stop")]
    assert list(events.awaited(stream)) == [Text("a"), second, Finished("stop")]
