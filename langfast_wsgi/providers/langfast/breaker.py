"""Fail fast while the upstream is down: a circuit breaker, as a pure state machine.

Theory. A run needs two things, and each can be missing by itself: an account with a socket, and a
start that works. So there are two circuits, and callers are turned away while either is open.

* *Starts* are made by callers, so callers are what counts and what probes. It opens after LIMIT
  failures of the upstream's own in a row, after ACCOUNTS different accounts in a row were refused,
  or for RESTRICTED seconds once the upstream says that the whole project is restricted. While it is
  open, one caller every PROBE_EVERY seconds is let through where a place is free. Any start that
  the upstream took, or refused for a reason that is not its own health, closes it.
* *Away* is about the keeper's own attempts (sign-up, refresh, connect), and only while no account
  can serve: as long as one can, nobody is turned away because another one cannot be refreshed. It
  opens after AWAY failures with a pause between them, or after one that took as long. It is the
  keeper who probes then, and the first attempt that gets an answer closes it, be it a refusal.

House rules. A probe is a right to try, not something held: it cannot be lost by a caller that
leaves, and one that takes longer than PROBE_EVERY keeps nobody from being the next. What came of
an attempt that began before the last change of state is void. No I/O; nothing foreign is called
under the lock.

====================  ======================================  ===================================
happening             closed                                  open
====================  ======================================  ===================================
start accepted        the row is over                         closed
start answered (4xx)  –                                       closed
start failed          one more in the row; open at LIMIT      –
account refused       one more; open at ACCOUNTS              closed if it was for failures
project restricted    open for RESTRICTED                     open for RESTRICTED
caller                may begin                               turned away; once in PROBE_EVERY not
====================  ======================================  ===================================
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from langfast_wsgi.errors import GatewayError, UpstreamUnreachable

LIMIT = 20
ACCOUNTS = 3
AWAY = 3
PROBE_EVERY = 5.0
RESTRICTED = 300.0
APART = 1.0  # failures closer together are one: all sockets that were lost at once, say
SLOW = 3.0  # an attempt that failed after so long tells as much as AWAY quick ones

Reason: TypeAlias = Literal["starts", "accounts", "restricted", "away"]
State: TypeAlias = Literal["closed", "open", "half_open"]
NEVER = float("-inf")


@dataclass(slots=True)
class _Open:
    """Why callers are turned away, what they hear, and when one of them may try."""

    reason: Reason
    fault: GatewayError
    probe_at: float


class Breaker:
    """One upstream's. ``began`` is always what ``now`` said when the attempt was begun."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.now = clock
        self._lock = threading.Lock()
        self._open: _Open | None = None
        self._since = NEVER  # the last change of the circuit of starts
        self._row = 0
        self._refused: set[str] = set()
        self._serving = False
        self._rounds = 0
        self._round_at = NEVER
        self._away = False
        self._setup: GatewayError | None = None
        #: How often it opened, by reason.
        self.opened: Counter[Reason] = Counter()
        #: Called, without the lock, when it opened: whoever waits has no reason to any more.
        self.on_open: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"<Breaker {self.state}>"

    @property
    def state(self) -> State:
        """For the operator. Half open: the next caller is a probe."""
        if self._away or self._open is None:
            return "open" if self._away else "closed"
        return "half_open" if self.now() >= self._open.probe_at else "open"

    @property
    def away(self) -> bool:
        """Whether nobody can serve and the keeper reaches nobody."""
        return self._away

    @property
    def trouble(self) -> GatewayError | None:
        """What is wrong with the upstream, as far as starts and reaching it tell."""
        opened = self._open
        if self._away:
            return _unreachable(PROBE_EVERY)
        return opened.fault if opened is not None else self._setup

    def restricted_for(self) -> float:
        """Seconds for which the whole project is known to be restricted."""
        opened = self._open
        if opened is None or opened.reason != "restricted":
            return 0.0
        return max(opened.probe_at - self.now(), 0.0)

    def admit(self, free: bool) -> GatewayError | None:
        """For the next caller: None, or the fault that it hears. ``free``: it could begin now."""
        with self._lock:
            if self._away:
                return _unreachable(PROBE_EVERY)
            opened, now = self._open, self.now()
            if opened is None:
                return None
            if free and now >= opened.probe_at:
                opened.probe_at = now + PROBE_EVERY
                return None
            wait = max(opened.probe_at - now, 1.0)
            return opened.fault.again(wait if opened.fault.retry is None else None)

    # --- what came of a start --------------------------------------------------------------------

    def accepted(self, began: float) -> None:
        """The upstream took it."""
        with self._lock:
            self._setup = None
            if began >= self._since:
                self._close()

    def answered(self, began: float) -> None:
        """It was refused, but not because the upstream is ill or does not want our accounts."""
        with self._lock:
            if began >= self._since:
                self._refused.clear()  # its account was taken
                if self._open is not None:
                    self._close()

    def misconfigured(self, began: float, fault: GatewayError) -> None:
        """There is no such function: something for the operator, until a start is accepted."""
        self.answered(began)
        self._setup = fault

    def failed(self, began: float) -> None:
        """The upstream's own fault: unreachable, 5xx, no answer in time."""
        with self._lock:
            if began < self._since or self._open is not None:
                return
            self._row += 1
            opens = self._row >= LIMIT
            if opens:
                self._turn_away("starts", _unreachable(None), PROBE_EVERY)
        if opens:
            self.on_open()

    def refused(self, began: float, account: str, fault: GatewayError) -> None:
        """The account was refused, also with a fresh token."""
        with self._lock:
            if began < self._since:
                return
            if self._open is not None and self._open.reason == "starts":
                self._close()  # who refuses is there
            self._refused.add(account)
            opens = self._open is None and len(self._refused) >= ACCOUNTS
            if opens:
                self._turn_away("accounts", fault, PROBE_EVERY)
        if opens:
            self.on_open()

    def restricted(self, began: float, fault: GatewayError) -> None:
        """The upstream serves nobody of our project."""
        with self._lock:
            if began < self._since:
                return
            self._turn_away("restricted", fault, RESTRICTED)
        self.on_open()

    # --- what came of the keeper's attempts ------------------------------------------------------

    def serving(self, able: bool) -> None:
        """Whether any account could serve now. What failed while one could does not count."""
        with self._lock:
            if able or self._serving:
                self._away, self._rounds, self._round_at = False, 0, NEVER
            self._serving = able

    def reached(self) -> bool:
        """A sign-up, refresh or connect was answered; True if that ended an absence."""
        with self._lock:
            was_away, self._away = self._away, False
            self._rounds, self._round_at = 0, NEVER
        return was_away

    def unreached(self, began: float) -> None:
        """A sign-up, refresh or connect failed by the upstream's own fault."""
        with self._lock:
            now = self.now()
            if self._serving or self._away or now - self._round_at < APART:
                return
            self._round_at = now
            self._rounds += AWAY if now - began >= SLOW else 1
            opens = self._away = self._rounds >= AWAY
            if opens:
                self.opened["away"] += 1
        if opens:
            self.on_open()

    # --- under the lock --------------------------------------------------------------------------

    def _turn_away(self, reason: Reason, fault: GatewayError, seconds: float) -> None:
        if self._open is None or self._open.reason != reason:
            self.opened[reason] += 1
        self._since = self.now()
        self._open = _Open(reason, fault, self._since + seconds)

    def _close(self) -> None:
        if self._open is not None:
            self._open, self._since = None, self.now()
        self._row = 0
        self._refused.clear()


def _unreachable(retry_after: float | None) -> UpstreamUnreachable:
    return UpstreamUnreachable("The upstream is down just now.", retry_after=retry_after)
