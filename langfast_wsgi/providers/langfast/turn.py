"""A caller's turn in the line, and the lease that it comes to. Both may be closed twice."""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from langfast_wsgi.errors import GatewayError
from langfast_wsgi.providers.langfast.credential import Credential, Socket


class Lease:
    """One place on a credential, and the socket that was its own when the place was taken."""

    __slots__ = ("_give_back", "credential", "socket")

    def __init__(
        self, give_back: Callable[["Lease"], None], credential: Credential, socket: Socket
    ) -> None:
        self._give_back: Callable[[Lease], None] | None = give_back
        self.credential = credential
        self.socket = socket

    def __repr__(self) -> str:
        return f"<Lease on {self.credential.name}{'' if self._give_back else ' (closed)'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the place back."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self)


class Turn:
    """At first perhaps waiting; then it holds a lease, or a fault that says why there is none.

    Whoever needs several ``places`` gets all of them at once, or none. Leaving the context leaves
    the line; leases that nobody took are given back.
    """

    __slots__ = ("_bell", "_fault", "_leave", "_more", "lease", "places")

    def __init__(self, leave: Callable[["Turn"], None], places: int = 1) -> None:
        self._leave = leave
        self.places = places
        self._more: Sequence[Lease] = ()
        self._bell = threading.Lock()
        self._bell.acquire()
        self.lease: Lease | None = None
        self._fault: GatewayError | None = None

    def __repr__(self) -> str:
        return f"<Turn {self.lease or self._fault or 'waiting'}>"

    def wait(self, timeout: float) -> Lease | None:
        """The lease, or None if there is none after ``timeout`` seconds. Raises the fault."""
        if timeout and self.lease is None and self._fault is None:
            self._bell.acquire(timeout=timeout)  # not for 0: the event loop cannot even try
        if self._fault is not None:
            raise self._fault
        return self.lease

    def settle(
        self, lease: Lease | None, fault: GatewayError | None, more: Sequence[Lease] = ()
    ) -> None:
        """For the pool, once: what the turn came to; ``more`` for further places."""
        self.lease, self._fault, self._more = lease, fault, more
        self._bell.release()

    def take(self) -> Lease:
        """The lease, from now on the caller's to close."""
        lease, self.lease = self.lease, None
        assert lease is not None  # noqa: S101 - only after wait returned it
        return lease

    def take_all(self) -> list[Lease]:
        """The same for all places."""
        more, self._more = self._more, ()
        return [self.take(), *more]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(self)
        for lease in (self.lease, *self._more):
            if lease is not None:
                lease.close()
