"""Waiting for a place, and places for several runs of one request.

Theory: the choices of one request are runs side by side. All their places are taken in one turn, so
no two requests can hold a part each of what both need. Whoever reads the runs waits for all of them
at once: their mailboxes share one bell.

Nobody knows how many runs an account takes before the first start was answered. If the places that
are known by then do not suffice, one of the runs begins alone; the others wait in line for what its
start will tell.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

from langfast_wsgi.conversation.events import Event, Pause
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import GatewayError
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.turn import Lease, Turn

Lock = AbstractContextManager[object]


class InLine:
    """A caller in the line, as a bell. It has a timer of its own: few wait, and not for long."""

    __slots__ = ("_deadline", "_tick", "_turn", "listener")

    def __init__(self, turn: Turn, tick: float, deadline: float) -> None:
        self._turn = turn
        self._tick = tick
        self._deadline = deadline
        #: See Bell. Nobody brings news but the pool, which wakes.
        self.listener: Callable[[], bool] | None = None

    def wait(self) -> bool:
        """See Bell."""
        try:
            left = max(self._deadline - time.monotonic(), 0.0)
            return self._turn.wait(min(self._tick, left)) is not None
        except GatewayError:
            return True  # raised again where it is accounted for


def served(turn: Turn, pool: Pool, patience: float, tick: float) -> Generator[Event, None, None]:
    """Pauses until the turn has come. Raises GatewayError."""
    deadline = time.monotonic() + patience
    pause = Pause(InLine(turn, tick, deadline))
    while turn.wait(0) is None:
        if time.monotonic() >= deadline:
            raise pool.overdue()
        yield pause


class Runs(Protocol):
    """How a provider runs a request on a turn that it takes when the run begins."""

    def __call__(
        self, request: RunRequest, turn: Callable[[], Turn], mailbox: Callable[[Lock], Mailbox], /
    ) -> Generator[Event, None, None]:
        """The events of the run."""
        ...


class Places:
    """See ``providers.base.Places``."""

    def __init__(
        self,
        count: int,
        caller: str,
        pool: Pool,
        queue: Callable[[Turn], Generator[Event, None, None]],
        runs: Runs,
        tick: float,
    ) -> None:
        self._count = count
        self._pool = pool
        self._turn = partial(pool.turn, caller)
        self._queue = queue
        self._runs = runs
        self._tick = tick
        self._leases: list[Lease] = []
        self._bell = threading.Lock()
        self._bell.acquire()

    def __repr__(self) -> str:
        return f"<Places {len(self._leases)} of {self._count} unused>"

    def queue(self) -> Generator[Event, None, None]:
        """See Places."""
        with self._turn(places=self._count) as turn:
            if turn.wait(0) or self._pool.told_apart is not None:
                yield from self._queue(turn)
                self._leases = turn.take_all()
                return
        with self._turn() as turn:
            yield from self._queue(turn)
            self._leases = turn.take_all()

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        """See Places."""
        return self._runs(request, self._next, self._mailbox)

    def wait(self) -> bool:
        """See Places. With a timer: one of the runs may wait in line, where nobody rings."""
        self._bell.acquire(timeout=self._tick)
        return False

    def close(self) -> None:
        """See Places; may be called twice."""
        leases, self._leases = self._leases, []
        for lease in leases:
            lease.close()

    def _next(self) -> Turn:
        if not self._leases:
            return self._turn()
        turn = Turn(lambda _: None)
        turn.settle(self._leases.pop(), None)
        return turn

    def _mailbox(self, writing: Lock) -> Mailbox:
        return _Sharing(writing, self._bell)


class _Sharing(Mailbox):
    """One that rings a bell which is not its alone."""

    __slots__ = ()

    def __init__(self, writing: Lock, bell: threading.Lock) -> None:
        super().__init__(writing)
        self._bell = bell
