"""One run in flight: its place, its mailbox, and how far it has come."""

from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.turn import Lease


class Run:
    """How far a run has come, and where its events go."""

    __slots__ = (
        "_alive_at",
        "_lease",
        "credential",
        "inbox",
        "is_started",
        "mailbox",
        "may_go_on",
        "part",
        "start_is_over",
    )

    def __init__(self, lease: Lease, mailbox: Mailbox, part: "set[Run]", now: float) -> None:
        self._lease = lease
        self.credential = lease.credential
        self.inbox = lease.credential.inbox
        self.mailbox = mailbox
        self.part = part  # of those that the clock wakes together
        self._alive_at = now
        self.is_started = False
        self.start_is_over = False  # one way or the other
        #: Whether the upstream may be running it, as far as we know.
        self.may_go_on = True

    @property
    def alive_at(self) -> float:
        """When it was heard of last (monotonic clock)."""
        return max(self._alive_at, self.mailbox.heard_at)

    def close(self) -> None:
        """Its events are nobody's from now on, and its place is free."""
        self.inbox.forget(self.mailbox)
        self._lease.close()

    def started(self, now: float) -> None:
        """The start was answered. A socket that was lost meanwhile gets its grace from now on."""
        self._alive_at = now
        if self.mailbox.lost_at is not None:
            self.mailbox.lost_at = now
        self.is_started = True

    def succeed(self, heir: Mailbox, now: float) -> None:
        """Its caller is gone: what still comes goes to a new mailbox, for the old one has ended."""
        self.inbox.replace(self.mailbox, heir)
        self.mailbox, self._alive_at = heir, now
