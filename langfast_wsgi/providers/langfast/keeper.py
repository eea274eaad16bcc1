"""The background work: fills the pool, refreshes tokens, connects and replaces sockets.

One loop looks at the pool, starts what is due (each task in a greenlet or thread of its own, one
of a kind per credential), and sleeps until something changes or the next tick.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

from langfast_wsgi.errors import GatewayError, SessionLost, SessionRefused
from langfast_wsgi.observe import metrics
from langfast_wsgi.providers.base import Runtime
from langfast_wsgi.providers.langfast.accounts import Accounts, CredentialGone, Grant
from langfast_wsgi.providers.langfast.budget import Budget
from langfast_wsgi.providers.langfast.credential import Credential, Task
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.session import Session
from langfast_wsgi.providers.langfast.signups import SignUps, pause

log = logging.getLogger(__name__)

REFRESH_PAUSE = 60.0  # as auth-js does after a failed refresh
CONNECT_PAUSE = 30.0
STABLE = 5.0  # seconds; a socket that lived shorter counts as a flap
IMPATIENT_PAUSE = 1.5  # where runs wait, who give up after five seconds
FLAPS = 3  # so many in a row are followed by the next attempt without a pause
TICK = 1.0


class Keeper:
    """Keeps one worker's pool."""

    def __init__(
        self,
        pool: Pool,
        accounts: Accounts,
        budget: Budget,
        *,
        obtain: Callable[[], Grant],
        budgeted: bool,
        socket_url: str,
        connect_timeout: float,
        socket_max_age: float,
        runtime: Runtime,
    ) -> None:
        self._pool = pool
        self._accounts = accounts
        self._socket_url = socket_url
        self._connect_timeout = connect_timeout
        self._socket_max_age = socket_max_age
        self._runtime = runtime
        self._sessions: WeakSet[Session] = WeakSet()
        self._wake = threading.Event()
        self._stopping = False
        self._sign_ups = SignUps(
            pool, budget, obtain=obtain, budgeted=budgeted, spawn=runtime.spawn, wake=self._wake.set
        )
        #: A quota was used up; see SignUps.
        self.rest = self._sign_ups.rest
        pool.on_change = self._wake.set

    def run(self) -> None:
        """The loop; returns after ``stop``."""
        while not self._stopping:
            self._wake.clear()
            try:
                self._look()
            except Exception:  # whatever it was: without this loop there is no service
                log.exception("the keeper stumbled")
            self._wake.wait(TICK)
        for session in list(self._sessions):  # also those that were replaced but still carry runs
            session.close()

    def stop(self) -> None:
        """End the loop and cut the sockets."""
        self._stopping = True
        self._wake.set()

    # --- what is due -----------------------------------------------------------------------------

    def _look(self) -> None:
        now = self._pool.clock()
        for socket in self._pool.to_close():
            socket.close()
        for session in list(self._sessions):
            session.cut_if_dead(time.monotonic())
        for credential in self._pool.credentials():
            if now >= credential.refresh_at:
                self._begin(credential, "refreshing", self._refresh)
            due = credential.connect_at if credential.socket is None else credential.replace_at
            if now >= due:
                self._begin(credential, "connecting", self._connect)
        self._sign_ups.make(now)
        self._count()

    def _begin(
        self, credential: Credential, task: Task, work: Callable[[Credential], None]
    ) -> None:
        if not self._pool.claim(credential, task):
            return
        try:
            self._runtime.spawn(lambda: self._carry_out(credential, task, work))
        except Exception:
            self._pool.done(credential, task)
            raise

    def _carry_out(
        self, credential: Credential, task: Task, work: Callable[[Credential], None]
    ) -> None:
        try:
            work(credential)
        except Exception:
            log.exception("%s of %r failed in an unforeseen way", task, credential)
            credential.connect_at = credential.refresh_at = self._pool.clock() + CONNECT_PAUSE
        finally:
            self._pool.done(credential, task)

    def _count(self) -> None:
        census = self._pool.census()
        for state in ("ready", "busy", "cooling", "connecting"):
            metrics.CREDENTIALS.labels(state).set(census[state])
        metrics.PLACES_TAKEN.set(census["taken"])
        metrics.WAITING.set(census["waiting"])

    def refresh(self, credential: Credential) -> None:
        """Refresh now, for a run that was refused; waits where a refresh is under way already."""
        used, failures = credential.grant.access_token, credential.refresh_failures

        def is_settled() -> bool:  # what came of another refresh holds for all who waited for it
            refreshed = credential.grant.access_token != used
            return refreshed or credential.retired or credential.refresh_failures != failures

        deadline = time.monotonic() + self._connect_timeout
        while not is_settled() and time.monotonic() < deadline:
            if not self._pool.claim(credential, "refreshing"):
                time.sleep(0.05)
            elif is_settled():
                self._pool.done(credential, "refreshing")
            else:
                self._carry_out(credential, "refreshing", self._refresh)
                break
        if credential.grant.access_token == used:
            raise SessionRefused("The upstream refused the gateway's own account.")

    def _refresh(self, credential: Credential) -> None:
        try:
            grant = self._accounts.refresh(credential.grant.refresh_token)
        except CredentialGone as fault:
            metrics.REFRESHES.labels(fault.code or "gone").inc()
            log.warning("%r is known no more and will be replaced", credential)
            self._pool.drop(credential)
        except GatewayError as fault:
            metrics.REFRESHES.labels(fault.code or "refused").inc()
            log.warning("refresh of %r failed: %s", credential, fault.message)
            credential.refresh_failures += 1
            credential.refresh_at = self._pool.clock() + REFRESH_PAUSE
        else:
            metrics.REFRESHES.labels("granted").inc()
            self._pool.renew(credential, grant)

    # --- sockets ---------------------------------------------------------------------------------

    def _connect(self, credential: Credential) -> None:
        session = Session(
            credential.inbox,
            lambda session: self._lost(credential, session),
            self._runtime.receiver,
        )
        self._sessions.add(session)
        try:
            session.connect(self._socket_url, credential.grant.access_token, self._connect_timeout)
        except GatewayError as fault:
            self._not_connected(credential, fault)
        else:
            metrics.CONNECTS.labels("connected").inc()
            session.connected_at = self._pool.clock()
            age = self._socket_max_age * random.uniform(0.9, 1.1)
            self._pool.connected(credential, session, age)
            if not session.is_open:  # lost again before the pool knew it
                self._lost(credential, session)

    def _not_connected(self, credential: Credential, fault: GatewayError) -> None:
        metrics.CONNECTS.labels(fault.code or "refused").inc()
        log.warning("no socket for %r: %s", credential, fault.message)
        if credential.socket is None:
            # The one attempt to go on with the runs of a lost socket came to nothing.
            credential.inbox.fail(_lost)
        refused = fault if isinstance(fault, SessionRefused) else None
        if refused and credential.connect_failures == 0:
            credential.refresh_at = self._pool.clock()  # then once more, with a fresh token
        wait = pause(credential.connect_failures, CONNECT_PAUSE)
        self._pool.connect_failed(credential, self._pool.clock() + wait, refused)

    def _lost(self, credential: Credential, session: Session) -> None:
        """In the read loop of the socket that went away: only note it."""
        now = self._pool.clock()
        lived = now - session.connected_at
        credential.flaps = 0 if lived > STABLE else credential.flaps + 1
        # The first few at once: runs in flight hear nothing until then.
        longest = CONNECT_PAUSE if credential.in_flight == 0 else IMPATIENT_PAUSE
        wait = pause(credential.flaps - FLAPS, longest) if credential.flaps > FLAPS else 0.0
        if self._pool.disconnected(credential, session, wait):
            log.info("socket of %r lost after %.1f s; again in %.1f s", credential, lived, wait)
            credential.inbox.interrupt()


def _lost() -> SessionLost:
    return SessionLost("The connection to the upstream was lost during the run.")
