"""Sign-ups: within the budget, one by one while they fail, backing off with jitter.

Accounts that the upstream takes back before they were good for anything are not replaced for ever:
each generation of them is one loss, and after LOSSES in a row there is a long pause.
"""

import logging
import random
import threading
from collections.abc import Callable

from langfast_wsgi.errors import GatewayError, NoCredentials, RateLimited, UpstreamGarbled
from langfast_wsgi.observe import metrics
from langfast_wsgi.providers.langfast.accounts import OUTAGES, CredentialGone, NobodyThere
from langfast_wsgi.providers.langfast.breaker import PROBE_EVERY
from langfast_wsgi.providers.langfast.budget import HELD, HOUR, Budget, BudgetUnknown
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.grant import Grant
from langfast_wsgi.providers.langfast.pool import Pool

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
EARLY_LONGEST_PAUSE = 10.0  # in the first minute of trouble
SIGN_UPS_AT_ONCE = 4
LOSSES = 5


def pause(failures: int, longest: float) -> float:
    """Exponential back-off from 0.5 s with jitter, in seconds; never above the longest."""
    middle = min(0.5 * 2.0 ** min(failures, 16), longest)
    return min(middle * random.uniform(0.7, 1.3), longest)


class SignUps:
    """Makes accounts for a pool (or signs in to the operator's own, which costs no budget)."""

    def __init__(
        self,
        pool: Pool,
        budget: Budget,
        *,
        obtain: Callable[[], Grant],
        budgeted: bool,
        spawn: Callable[[Callable[[], None]], object],
        wake: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._budget = budget
        self._obtain = obtain
        self._budgeted = budgeted
        self._spawn = spawn
        self._wake = wake
        self._lock = threading.Lock()  # around the counts below, never around a call
        self._signing_up = 0
        self._succeeded = False
        self._failures = 0
        self._trouble_since = 0.0
        self._losses = 0
        self._lost_at = float("-inf")

    def make(self, now: float) -> None:
        """Begin as many as are wanted and allowed."""
        with self._lock:
            if now < self._pool.sign_ups_from:
                return
            at_once = SIGN_UPS_AT_ONCE if self._succeeded and not self._failures else 1
            count = min(self._pool.missing(self._signing_up), at_once - self._signing_up)
            self._signing_up += max(count, 0)
        for begun in range(max(count, 0)):
            try:
                self._spawn(self._one)
            except Exception:
                with self._lock:
                    self._signing_up -= count - begun
                raise

    def rest(self) -> None:
        """A quota was used up: while all accounts rest, no worker signs up, nor does its heir."""
        seconds = self._pool.all_rest_for()
        if seconds > 0:
            try:
                self._budget.rest(seconds)
            except BudgetUnknown:
                log.warning("the store of the sign-up budget does not answer")

    def lost(self, credential: Credential) -> None:
        """The upstream knows an account no more. One that had served speaks for those before it."""
        metrics.CREDENTIALS_LOST.inc()
        with self._lock:
            if credential.served:
                self._losses = 0
            elif credential.granted_at >= self._lost_at:  # made after the last one was lost
                self._losses += 1
                self._lost_at = self._pool.clock()
            stop = self._losses > LOSSES
        if stop:
            log.error("accounts are taken back as soon as they are made: no sign-up for an hour")
            self._hold(HOUR, CredentialGone("The upstream takes its accounts back."))

    def _one(self) -> None:
        began = self._pool.clock()
        try:
            wait = self._budget.charge() if self._budgeted else 0.0
            if wait > 0:
                metrics.SIGN_UPS.labels("over_budget").inc()
                log.warning("no sign-up for %.0f s: %s", wait, HELD)
                self._hold(wait, NoCredentials(f"No sign-up is allowed just now: {HELD}."))
                return
            grant = self._obtain()
            self._pool.breaker.reached()
            self._pool.add(grant)
        except BudgetUnknown:
            metrics.SIGN_UPS.labels("budget_unknown").inc()
            log.warning("the store of the sign-up budget does not answer: no sign-up")
            self._hold(EARLY_LONGEST_PAUSE, NoCredentials("The sign-up budget's store is away."))
        except GatewayError as fault:
            if isinstance(fault, NobodyThere) and self._budgeted:
                self._give_back()
            if isinstance(fault, OUTAGES):
                self._pool.breaker.unreached(began)
            else:
                self._pool.breaker.reached()
            self._failed(fault)
        except Exception:
            log.exception("a sign-up failed in an unforeseen way")
            self._hold(LONGEST_PAUSE, UpstreamGarbled("A sign-up failed."))
        else:
            metrics.SIGN_UPS.labels("granted").inc()
            with self._lock:
                self._succeeded, self._failures, self._pool.trouble = True, 0, None
        finally:
            with self._lock:
                self._signing_up -= 1
            self._wake()

    def _give_back(self) -> None:
        """There was not even a connection: this one cost nothing."""
        try:
            self._budget.give_back()
        except BudgetUnknown:
            log.warning("the store of the sign-up budget does not answer")

    def _hold(self, seconds: float, trouble: GatewayError) -> None:
        with self._lock:
            self._pool.trouble = trouble
            until = max(self._pool.sign_ups_from, self._pool.clock() + seconds)
            self._pool.sign_ups_from = until

    def _failed(self, fault: GatewayError) -> None:
        metrics.SIGN_UPS.labels(fault.code or "refused").inc()
        log.warning("no account: %s (%s)", fault.message, fault.code)
        now = self._pool.clock()
        with self._lock:
            if not self._failures:
                self._trouble_since = now
            self._failures += 1
            self._pool.trouble = fault
            longest = EARLY_LONGEST_PAUSE if now - self._trouble_since < 60 else LONGEST_PAUSE
            if isinstance(fault, NobodyThere):  # which costs neither side anything
                longest = PROBE_EVERY
            wait = pause(self._failures, longest)
            if isinstance(fault, RateLimited):
                wait = max(wait, fault.retry_after or 0.0)
            self._pool.sign_ups_from = max(self._pool.sign_ups_from, now + wait)
        if fault.retry is False:
            log.error("no more sign-ups until this is mended: %s", fault.message)
            self._pool.halt(fault)
