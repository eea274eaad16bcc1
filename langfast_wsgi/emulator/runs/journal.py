"""The journal: what each run was asked and what it said, for the newest runs.

Content is cumulative, so a text that is a beginning of the run's text is kept as its length only.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_RUNS = 2_000
_MOST_BYTES = 256 * 1024 * 1024
RUNNING = "running"


@dataclass(slots=True)
class Run:
    """One run and its history."""

    run_id: str
    job_id: str
    told: bool  # whether start and events name the job
    user_id: str
    prompt_meta: Mapping[str, Any]
    text: str
    size: int  # of request and text, for the bound of the journal
    state: str = RUNNING
    started_at: float = field(default_factory=time.time)
    said: list[int | str] = field(default_factory=list)

    def saw(self, text: str) -> None:
        """A text was sent."""
        self.said.append(len(text) if self.text.startswith(text) else text)

    def as_json(self, texts: bool) -> dict[str, object]:
        """The run as the control route shows it."""
        shown: dict[str, object] = {
            "run_id": self.run_id,
            "job_id": self.job_id,
            "user_id": self.user_id,
            "model": self.prompt_meta.get("model"),
            "prompt_meta": self.prompt_meta,
            "state": self.state,
            "events": len(self.said),
            "started_at": self.started_at,
        }
        if texts:
            shown["texts"] = [
                {"sequence": number, "text": self.text[:said] if isinstance(said, int) else said}
                for number, said in enumerate(self.said)
            ]
        return shown


class Journal:
    """The newest runs by run id."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._size = 0
        self.active: dict[str, int] = {}  # runs in flight by user

    def get(self, run_id: str) -> Run | None:
        """The run, if it is remembered."""
        return self._runs.get(run_id)

    def begin(self, run: Run) -> int:
        """Enter a run; gives how many its user has in flight now."""
        self._runs[run.run_id] = run
        self._size += run.size
        while len(self._runs) > _MOST_RUNS or (self._size > _MOST_BYTES and len(self._runs) > 1):
            _, oldest = self._runs.popitem(last=False)
            self._size -= oldest.size
        self.active[run.user_id] = self.active.get(run.user_id, 0) + 1
        return self.active[run.user_id]

    def finish(self, run: Run, state: str) -> None:
        """The run is over."""
        run.state = state
        left = self.active.get(run.user_id, 1) - 1
        if left > 0:
            self.active[run.user_id] = left
        else:
            self.active.pop(run.user_id, None)

    def clear(self) -> None:
        """Forget the runs; those in flight go on, and are still counted as such."""
        self._runs.clear()
        self._size = 0

    def as_json(self, texts: bool) -> list[dict[str, object]]:
        """The runs, oldest first."""
        return [run.as_json(texts) for run in self._runs.values()]

    def runs_active(self) -> int:
        """Runs in flight."""
        return sum(self.active.values())
