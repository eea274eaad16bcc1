"""One clock for all runs: which task is due, and how long until the next. Pure; others wait.

A task is an iterator of waits: each step does something and yields the seconds until its next step.
A heap of due moments costs less than a timer and a greenlet switch per event, and the events of
many runs that are due together are sent in one go.
"""

import heapq
import itertools
import logging
from collections.abc import Iterator

Task = Iterator[float]

# So many steps without a wait, then the other tasks have their turn.
_BURST = 64
_LOG = logging.getLogger(__name__)


class Pacer:
    """The tasks by the moment when they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Task]] = []
        self._order = itertools.count()

    def add(self, task: Task, now: float) -> None:
        """Take on a task; its first wait begins now."""
        self._push(now, task)

    def run_due(self, now: float) -> float | None:
        """Step every task that is due; gives the seconds until the next, None without any."""
        later: list[tuple[float, Task]] = []
        while self._heap and self._heap[0][0] <= now:
            due, _, task = heapq.heappop(self._heap)
            again = self._advance(task, due)
            if again is not None:
                later.append((again, task))
        for due, task in later:
            self._push(due, task)
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def _advance(self, task: Task, due: float) -> float | None:
        try:
            for _ in range(_BURST):
                wait = next(task)
                if wait > 0:
                    # From the moment it was due, not from now: a late step does not shift the rest.
                    return due + wait
        except StopIteration:
            return None
        except Exception:
            _LOG.exception("a run failed in the emulator")
            return None
        return due

    def _push(self, due: float, task: Task) -> None:
        heapq.heappush(self._heap, (due, next(self._order), task))

    def __len__(self) -> int:
        return len(self._heap)
