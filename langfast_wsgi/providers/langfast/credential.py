"""One account: its tokens, its socket, its runs.

The pool changes places and states under its lock; when what is due next is the keeper's to say.
"""

import random
from typing import Literal, Protocol, TypeAlias

from langfast_wsgi.errors import GatewayError, QuotaExhausted, RateLimited
from langfast_wsgi.providers.langfast.accounts import Grant
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
        #: Why the socket service would not have us, while it would not.
        self.refused: GatewayError | None = None
        self.replace_at = float("inf")
        self.cooling_until = 0.0
        self.resting_until = 0.0
        self.resting_for: GatewayError | None = None
        self.renew(grant, now)

    def renew(self, grant: Grant, now: float) -> None:
        """New tokens. A lifetime too short for the usual margins is refreshed at its half."""
        self.grant = grant
        self.expires_at = now + grant.lifetime
        ahead = min(REFRESH_AHEAD, grant.lifetime / 2) * random.uniform(1.0, 1.1)
        spacing = max(min(REFRESH_SPACING, grant.lifetime / 2), SHORTEST_SPACING)
        self.refresh_at = max(self.expires_at - ahead, now + spacing)

    def __repr__(self) -> str:
        state = "retired" if self.retired else ("connected" if self.socket else "without socket")
        return f"<Credential {self.name} {state} {self.in_flight} runs>"

    def cool(self, until: float, fault: GatewayError) -> None:
        """No runs until then. What rests it for quota or rate is remembered: the longest counts."""
        self.cooling_until = max(self.cooling_until, until)
        if isinstance(fault, RateLimited | QuotaExhausted) and until > self.resting_until:
            self.resting_until, self.resting_for = until, fault

    def cooling(self, now: float) -> bool:
        """Whether the upstream wants this account to rest."""
        return now < self.cooling_until

    def resting(self, now: float) -> bool:
        """Whether it cools for its quota or rate: no reason to make another account."""
        return now < self.resting_until

    def state(self, now: float, places: int) -> str:
        """For the operator: cooling, connecting, busy (all of its places are taken) or ready."""
        if self.cooling(now):
            return "cooling"
        if not self.usable(now):
            return "connecting"
        return "ready" if self.in_flight < places else "busy"

    def usable(self, now: float) -> bool:
        """Whether a run may start on it (if it has a place)."""
        return (
            self.socket is not None
            and not self.retired
            and not self.cooling(now)
            and now < self.expires_at
        )
