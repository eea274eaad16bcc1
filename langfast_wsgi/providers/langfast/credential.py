"""One account: its tokens, its socket, its runs.

The pool changes places and states under its lock; when what is due next is the keeper's to say.
"""

import random
from typing import Literal, Protocol, TypeAlias

from langfast_wsgi.errors import GatewayError, QuotaExhausted, RateLimited
from langfast_wsgi.providers.langfast.grant import Grant
from langfast_wsgi.providers.langfast.inbox import Inbox

Task: TypeAlias = Literal["connecting", "refreshing"]
"""What is done to a credential by one at a time."""

REFRESH_AHEAD = 90.0  # as auth-js does
REFRESH_SPACING = 60.0
SHORTEST_SPACING = 5.0  # whatever lifetime the upstream names


class Socket(Protocol):
    """A connected socket, as the pool sees it."""

    #: Runs that were started while this was the credential's socket; the pool counts.
    runs: int

    def close(self) -> None:
        """Cut the connection without waiting; may be called twice."""
        ...


class Credential:
    """An account with a warm socket. All times are on the pool's monotonic clock."""

    def __init__(self, name: str, grant: Grant, now: float) -> None:
        self.name = name
        self.inbox = Inbox()
        self.socket: Socket | None = None
        self.in_flight = 0
        self.retired = False
        self.connecting = False
        self.refreshing = False
        self.connect_at = now
        self.connect_failures = 0
        #: Sockets in a row that were lost soon after they were let in.
        self.flaps = 0
        self.refresh_failures = 0
        self.refresh_fails = False  # the last one did, and not by our own fault
        #: Why the socket service would not have us, while it would not, and how often in a row.
        self.refused: GatewayError | None = None
        self.refusals = 0
        self.replace_at = float("inf")
        self.cooling_until = 0.0
        self.cooling_for: GatewayError | None = None
        self.resting_until = 0.0
        self.resting_for: GatewayError | None = None
        #: Whether it was ever good for anything: a start was accepted, or it was refreshed.
        self.served = False
        self.granted_at = now
        #: When a task on it was begun last.
        self.tried_at = float("-inf")
        #: No task out of turn before: something unforeseen happened.
        self.held_until = float("-inf")
        self.renew(grant, now)
        self.refreshed_at = float("-inf")  # what was granted at first is no refresh

    def renew(self, grant: Grant, now: float) -> None:
        """New tokens. A lifetime too short for the usual margins is refreshed at its half."""
        self.grant = grant
        self.refreshed_at = now
        self.refresh_fails = False
        self.expires_at = now + grant.lifetime
        ahead = min(REFRESH_AHEAD, grant.lifetime / 2) * random.uniform(1.0, 1.1)
        spacing = max(min(REFRESH_SPACING, grant.lifetime / 2), SHORTEST_SPACING)
        self.refresh_at = max(self.expires_at - ahead, now + spacing)

    def __repr__(self) -> str:
        state = "retired" if self.retired else ("connected" if self.socket else "without socket")
        return f"<Credential {self.name} {state} {self.in_flight} runs>"

    def cool(self, until: float, fault: GatewayError) -> None:
        """No runs until then. What rests it for quota or rate is remembered: the longest counts."""
        if until > self.cooling_until:
            self.cooling_until, self.cooling_for = until, fault
        if isinstance(fault, RateLimited | QuotaExhausted) and until > self.resting_until:
            self.resting_until, self.resting_for = until, fault

    def warm(self) -> None:
        """It is not refused any more. What rests it for quota or rate remains."""
        self.cooling_until, self.cooling_for = self.resting_until, self.resting_for

    def refuse(self, fault: GatewayError | None) -> None:
        """The socket service would not have us; None: it did, or it was not even reached."""
        self.refused = fault
        self.refusals = self.refusals + 1 if fault is not None else 0

    def occupied(self) -> Socket:
        """Another run is on it; the socket that is its own."""
        assert self.socket is not None  # noqa: S101 - that is what usable means
        self.in_flight += 1
        self.socket.runs += 1
        return self.socket

    def refresh_soon(self, now: float) -> None:
        """The token was refused by the socket service: once more with a fresh one. Later ones may
        be bad again, but then there is no hurry.
        """
        spacing = REFRESH_SPACING if self.refusals else SHORTEST_SPACING
        self.refresh_at = min(self.refresh_at, max(now, self.refreshed_at + spacing))

    def stay_away(self, until: float, refused: GatewayError | None) -> None:
        """No socket came of an attempt; the next is not before ``until``."""
        self.refuse(refused)
        self.connecting = False
        self.connect_failures += 1
        self.connect_at = until
        self.replace_at = max(self.replace_at, until)

    def cooling(self, now: float) -> bool:
        """Whether the upstream wants this account to rest."""
        return now < self.cooling_until

    def resting(self, now: float) -> bool:
        """Whether it cools for its quota or rate: no reason to make another account."""
        return now < self.resting_until

    def back_within(self, seconds: float, now: float) -> bool:
        """Whether it will be usable by itself by then: it is between two sockets or tokens, and
        nothing has failed so far, or a limit is over.
        """
        if self.resting(now):
            return self.cooling_until - now <= seconds
        fails = self.cooling(now) or self.connect_failures or self.refresh_fails
        return not fails and self.connect_at - now <= seconds

    def state(self, now: float, places: int) -> str:
        """For the operator: cooling, connecting, busy (all of its places are taken) or ready."""
        if self.cooling(now):
            return "cooling"
        if not self.usable(now):
            return "connecting"
        return "ready" if self.in_flight < places else "busy"

    def connected(self, now: float) -> bool:
        """Whether it has all that a run needs, be it resting or not."""
        return self.socket is not None and not self.retired and now < self.expires_at

    def usable(self, now: float) -> bool:
        """Whether a run may start on it (if it has a place)."""
        return self.connected(now) and not self.cooling(now)
