"""The background work: fills the pool, refreshes tokens, connects and replaces sockets.

One loop looks at the pool, starts what is due (each task in a greenlet or thread of its own, one
of a kind per credential), and sleeps until something changes or the next tick. Sign-ups keep to the
budget, come one by one while they fail, and back off with jitter.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

from langfast_wsgi.errors import (
    GatewayError,
    NoCredentials,
    RateLimited,
    SessionLost,
    SessionRefused,
    UpstreamGarbled,
)
from langfast_wsgi.observe import metrics
from langfast_wsgi.providers.langfast.accounts import Accounts, CredentialGone, Grant
from langfast_wsgi.providers.langfast.budget import Budget, BudgetUnknown
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.session import Session

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
EARLY_LONGEST_PAUSE = 10.0  # in the first minute of trouble
REFRESH_PAUSE = 60.0  # as auth-js does after a failed refresh
CONNECT_PAUSE = 30.0
SIGN_UPS_AT_ONCE = 4
STABLE = 5.0  # seconds; a socket that lived shorter counts as a flap
FLAPS = 3  # so many in a row are followed by the next attempt without a pause
TICK = 1.0


def pause(failures: int, longest: float) -> float:
    """Exponential back-off from 0.5 s with jitter, in seconds."""
    return min(0.5 * 2.0 ** min(failures, 16), longest) * random.uniform(0.7, 1.3)


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
        spawn: Callable[[Callable[[], None]], object],
    ) -> None:
        self._pool = pool
        self._accounts = accounts
        self._budget = budget
        self._obtain = obtain
        self._budgeted = budgeted
        self._socket_url = socket_url
        self._connect_timeout = connect_timeout
        self._socket_max_age = socket_max_age
        self._spawn = spawn
        self._sessions: WeakSet[Session] = WeakSet()
        self._wake = threading.Event()
        self._stopping = False
        self._lock = threading.Lock()  # around the counts below, never around a call
        self._signing_up = 0
        self._succeeded = False
        self._failures = 0
        self._trouble_since = 0.0
        pool.on_change = self._wake.set

    def run(self) -> None:
        """The loop; returns after ``stop``."""
        while not self._stopping:
            self._wake.clear()
            self._look()
            self._wake.wait(TICK)
        for session in list(self._sessions):
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
        for credential in self._pool.credentials():
            if now >= credential.refresh_at:
                self._begin(credential, "refreshing", self._refresh)
            due = credential.connect_at if credential.socket is None else credential.replace_at
            if now >= due:
                self._begin(credential, "connecting", self._connect)
        self._sign_up_some(now)
        self._count()

    def _begin(self, credential: Credential, task: str, work: Callable[[Credential], None]) -> None:
        if self._pool.claim(credential, task):
            self._spawn(lambda: self._carry_out(credential, task, work))

    def _carry_out(
        self, credential: Credential, task: str, work: Callable[[Credential], None]
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

    # --- accounts --------------------------------------------------------------------------------

    def _sign_up_some(self, now: float) -> None:
        with self._lock:
            if now < self._pool.sign_ups_from:
                return
            at_once = SIGN_UPS_AT_ONCE if self._succeeded and not self._failures else 1
            count = min(self._pool.missing(self._signing_up), at_once - self._signing_up)
            self._signing_up += max(count, 0)
        for _ in range(count):
            self._spawn(self._sign_up)

    def _sign_up(self) -> None:
        try:
            wait = self._budget.charge() if self._budgeted else 0.0
            if wait > 0:
                metrics.SIGN_UPS.labels("over_budget").inc()
                log.warning("the sign-up budget is used up; the next one in %.0f s", wait)
                self._hold_sign_ups(wait, NoCredentials("The sign-up budget is used up."))
                return
            self._pool.add(self._obtain())
        except BudgetUnknown:
            metrics.SIGN_UPS.labels("budget_unknown").inc()
            log.warning("the store of the sign-up budget does not answer: no sign-up")
            self._hold_sign_ups(
                EARLY_LONGEST_PAUSE, NoCredentials("The sign-up budget's store is away.")
            )
        except GatewayError as fault:
            self._sign_up_failed(fault)
        except Exception:
            log.exception("a sign-up failed in an unforeseen way")
            self._hold_sign_ups(LONGEST_PAUSE, UpstreamGarbled("A sign-up failed."))
        else:
            metrics.SIGN_UPS.labels("granted").inc()
            with self._lock:
                self._succeeded, self._failures, self._pool.trouble = True, 0, None
        finally:
            with self._lock:
                self._signing_up -= 1
            self._wake.set()

    def _hold_sign_ups(self, seconds: float, trouble: GatewayError) -> None:
        with self._lock:
            self._pool.trouble = trouble
            until = max(self._pool.sign_ups_from, self._pool.clock() + seconds)
            self._pool.sign_ups_from = until

    def _sign_up_failed(self, fault: GatewayError) -> None:
        metrics.SIGN_UPS.labels(fault.code or "refused").inc()
        log.warning("no account: %s (%s)", fault.message, fault.code)
        now = self._pool.clock()
        with self._lock:
            if not self._failures:
                self._trouble_since = now
            self._failures += 1
            self._pool.trouble = fault
            early = now - self._trouble_since < 60
            wait = pause(self._failures, EARLY_LONGEST_PAUSE if early else LONGEST_PAUSE)
            if isinstance(fault, RateLimited):
                wait = max(wait, fault.retry_after or 0.0)
            self._pool.sign_ups_from = max(self._pool.sign_ups_from, now + wait)
        if fault.retry is False:
            log.error("no more sign-ups until this is mended: %s", fault.message)
            self._pool.halt(fault)

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
        session = Session(credential.inbox, lambda session: self._lost(credential, session))
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
        wait = pause(credential.flaps - FLAPS, CONNECT_PAUSE) if credential.flaps > FLAPS else 0.0
        if self._pool.disconnected(credential, session, wait):
            log.info("socket of %r lost after %.1f s; again in %.1f s", credential, lived, wait)
            credential.inbox.interrupt()


def _lost() -> SessionLost:
    return SessionLost("The connection to the upstream was lost during the run.")
