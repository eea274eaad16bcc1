"""One run on this upstream: lease a place, start, yield what comes, give the place back."""

import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from itertools import cycle

from langfast_wsgi.conversation.events import Event, Finished, Pause, awaited
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import (
    CallerError,
    GatewayError,
    RunFailed,
    SessionLost,
    StartRefused,
    UpstreamGarbled,
    UpstreamSilent,
)
from langfast_wsgi.providers.base import Runtime
from langfast_wsgi.providers.langfast.keeper import Keeper
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.offer import Offer
from langfast_wsgi.providers.langfast.places import Lock, Places, served
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.run import Run
from langfast_wsgi.providers.langfast.start import Starter, StartFailed
from langfast_wsgi.providers.langfast.translate import Growth
from langfast_wsgi.providers.langfast.turn import Turn

log = logging.getLogger(__name__)

TICK = 1.0  # how often a waiting reader is woken to look around, in seconds, at the least
PARTS = 20  # of a tick: each reader has its own, so that a thousand do not look around at once
ANSWER_CHARACTERS = 4 * 1024 * 1024  # an answer that is longer ends with a fault
UNANSWERED = 10.0  # before any start succeeded: how long one that failed may still be heard of
RECONNECT_GRACE = 5.0  # after a lost socket, how long a run waits for its next event


