"""The vocabulary of a run's plan, and the plan of a run without faults."""

from collections.abc import Iterator
from dataclasses import dataclass

from langfast_wsgi.emulator.replies.reply import Reply
from langfast_wsgi.emulator.runs.pieces import cuts
from langfast_wsgi.emulator.sockets.channels import How

RUNNING = "in_progress"
COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Say:
    """Send the text so far, ``after`` so many seconds since the step before."""

    after: float
    text: str
    index: int  # of the chunk; the end has the number of chunks
    status: str = RUNNING
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Cut the sockets that the user has at this moment."""

    after: float
    how: How = "abort"


@dataclass(frozen=True, slots=True)
class Raw:
    """Send these bytes over the user's WebSockets as they are."""

    after: float
    frames: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The run is over in this state; nothing follows."""

    after: float
    state: str


Step = Say | Cut | Raw | End
Steps = Iterator[Step]


def plain(reply: Reply, interval: float) -> Steps:
    """Chunks of growing text, then the completed event with the whole."""
    between = interval if reply.interval is None else reply.interval
    ends = cuts(len(reply.text), reply.chunks)
    after = reply.delay
    for index, end in enumerate(ends):
        yield Say(after, reply.text[:end], index)
        after = between
    last_wait = 0.0 if ends else reply.delay
    yield Say(last_wait, reply.text, len(ends), COMPLETED, reply.finish_reason)
