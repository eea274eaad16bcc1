"""The records that a stream is made of."""

import dataclasses
from typing import get_args

import pytest

from langfast_wsgi.conversation import events
from langfast_wsgi.conversation.events import Finished, Replaced, Silence, Text, Usage

ALL = [Text("a"), Replaced("b"), Silence(), Finished("stop"), Usage(1, 2)]


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
    assert Silence() == events.SILENCE


def test_the_finish_reasons_are_openais_without_the_deprecated_one() -> None:
    assert frozenset({"stop", "length", "tool_calls", "content_filter"}) == events.FINISH_REASONS