class LangfastProvider:
    """The prompt runner as a provider.

    ``shortest``: the soonest of the deadlines that others look at while a run pauses, in seconds.
    """

    name = "langfast"

    def __init__(
        self,
        pool: Pool,
        keeper: Keeper,
        starter: Starter,
        offer: Offer,
        *,
        runtime: Runtime,
        queue_timeout: float,
        start_timeout: float,
        idle_timeout: float,
        shortest: float = math.inf,
    ) -> None:
        self._pool = pool
        self._keeper = keeper
        self._starter = starter
        self._offer = offer
        self._runtime = runtime
        self._queue_timeout = queue_timeout
        self._start_timeout = start_timeout
        self._idle_timeout = idle_timeout
        # Deadlines hold within a tenth, also short ones, and those that others set on our runs.
        soonest = min(queue_timeout, start_timeout, idle_timeout, shortest)
        self._tick = min(TICK, soonest / 10)
        self._running: tuple[set[Run], ...] = tuple(set() for _ in range(PARTS))
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def __repr__(self) -> str:
        return f"<LangfastProvider {self._pool.census()}>"

    @property
    def fingerprint(self) -> str | None:
        """See Provider."""
        return "emulator" if self._offer.emulator else None

    def models(self) -> tuple[str, ...]:
        """See Provider."""
        return self._offer.models(self._queue_timeout)

    def start(self) -> None:
        """See Provider."""
        for work in (self._keeper.run, self._keep_ticking):
            thread = threading.Thread(target=work, name=work.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """See Provider."""
        self._stopping.set()
        self._keeper.stop()
        for thread in self._threads:
            thread.join(2.0)

    def _keep_ticking(self) -> None:
        """One clock for all runs: a timer for each wait would cost more than all else per chunk."""
        for part in cycle(self._running):
            if self._stopping.wait(self._tick / PARTS):
                return
            for run in tuple(part.copy()):
                run.mailbox.tick()

    def readiness(self) -> tuple[bool, Mapping[str, object]]:
        """See Provider."""
        census = self._pool.census()
        trouble = self._pool.trouble or self._pool.breaker.trouble
        ready = census["ready"] + census["busy"] + census["cooling"] > 0
        if self._pool.least == 0 < self._pool.most:  # signs up when somebody calls
            ready = ready or trouble is None
        return ready, {
            "credentials": census,
            "breaker": self._pool.breaker.state,
            "trouble": trouble.code if trouble else None,
        }

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        """See Provider."""
        return self._run(request, partial(self._pool.turn, request.caller), Mailbox)

    def reserve(self, count: int, caller: str = "") -> Places:
        """See Reserving."""
        return Places(count, caller, self._pool, self._queue, self._run, self._tick)

    def _run(
        self, request: RunRequest, turn_of: Callable[[], Turn], mailbox: Callable[[Lock], Mailbox]
    ) -> Generator[Event, None, None]:
        run, outlives = None, False
        try:
            with turn_of() as turn:
                yield from self._queue(turn)
                box, part = mailbox(self._runtime.new_lock()), min(self._running, key=len)
                run = Run(turn.take(), box, part, time.monotonic())
            run.part.add(run)
            run.inbox.expect(run.mailbox)
            self._runtime.spawn(partial(self._start, run, request))
            whole = request.whole
            del turn, request  # a prompt may be long, and need not last as long as its answer
            yield from self._follow(run, whole=whole)
        except GeneratorExit:
            outlives = self._may_be_heard(run)
            raise
        except GatewayError as fault:
            outlives = self._may_be_heard(run)
            # The run knows it, and it knows the run: a ring that only the collector could undo,
            # which is rare here. A fresh one is known to nobody.
            fault.__traceback__ = None
            raise fault.again(fault.retry_after) from fault.__cause__
        finally:
            if run is not None:
                (self._outlive if outlives else self._end)(run)

    def _may_be_heard(self, run: Run | None) -> bool:
        """Whether an abandoned run's text could be taken for that of the next on its account."""
        if run is None or not run.may_go_on:
            return False
        return not (self._pool.told_apart and run.start_is_over)

    def _end(self, run: Run) -> None:
        run.part.discard(run)
        run.close()

    def _queue(self, turn: Turn) -> Generator[Event, None, None]:
        return served(turn, self._pool, self._queue_timeout, self._tick)

    def _start(self, run: Run, request: RunRequest) -> None:
        """In a greenlet or thread of its own: meanwhile the caller can be heard to leave."""
        try:
            job_id = self._starter.start(run.credential, request)
        except StartFailed as failed:
            if failed.taken:
                self._pool.accepted(run.credential)
            if failed.rest:
                self._pool.cool(run.credential, failed.rest, failed.fault)
            run.may_go_on = failed.spent
            run.mailbox.end(failed.fault)
            if failed.rest:
                self._keeper.rest()  # asks a store, which the caller need not wait for
        except Exception:
            log.exception("a start failed in an unforeseen way")
            run.mailbox.end(StartRefused("The run could not be started."))
        else:
            run.started(time.monotonic())
            run.inbox.assign(run.mailbox, job_id)
            self._pool.accepted(run.credential)
            self._pool.learn(job_id is not None)
        finally:
            run.start_is_over = True

    def _follow(
        self, run: Run, most: float = ANSWER_CHARACTERS, *, whole: bool = False
    ) -> Generator[Event, None, None]:
        mailbox = run.mailbox
        growth, pause = Growth(mailbox), Pause(mailbox)
        while True:
            news = mailbox.take()
            if news is None:
                self._check(run)
                yield pause
                continue
            text, ending = news
            if text is not None and len(text) > most:
                raise UpstreamGarbled("The answer is too long.", code="response_too_large")
            if ending is None:
                if text is not None and (event := growth.advance(text)) is not None:
                    yield event
                    mailbox.whole = whole
                continue
            if isinstance(ending, str | RunFailed | CallerError):
                run.may_go_on = False  # the upstream itself says so
            last = growth.finish() if text is None else growth.advance(text, final=True)
            if last is not None:
                yield last
            if isinstance(ending, GatewayError):
                raise ending
            yield Finished(ending)
            return

    def _check(self, run: Run) -> None:
        """Raise where a run has been quiet for too long."""
        now, lost_at = time.monotonic(), run.mailbox.lost_at
        if run.is_started and lost_at is not None and now - lost_at >= RECONNECT_GRACE:
            raise SessionLost("The connection to the upstream was lost during the run.")
        limit = self._idle_timeout if run.is_started else self._start_timeout
        if run.start_is_over and not run.is_started and self._pool.told_apart is None:
            limit = min(limit, UNANSWERED)
        if now - run.alive_at < limit:
            return
        if run.is_started:
            raise UpstreamSilent("The upstream stopped sending.")
        raise UpstreamSilent("The upstream took too long to start the run.")

    def _outlive(self, run: Run) -> None:
        """The run may go on upstream, unheard, and cannot be told from the next one (yet).

        Its place stays taken until its start was answered with an id, or it ended or fell silent:
        else the next caller would get its text, and callers that leave would lift every limit.
        """
        run.succeed(Mailbox(self._runtime.new_lock()), time.monotonic())

        def wait_for_the_end() -> None:
            try:
                for _ in awaited(self._follow(run, most=math.inf)):
                    if self._pool.told_apart and run.start_is_over:
                        return
            except GatewayError:
                pass  # nobody is left to be told
            finally:
                self._end(run)

        self._runtime.spawn(wait_for_the_end)
