"""One run on this upstream: lease a place, start, yield what comes, give the place back."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, suppress

from langfast_wsgi.conversation.events import SILENCE, Event, Finished
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import GatewayError, SessionLost, StartRefused, UpstreamSilent
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.keeper import Keeper
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.offer import Offer
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.start import Starter, StartFailed
from langfast_wsgi.providers.langfast.translate import Growth
from langfast_wsgi.providers.langfast.turn import Turn

log = logging.getLogger(__name__)

TICK = 1.0  # how often a quiet run says Silence, in seconds, at the least
RECONNECT_GRACE = 5.0  # after a lost socket, how long a run waits for its next event

Spawn = Callable[[Callable[[], None]], object]


class LangfastProvider:
    """The prompt runner as a provider."""

    name = "langfast"

    def __init__(
        self,
        pool: Pool,
        keeper: Keeper,
        starter: Starter,
        offer: Offer,
        *,
        spawn: Spawn,
        queue_timeout: float,
        start_timeout: float,
        idle_timeout: float,
    ) -> None:
        self._pool = pool
        self._keeper = keeper
        self._starter = starter
        self._offer = offer
        self._spawn = spawn
        self._queue_timeout = queue_timeout
        self._start_timeout = start_timeout
        self._idle_timeout = idle_timeout
        # Deadlines hold within a tenth, also short ones.
        self._tick = min(TICK, queue_timeout / 10, start_timeout / 10, idle_timeout / 10)
        self._listening: set[Mailbox] = set()
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
        return self._offer.models()

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
        while not self._stopping.wait(self._tick):
            for mailbox in list(self._listening):
                mailbox.tick()

    def readiness(self) -> tuple[bool, Mapping[str, object]]:
        """See Provider."""
        census = self._pool.census()
        trouble = self._keeper.trouble
        ready = census["ready"] + census["busy"] + census["cooling"] > 0
        ready = ready or (self._pool.least == 0 and trouble is None)  # signs up when one calls
        return ready, {"credentials": census, "trouble": trouble.code if trouble else None}

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        """See Provider."""
        with ExitStack() as stack:
            with self._pool.turn() as turn:
                yield from self._queue(turn)
                lease = stack.enter_context(turn.take())
            inbox, mailbox = lease.credential.inbox, Mailbox()
            self._listening.add(mailbox)
            stack.callback(self._listening.discard, mailbox)
            inbox.expect(mailbox)
            stack.callback(inbox.forget, mailbox)
            progress = _Progress(time.monotonic())
            self._spawn(lambda: self._start(lease.credential, mailbox, progress, request))
            try:
                yield from self._follow(mailbox, progress)
            except (GeneratorExit, UpstreamSilent):
                self._abandon(stack, mailbox, progress)
                raise

    def _queue(self, turn: Turn) -> Generator[Event, None, None]:
        deadline = time.monotonic() + self._queue_timeout
        while turn.wait(min(self._tick, max(deadline - time.monotonic(), 0.0))) is None:
            if time.monotonic() >= deadline:
                raise self._pool.overdue()
            yield SILENCE

    def _start(
        self, credential: Credential, mailbox: Mailbox, progress: "_Progress", request: RunRequest
    ) -> None:
        """In a greenlet or thread of its own: meanwhile the caller can be heard to leave."""
        try:
            job_id = self._starter.start(credential, request)
        except StartFailed as failed:
            if failed.rest:
                self._pool.cool(credential, failed.rest, failed.fault)
            mailbox.end(failed.fault)
        except Exception:
            log.exception("a start failed in an unforeseen way")
            mailbox.end(StartRefused("The run could not be started."))
        else:
            progress.started(time.monotonic())
            credential.inbox.assign(mailbox, job_id)
            self._pool.learn(job_id is not None)

    def _follow(self, mailbox: Mailbox, progress: "_Progress") -> Generator[Event, None, None]:
        growth = Growth()
        while True:
            news = mailbox.take()
            if news is None:
                self._check(mailbox, progress)
                yield SILENCE
                continue
            progress.alive_at = time.monotonic()
            text, ending = news.text, news.ending
            if text is not None:
                event = growth.advance(text, final=ending is not None)
            else:
                event = growth.finish() if ending is not None else None
            if event is not None:
                yield event
            if isinstance(ending, GatewayError):
                raise ending
            if ending is not None:
                yield Finished(ending)
                return

    def _check(self, mailbox: Mailbox, progress: "_Progress") -> None:
        """Raise where a run has been quiet for too long."""
        now = time.monotonic()
        if mailbox.lost_at is not None and now - mailbox.lost_at >= RECONNECT_GRACE:
            raise SessionLost("The connection to the upstream was lost during the run.")
        if now - progress.alive_at < progress.limit(self._start_timeout, self._idle_timeout):
            return
        if progress.is_started:
            raise UpstreamSilent("The upstream stopped sending.")
        raise UpstreamSilent("The upstream took too long to start the run.")

    def _abandon(self, stack: ExitStack, mailbox: Mailbox, progress: "_Progress") -> None:
        """The run goes on upstream, unheard. Where it can be told from the next, let it go.

        Else its account stays taken until it ended or fell silent, or the next caller would get its
        text.
        """
        if self._pool.told_apart:
            return
        rest = stack.pop_all()

        def wait_for_the_end() -> None:
            with rest, suppress(GatewayError):
                for _ in self._follow(mailbox, progress):
                    if self._pool.told_apart:
                        return

        self._spawn(wait_for_the_end)


class _Progress:
    """How far a run has come, for its deadlines."""

    __slots__ = ("alive_at", "is_started")

    def __init__(self, now: float) -> None:
        self.alive_at = now
        self.is_started = False

    def started(self, now: float) -> None:
        """The start was answered."""
        self.alive_at = now
        self.is_started = True

    def limit(self, start: float, idle: float) -> float:
        """How long it may be quiet now."""
        return idle if self.is_started else start
