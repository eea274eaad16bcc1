"""Runs: what is sent, and when."""

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol
from uuid import uuid4

from benchmarks.orders import ENCODED, ENCODED_OPENING, Order
from benchmarks.upstream.frames import header

_BURST = 32  # so many at once when late, then the sockets have their turn


class Task(Protocol):
    """Something that is done again and again."""

    def step(self, due: float) -> float | None:
        """Do it; the next moment, or None when there is none."""
        ...


class Schedule:
    """Tasks by the moment when they are due. A late one does not shift those after it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Task]] = []
        self._count = itertools.count()
        #: By how much the steps since the last look were late, in seconds.
        self.lateness: list[float] = []

    def add(self, due: float, task: Task) -> None:
        """Take on a task."""
        heapq.heappush(self._heap, (due, next(self._count), task))

    def run(self) -> float:
        """Do what is due; the seconds until the next, at most one."""
        heap, clock = self._heap, time.monotonic
        for _ in range(_BURST):
            now = clock()
            if not heap or heap[0][0] > now:
                return min(heap[0][0] - now, 1.0) if heap else 1.0
            due, order, task = heap[0]
            self.lateness.append(now - due)
            again = task.step(due)
            if again is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (again, order, task))
        return 0.0


class Run:
    """One run: cumulative text, each chunk stamped as it leaves."""

    __slots__ = ("_at", "_head", "_order", "_send", "_started", "_text", "job_id")

    def __init__(self, order: Order, send: Callable[[bytes], None]) -> None:
        self.job_id = str(uuid4())
        self._order = order
        self._send = send
        self._started = time.monotonic_ns() // 1000
        self._text = bytearray()
        self._at = 0
        self._head = (
            b'42["execution:chunk",{"executionId":"' + self.job_id.encode() + b'","status":"'
        )

    def step(self, due: float) -> float | None:
        """Send the next chunk, and behind the last one the end."""
        at = self._at
        now = time.monotonic_ns() // 1000
        if at == 0:
            self._text += b"@%014d#%014d" % (now, self._started)
            self._text += ENCODED_OPENING
        else:
            self._text += b"@%014d" % now
            self._text += ENCODED[at & 63]
        self._say(b'in_progress","finish_reason":null,"content":"')
        self._at = at + 1
        if self._at < self._order.chunks:
            return due + self._order.interval
        self._say(b'completed","finish_reason":"stop","content":"')
        return None

    def _say(self, state: bytes) -> None:
        head, text = self._head, self._text
        size = len(head) + len(state) + len(text) + 3
        self._send(b"".join((header(size), head, state, text, b'"}]')))
