"""The legal order of events, as a table.

Theory: a stream is in one of three states. It is *open* until the end was said, *finished* after
it, and *counted* once usage was given, which is the last thing that can come. A pause changes
nothing and may come at any time before the end. A stream that stops while it is open was cut off.

======== ============================== ========
state    event                          next
======== ============================== ========
open     Text, Replaced, Pause          open
open     Finished                       finished
finished Usage                          counted
======== ============================== ========
"""

from collections.abc import Iterator
from enum import Enum

from langfast_wsgi.conversation.events import Event, Finished, Pause, Replaced, Text, Usage


class State(Enum):
    """Where a stream stands."""

    OPEN = "open"
    FINISHED = "finished"
    COUNTED = "counted"


NEXT: dict[State, dict[type[Event], State]] = {
    State.OPEN: {
        Text: State.OPEN,
        Replaced: State.OPEN,
        Pause: State.OPEN,
        Finished: State.FINISHED,
    },
    State.FINISHED: {Usage: State.COUNTED},
    State.COUNTED: {},
}


class OutOfOrder(Exception):
    """A stream broke the order; the fault lies in a provider or a stage, never in a caller."""


def ordered(events: Iterator[Event]) -> Iterator[Event]:
    """Hand the events on; raise OutOfOrder for an illegal one, or where the end is missing."""
    state = State.OPEN
    legal = NEXT[state]
    for event in events:
        following = legal.get(type(event))
        if following is None:
            raise OutOfOrder(f"{type(event).__name__} while {state.value}")
        if following is not state:
            state = following
            legal = NEXT[state]
        yield event
    if state is State.OPEN:
        raise OutOfOrder("the stream stopped without an end")
