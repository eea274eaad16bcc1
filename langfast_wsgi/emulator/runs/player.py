"""Playing a plan: each step at its time, to whichever sockets the user has then."""

from collections.abc import Callable, Iterator
from functools import partial

from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.history import History
from langfast_wsgi.emulator.replies.reply import Reply
from langfast_wsgi.emulator.runs.hazards import hazarded
from langfast_wsgi.emulator.runs.journal import Journal
from langfast_wsgi.emulator.runs.rendering import Shaper, shaper
from langfast_wsgi.emulator.runs.run import Run
from langfast_wsgi.emulator.runs.steps import COMPLETED, Cut, Raw, Say, Steps, plain
from langfast_wsgi.emulator.sockets.channels import Channels
from langfast_wsgi.emulator.sockets.events import NOTHING, Event


class Player:
    """Turns a run and its reply into a task for the pacer."""

    def __init__(
        self,
        channels: Channels,
        journal: Journal,
        counters: Counters,
        history: History,
        interval: float,
    ) -> None:
        self._channels = channels
        self._journal = journal
        self._counters = counters
        self._history = history
        self._interval = interval

    def begin(self, run: Run, reply: Reply) -> Iterator[float]:
        """Enter the run in the journal; gives the task that plays it."""
        in_flight = self._journal.begin(run)
        self._counters.runs_max_per_user = max(self._counters.runs_max_per_user, in_flight)
        self._counters.starts_accepted += 1
        self._history.run_began(run.user_id, in_flight)
        steps = hazarded(plain(reply, self._interval), reply.faults, reply.details)
        shape = shaper(reply, run.job_id if run.told else None, run.other_jobs)
        if "to-everyone" in reply.faults:
            return self._play(run, steps, shape, self._channels.send_to_everyone)
        return self._play(run, steps, shape, partial(self._channels.send, run.user_id))

    def _play(
        self, run: Run, steps: Steps, shape: Shaper, send: Callable[[Event], None]
    ) -> Iterator[float]:
        state = COMPLETED
        try:
            for step in steps:
                yield step.after
                if isinstance(step, Say):
                    run.saw(step.text)
                    for event in shape(step):
                        send(event)
                elif isinstance(step, Cut):
                    self._channels.cut(run.user_id, step.how)
                elif isinstance(step, Raw):
                    self._channels.send(run.user_id, Event(NOTHING, None, step.frames))
                else:
                    state = step.state
        finally:
            self._journal.finish(run, state)


def play_at_once(task: Iterator[float]) -> None:
    """Play a whole task now, without its waits."""
    for _ in task:
        pass
