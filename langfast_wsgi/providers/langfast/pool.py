"""The credential deque: who may run where. It decides and never does.

Theory: every change of state (a socket came, a run ended, a token was refreshed, a caller queued)
is a method that takes the lock, changes a few fields, hands free places to those who wait longest,
and returns. What has to be *done* (sign up, connect, refresh, close) is asked for by the keeper
through ``plan`` and reported back through the other methods; the pool itself never waits for the
network, and nobody waits for it. Where waiting has no point callers hear so at once: ``outlook``
tells it of the accounts, the breaker of the upstream.

House rules: no I/O and no foreign code under the lock; who waits is served in a fair order (see
``line``); a place is given back exactly once; quota rests an account and never makes a new one.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from langfast_wsgi.errors import GatewayError
from langfast_wsgi.observe.pace import Pace
from langfast_wsgi.providers.langfast import outlook
from langfast_wsgi.providers.langfast.breaker import PROBE_EVERY, Breaker
from langfast_wsgi.providers.langfast.credential import Credential, Socket, Task
from langfast_wsgi.providers.langfast.grant import Grant
from langfast_wsgi.providers.langfast.line import Line
from langfast_wsgi.providers.langfast.turn import Lease, Turn


class Pool:
    """Credentials of one worker, between ``least`` and ``most``. Callers wait ``patience`` s."""

    def __init__(
        self,
        least: int,
        most: int,
        runs_per_credential: int,
        *,
        patience: float = 10.0,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.least, self.most, self._runs_per_credential = least, most, runs_per_credential
        self.clock, self._patience = clock, patience
        self.breaker = breaker or Breaker(clock)
        self.breaker.on_open = self._turn_away
        self._turned_away_at = float("-inf")  # somebody, who left nobody in line
        self._lock = threading.Lock()
        self._credentials: deque[Credential] = deque()
        self._line, self._pace = Line(), Pace(clock)
        self._granted, self._released = 0, list[Socket]()
        self._try_from = 0.0  # one that was refused, while no other can serve
        self._rest_until = 0.0  # of accounts that are gone: their quota is no reason for new ones
        #: Whether the upstream gives job ids. Unknown until a start was answered: one run each.
        self.told_apart: bool | None = None
        #: Why there will be no sign-up until an operator acts; None while there may be.
        self._halted: GatewayError | None = None
        #: When the keeper may sign up again, and the last fault of a sign-up until one succeeds.
        self.sign_ups_from = 0.0
        self.trouble: GatewayError | None = None
        #: Called, outside the lock, when the keeper should look at the plan again.
        self.on_change: Callable[[], None] = lambda: None

    def turn(self, caller: str = "", places: int = 1) -> Turn:
        """A place in line, settled at once where credentials have room and nobody waits."""
        turn = Turn(self.leave, places)
        with self._lock:
            self._line.append(turn, caller)
            self._serve()
            waits = bool(self._line)
        if waits:
            self.on_change()  # the keeper may want to grow the pool
        return turn

    def leave(self, turn: Turn) -> None:
        """The caller left the line (or its turn had come already)."""
        with self._lock:
            self._line.discard(turn)

    def overdue(self) -> GatewayError:
        """For a caller that waited too long."""
        with self._lock:
            now = self.clock()
            again = self._pace.wait_for(len(self._line))
            return outlook.overdue(self._credentials, self._refill(now), again, now)

    def give_back(self, lease: Lease) -> None:
        """For Lease.close."""
        with self._lock:
            lease.credential.in_flight -= 1
            lease.socket.runs -= 1
            self._pace.done()
            self._let_go(lease.credential, lease.socket)
            released = bool(self._released)
            self._serve()
        if released:
            self.on_change()

    def learn(self, told_apart: bool) -> None:
        """Whether runs of one account can be told apart (a start was answered)."""
        if self.told_apart is not told_apart:
            with self._lock:
                self.told_apart = told_apart
                self._serve()

    def accepted(self, credential: Credential) -> None:
        """A start on it was: that it was refused before is over."""
        if credential.cooling(self.clock()):
            with self._lock:
                credential.warm()
                self._serve()

    def cool(self, credential: Credential, seconds: float, fault: GatewayError) -> None:
        """The upstream wants this account to rest."""
        with self._lock:
            self._try_from = self.clock() + PROBE_EVERY
            credential.cool(self.clock() + seconds, fault)
            self._serve()
        self.on_change()

    def add(self, grant: Grant) -> Credential:
        """An account was granted."""
        with self._lock:
            self._granted += 1
            credential = Credential(f"c{self._granted}", grant, self.clock())
            self._credentials.append(credential)
            self._halted = None
        self.on_change()
        return credential

    def halt(self, fault: GatewayError) -> None:
        """No sign-up will help until an operator acts. Callers without an account hear why."""
        with self._lock:
            self._halted = fault
            self._serve()

    def renew(self, credential: Credential, grant: Grant) -> None:
        """The token was refreshed."""
        with self._lock:
            credential.renew(grant, self.clock())
            self._serve()
        self.on_change()

    def connected(self, credential: Credential, socket: Socket, max_age: float) -> None:
        """A socket is ready; one that it replaces is closed when its last run ends."""
        with self._lock:
            before, credential.socket = credential.socket, socket
            credential.connecting = False
            credential.connect_failures = 0
            credential.refuse(None)
            credential.replace_at = self.clock() + max_age
            self._let_go(credential, before)
            self._let_go(credential, socket)  # where it was retired meanwhile
            self._serve()
        self.on_change()

    def disconnected(self, credential: Credential, socket: Socket, wait: float = 0.0) -> bool:
        """A socket went away by itself; True if it was the one in use. ``wait`` before the next."""
        with self._lock:
            if credential.socket is not socket:
                return False
            credential.socket = None
            credential.connect_at = self.clock() + wait
            self._released.append(socket)
            self._serve()
        self.on_change()
        return True

    def connect_failed(
        self, credential: Credential, retry_at: float, refused: GatewayError | None
    ) -> None:
        """No socket came of it; the next attempt is not before ``retry_at``."""
        with self._lock:
            credential.stay_away(retry_at, refused)
        self.on_change()

    def drop(self, credential: Credential) -> None:
        """The upstream no longer knows it: no new runs; those in flight go on to their end."""
        with self._lock:
            credential.retired = True
            self._rest_until = max(self._rest_until, credential.resting_until)
            if credential in self._credentials:
                self._credentials.remove(credential)
            self._let_go(credential, credential.socket)
            self._serve()
        self.on_change()

    def missing(self, signing_up: int) -> int:
        """How many accounts to sign up now: to reach the least, or to shorten the line.

        None while an account rests for its quota: then more accounts would be a way around it.
        """
        now = self.clock()
        with self._lock:
            present = len(self._credentials) + signing_up
            resting = any(one.resting(now) for one in self._credentials)
            if self._halted or resting or now < self._rest_until:
                return 0
            wanted = self.least
            if self._line:
                wanted = max(wanted, self._wanted_by_callers())
            elif now - self._turned_away_at < self._patience:
                wanted = max(wanted, 1)
            return max(0, min(wanted, self.most) - present)

    def all_rest_for(self) -> float:
        """Seconds until the first account is back from its rest; 0 while one does not rest."""
        with self._lock:
            back = min((one.resting_until for one in self._credentials), default=0.0)
        return max(back - self.clock(), self.breaker.restricted_for(), 0.0)

    def credentials(self) -> list[Credential]:
        """All of them, at this moment. Callers get what became free by the passing of time."""
        with self._lock:
            self._serve()
            return list(self._credentials)

    def claim(self, credential: Credential, task: Task) -> bool:
        """Take a task on a credential; False if it is taken."""
        with self._lock:
            is_taken = getattr(credential, task)
            setattr(credential, task, True)
        return not is_taken

    def done(self, credential: Credential, task: Task) -> None:
        """The task is over."""
        with self._lock:
            setattr(credential, task, False)

    def to_close(self) -> list[Socket]:
        """Sockets that nobody needs any more; the caller closes them, outside the lock."""
        with self._lock:
            released, self._released = self._released, []
        return released

    def census(self) -> dict[str, int]:
        """Credentials by state, places taken, and callers in line."""
        with self._lock:
            counts = outlook.census(self._credentials, self._places_each(), self.clock())
        return {**counts, "waiting": len(self._line)}

    def _wanted_by_callers(self) -> int:
        """Accounts for all who run or wait; one, while nobody knows how many runs each takes."""
        if self.told_apart is None:
            return 1
        places = self._line.places() + sum(one.in_flight for one in self._credentials)
        return -(-places // self._places_each())

    def _places_each(self) -> int:
        return self._runs_per_credential if self.told_apart else 1

    def _hopeless(self, wanted: int, now: float) -> GatewayError | None:
        if self.told_apart is not None and wanted > self.most * self._places_each():
            return outlook.too_many(wanted)
        return outlook.hopeless(self._credentials, self._refill(now), now, self._patience)

    def _refill(self, now: float) -> outlook.Refill:
        due = len(self._credentials) < min(self.least, self.most)
        return outlook.Refill(self.sign_ups_from - now, self.trouble, self._halted, due)

    def _turn_away(self) -> None:
        """The breaker opened: nobody in line is left waiting."""
        with self._lock:
            self._serve()
        self.on_change()

    def _serve(self) -> None:
        """Hand free places to those who wait longest; tell them where waiting has no point."""
        now = self.clock()
        self.breaker.serving(any(one.connected(now) for one in self._credentials))
        while self._line:
            wanted = self._line.first().places
            able = outlook.able(self._credentials, now)
            if tries := not able and now >= self._try_from:
                able = outlook.to_try(self._credentials, now, self._patience)
            free = outlook.freest(able, self._places_each(), wanted)
            fault = None if free else self._hopeless(wanted, now)
            fault = fault or self.breaker.admit(bool(free))
            if not fault and not free:
                return
            if fault:
                self._turned_away_at = now
            elif tries:
                self._try_from = now + PROBE_EVERY
            leases = [] if fault else [self._lease(one) for one in free]
            self._line.popleft().settle(leases[0] if leases else None, fault, leases[1:])

    def _lease(self, credential: Credential) -> Lease:
        # Behind the others, so that equally loaded credentials take turns.
        self._credentials.remove(credential)
        self._credentials.append(credential)
        return Lease(self.give_back, credential, credential.occupied())

    def _let_go(self, credential: Credential, socket: Socket | None) -> None:
        """Put a socket that is out of use, and without runs, on the list of those to close."""
        in_use = credential.socket is socket and not credential.retired
        if socket is None or in_use or socket.runs or socket in self._released:
            return
        self._released.append(socket)
        if credential.socket is socket:
            credential.socket = None
