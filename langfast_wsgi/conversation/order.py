"""The legal order of events, as a table.

Theory: a stream is in one of four states. It is *open* until a call was begun or the end was said,
*calling* from a call to the end, for no text comes behind it, *finished* after the end, and
*counted* once usage was given, which is the last thing that can come. A pause changes nothing and
may come at any time before the end. A stream that stops before its end was cut off. Where several
answers come side by side, each of them is a stream of its own with this order.

======== ====================================== ========
state    event                                  next
======== ====================================== ========
open     Text, Replaced, Refused, Chosen, Pause open
open     CallBegun                              calling
open     Finished                               finished
calling  CallBegun, CallArguments, Pause        calling
calling  Finished                               finished
finished Usage                                  counted
======== ====================================== ========
"""

from collections.abc import Iterator
from enum import Enum

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


class State(Enum):
    """Where a stream stands."""

    OPEN = "open"
    CALLING = "calling"
    FINISHED = "finished"
    COUNTED = "counted"


NEXT: dict[State, dict[type[Event], State]] = {
    State.OPEN: {
        Text: State.OPEN,
        Replaced: State.OPEN,
        Refused: State.OPEN,
        Chosen: State.OPEN,
        Pause: State.OPEN,
        CallBegun: State.CALLING,
        Finished: State.FINISHED,
    },
    State.CALLING: {
        CallBegun: State.CALLING,
        CallArguments: State.CALLING,
        Pause: State.CALLING,
        Finished: State.FINISHED,
    },
    State.FINISHED: {Usage: State.COUNTED},
    State.COUNTED: {},
}


class OutOfOrder(Exception):
    """A stream broke the order; the fault lies in a provider or a stage, never in a caller."""


OVER = frozenset({State.FINISHED, State.COUNTED})
"""States in which a stream may stop."""


def after(state: State, event: Event) -> State:
    """Where the event leads. Raises OutOfOrder."""
    following = NEXT[state].get(type(event))
    if following is None:
        raise OutOfOrder(f"{type(event).__name__} while {state.value}")
    return following


def at_the_end(state: State) -> None:
    """Raise OutOfOrder where a stream may not stop."""
    if state not in OVER:
        raise OutOfOrder("the stream stopped without an end")


def ordered(events: Iterator[Event]) -> Iterator[Event]:
    """Hand the events on; raise OutOfOrder for an illegal one, or where the end is missing."""
    state = State.OPEN
    for event in events:
        state = after(state, event)
        yield event
    at_the_end(state)
