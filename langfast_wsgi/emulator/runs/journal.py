"""The journal: the newest runs, bounded in memory.

Of older runs the request is forgotten first, as it may be large; what they said is kept longer, for
whoever checks a long history.
"""

import time
from collections import OrderedDict, deque

from langfast_wsgi.emulator.runs.run import Run

_MOST_RUNS = 50_000
_MOST_TEXT = 128 * 1024 * 1024  # bytes, about
_MOST_REQUESTS = 2_000
_MOST_REQUEST_BYTES = 256 * 1024 * 1024


class Journal:
    """The newest runs by run id."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._text = 0
        self._requests: deque[Run] = deque()  # the runs whose request is remembered
        self._request_bytes = 0
        self.active: dict[str, int] = {}  # runs in flight by user

    def get(self, run_id: str) -> Run | None:
        """The run, if it is remembered."""
        return self._runs.get(run_id)

    def begin(self, run: Run) -> int:
        """Enter a run; gives how many its user has in flight now."""
        self._runs[run.run_id] = run
        self._requests.append(run)
        self._request_bytes += run.size
        self._count(run, len(run.text))
        self._forget_the_oldest()
        self.active[run.user_id] = self.active.get(run.user_id, 0) + 1
        return self.active[run.user_id]

    def finish(self, run: Run, state: str) -> None:
        """The run is over."""
        run.state = state
        run.ended_at = time.time()
        if self._runs.get(run.run_id) is run:
            self._count(run, run.text_size)
        left = self.active.get(run.user_id, 1) - 1
        if left > 0:
            self.active[run.user_id] = left
        else:
            self.active.pop(run.user_id, None)

    def clear(self) -> None:
        """Forget the runs; those in flight go on, and are still counted as such."""
        self._runs.clear()
        self._requests.clear()
        self._text = self._request_bytes = 0

    def as_json(self, texts: bool) -> list[dict[str, object]]:
        """The runs whose request is remembered, oldest first."""
        return [run.as_json(texts) for run in self._requests]

    def history(self, since: int) -> list[dict[str, object]]:
        """What became of the runs with a number above this one."""
        return [run.history() for run in self._runs.values() if run.number > since]

    def runs_active(self) -> int:
        """Runs in flight."""
        return sum(self.active.values())

    def _count(self, run: Run, text: int) -> None:
        self._text += text - run.counted
        run.counted = text

    def _forget_the_oldest(self) -> None:
        requests = self._requests
        while len(requests) > _MOST_REQUESTS or (
            self._request_bytes > _MOST_REQUEST_BYTES and len(requests) > 1
        ):
            self._forget_a_request()
        while len(self._runs) > _MOST_RUNS or (self._text > _MOST_TEXT and len(self._runs) > 1):
            _, oldest = self._runs.popitem(last=False)
            self._text -= oldest.counted
            if requests and requests[0] is oldest:
                self._forget_a_request()

    def _forget_a_request(self) -> None:
        oldest = self._requests.popleft()
        oldest.prompt_meta = None
        self._request_bytes -= oldest.size
