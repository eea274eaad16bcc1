"""The background work: fills the pool, refreshes tokens, connects and replaces sockets.

One loop looks at the pool, starts what is due (each task in a greenlet or thread of its own, one
of a kind per credential), and sleeps until something changes or the next tick.

While no account can serve, no pause of its own is a reason to wait: one after the other is tried,
a second apart at first, and every PROBE_EVERY seconds once the breaker says that nobody is there.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from weakref import WeakSet

from langfast_wsgi.errors import GatewayError, SessionLost, SessionRefused
from langfast_wsgi.observe import metrics
from langfast_wsgi.providers.base import Runtime
from langfast_wsgi.providers.langfast.accounts import (
    OUTAGES,
    Accounts,
    CredentialGone,
    RefreshConflict,
)
from langfast_wsgi.providers.langfast.breaker import APART, PROBE_EVERY
from langfast_wsgi.providers.langfast.budget import Budget
from langfast_wsgi.providers.langfast.credential import SHORTEST_SPACING, Credential, Task
from langfast_wsgi.providers.langfast.grant import Grant
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.session import Session
from langfast_wsgi.providers.langfast.signups import SignUps, pause

log = logging.getLogger(__name__)

REFRESH_PAUSE = 60.0  # as auth-js does after a failed refresh
CONFLICT_PAUSES = (1.0, 3.0)  # before another look, where somebody else is refreshing
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
        newest: Callable[[str], str] = lambda token: token,
    ) -> None:
        self._pool = pool
        self._breaker = pool.breaker
        self._newest = newest  # of a refresh token: what became of it in another process
        self._probe_at = 0.0
        self._opened: Counter[str] = Counter()
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
        credentials = self._pool.credentials()
        for credential in credentials if not self._breaker.away else ():
            if now >= credential.refresh_at:
                self._begin(credential, "refreshing", self._refresh)
            due = credential.connect_at if credential.socket is None else credential.replace_at
            if now >= due:
                self._begin(credential, "connecting", self._connect)
        if not any(one.connected(now) for one in credentials) and now >= self._probe_at:
            self._probe(credentials, now)
        self._sign_ups.make(now)
        self._count()

    def _probe(self, credentials: list[Credential], now: float) -> None:
        """Try to bring the account back whose turn it is."""
        for credential in sorted(credentials, key=lambda one: one.tried_at):
            begun = False
            if now < max(credential.held_until, credential.tried_at + APART):
                continue
            if credential.refresh_fails or now >= credential.refresh_at:
                begun = self._begin(credential, "refreshing", self._refresh)
            elif now < credential.expires_at and (self._breaker.away or not credential.refused):
                begun = self._begin(credential, "connecting", self._connect)
            if begun:
                self._probe_at = now + (PROBE_EVERY if self._breaker.away else APART)
                return

    def _begin(
        self, credential: Credential, task: Task, work: Callable[[Credential], None]
    ) -> bool:
        if not self._pool.claim(credential, task):
            return False
        credential.tried_at = self._pool.clock()
        try:
            self._runtime.spawn(lambda: self._carry_out(credential, task, work))
        except Exception:
            self._pool.done(credential, task)
            raise
        return True

    def _carry_out(
        self, credential: Credential, task: Task, work: Callable[[Credential], None]
    ) -> None:
        try:
            work(credential)
        except Exception:
            log.exception("%s of %r failed in an unforeseen way", task, credential)
            later = self._pool.clock() + CONNECT_PAUSE
            credential.connect_at = credential.refresh_at = credential.held_until = later
        finally:
            self._pool.done(credential, task)

    def _count(self) -> None:
        census = self._pool.census()
        for state in ("ready", "busy", "cooling", "connecting"):
            metrics.CREDENTIALS.labels(state).set(census[state])
        metrics.PLACES_TAKEN.set(census["taken"])
        metrics.WAITING.set(census["waiting"])
        metrics.BREAKER.set(self._breaker.state != "closed")
        for reason, times in self._breaker.opened.items():
            metrics.BREAKER_OPENS.labels(reason).inc(times - self._opened[reason])
            self._opened[reason] = times

    def refresh(self, credential: Credential) -> None:
        """Refresh now, for a run that was refused. Raises CredentialGone or SessionRefused.

        Waits where a refresh is under way already, or has just been: no loop can come of it.
        """
        used, failures = credential.grant.access_token, credential.refresh_failures

        def is_settled() -> bool:  # what came of another refresh holds for all who waited for it
            refreshed = credential.grant.access_token != used
            return refreshed or credential.retired or credential.refresh_failures != failures

        deadline = time.monotonic() + self._connect_timeout
        while not is_settled() and time.monotonic() < deadline:
            is_due = self._pool.clock() >= credential.refreshed_at + SHORTEST_SPACING
            if not is_due or not self._pool.claim(credential, "refreshing"):
                time.sleep(0.05)
            elif is_settled():
                self._pool.done(credential, "refreshing")
            else:
                self._carry_out(credential, "refreshing", self._refresh)
                break
        if credential.retired:
            raise CredentialGone("The upstream no longer knows the gateway's account.")
        if credential.grant.access_token == used:
            # Whatever its lifetime says, its token is over: it rests until it has another one.
            credential.expires_at = min(credential.expires_at, self._pool.clock())
            raise SessionRefused("The upstream refused the gateway's own account.")

    def _refresh(self, credential: Credential) -> None:
        began = self._pool.clock()
        try:
            grant = self._refreshed(credential)
        except CredentialGone as fault:
            metrics.REFRESHES.labels(fault.code or "gone").inc()
            log.warning("%r is known no more and will be replaced", credential)
            self._reached()
            self._pool.drop(credential)
            self._sign_ups.lost(credential)
        except GatewayError as fault:
            metrics.REFRESHES.labels(fault.code or "refused").inc()
            log.warning("refresh of %r failed: %s", credential, fault.message)
            credential.refresh_failures += 1
            credential.refresh_fails = isinstance(fault, OUTAGES)
            credential.refresh_at = self._pool.clock() + REFRESH_PAUSE
            self._heard(fault, began)
        else:
            metrics.REFRESHES.labels("granted").inc()
            credential.served = True
            self._reached()
            self._pool.renew(credential, grant)

    def _refreshed(self, credential: Credential) -> Grant:
        """A new grant; what another process got for this session meanwhile is taken up."""
        for wait in CONFLICT_PAUSES:
            try:
                return self._accounts.refresh(self._newest(credential.grant.refresh_token))
            except RefreshConflict:
                log.info("%r is being refreshed by somebody else", credential)
                time.sleep(wait * random.uniform(0.7, 1.3))
        return self._accounts.refresh(self._newest(credential.grant.refresh_token))

    def _heard(self, fault: GatewayError, began: float) -> None:
        """For the breaker. Whoever refuses us is there."""
        if isinstance(fault, OUTAGES):
            self._breaker.unreached(began)
        else:
            self._reached()

    def _reached(self) -> None:
        """Somebody is there: if nobody was before, the pauses have lost their reason."""
        if self._breaker.reached():
            now = self._pool.clock()
            for one in self._pool.credentials():
                one.connect_at = min(one.connect_at, now)
                if one.refresh_fails:
                    one.refresh_at = min(one.refresh_at, now)

    # --- sockets ---------------------------------------------------------------------------------

    def _connect(self, credential: Credential) -> None:
        began = self._pool.clock()
        session = Session(
            credential.inbox,
            lambda session: self._lost(credential, session),
            self._runtime.receiver,
        )
        self._sessions.add(session)
        try:
            session.connect(self._socket_url, credential.grant.access_token, self._connect_timeout)
        except GatewayError as fault:
            self._heard(fault, began)
            self._not_connected(credential, fault)
        else:
            self._reached()
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
        if refused:
            credential.refresh_soon(self._pool.clock())
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
