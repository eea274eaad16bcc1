"""The runs in flight on one account: which event belongs to whose mailbox.

Runs are told apart by the id that the start call returns. Events may arrive before that answer, so
while a start is pending, events of unknown ids are kept (the newest text of each, bounded; of what
is too long for that at least its length, lest a rest be taken for the whole). Ids of runs that
ended or were abandoned are remembered for a while, so that their late events do not fill
that buffer. An event without an id belongs to the only run on the account, also while its start is
pending; with several in flight it belongs to nobody.

The inbox belongs to the credential, not to a socket: it outlives a reconnect.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from langfast_wsgi.errors import GatewayError
from langfast_wsgi.observe import metrics
from langfast_wsgi.providers.langfast.mailbox import Ending, Mailbox

EARLY_IDS = 64
EARLY_CHARACTERS = 256 * 1024
EARLY_SECONDS = 30.0
REMEMBERED_IDS = 512

_NOBODYS = metrics.DROPPED.labels("unknown_run")
_ENDED = metrics.DROPPED.labels("ended_run")
_AMBIGUOUS = metrics.DROPPED.labels("no_id")
_OVERFLOW = metrics.DROPPED.labels("early_overflow")


@dataclass(slots=True)
class Update:
    """One upstream event: whose, the whole text so far (None: none given), and the end."""

    job_id: str | None
    text: str | None = None
    ending: Ending | None = None
    #: A status that nobody knows, as it was said.
    odd_status: str | None = None


@dataclass(slots=True)
class _Early:
    update: Update
    since: float
    lost: int = 0  # characters that were too many to be kept


class Inbox:
    """Routes updates to mailboxes. ``deliver`` never blocks on anything but a short lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._live: dict[str, Mailbox] = {}
        self._pending: list[Mailbox] = []  # the id is not known (yet)
        self._nameless: Mailbox | None = None  # the start was answered without an id
        self._early: OrderedDict[str, _Early] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live) + len(self._pending)

    def expect(self, mailbox: Mailbox) -> None:
        """A start is about to be asked for."""
        with self._lock:
            self._pending.append(mailbox)

    def assign(self, mailbox: Mailbox, job_id: str | None) -> None:
        """The start was answered: this is the run's id. What came early is handed over.

        ``None``: the upstream gives no ids. Then the run is alone on its account, and the first id
        that its events bear, if they bear one, is its own.
        """
        with self._lock:
            if mailbox not in self._pending:  # abandoned meanwhile
                if job_id is not None:
                    self._remember(job_id)
                return
            if job_id is None:
                job_id = next(iter(self._early), None)
            if job_id is None:
                self._nameless = mailbox
                return
            early = self._bind(mailbox, job_id)
        if early is not None:
            mailbox.least = early.lost
            mailbox.put(early.update.text, early.update.ending)

    def forget(self, mailbox: Mailbox) -> None:
        """The run ended or its caller left; harmless when called again."""
        with self._lock:
            if mailbox in self._pending:
                self._pending.remove(mailbox)
            if mailbox is self._nameless:
                self._nameless = None
            for job_id in [key for key, value in self._live.items() if value is mailbox]:
                del self._live[job_id]
                self._remember(job_id)
            if not self._pending:
                self._early.clear()

    def wants(self, job_id: str) -> bool:
        """Whether an event of this id has any use, so that others need not be decoded."""
        # Without the lock: ``_bind`` adds to the live before it takes from the pending, so an id
        # that moves while we look is found by the second look at the latest.
        if job_id in self._live or self._pending or job_id in self._live:
            return True
        (_ENDED if job_id in self._ended else _NOBODYS).inc()
        return False

    def mailbox_of(self, job_id: str) -> Mailbox | None:
        """Where the events of this id go, if a run is known by it."""
        return self._live.get(job_id)

    def replace(self, mailbox: Mailbox, heir: Mailbox) -> None:
        """From now on another mailbox gets the events of this run."""
        with self._lock:
            self._pending = [heir if one is mailbox else one for one in self._pending]
            if self._nameless is mailbox:
                self._nameless = heir
            for job_id in [key for key, value in self._live.items() if value is mailbox]:
                self._live[job_id] = heir

    def deliver(self, update: Update) -> None:
        """Hand an event to its run, keep it, or drop and count it."""
        mailbox = self._live.get(update.job_id) if update.job_id is not None else None
        if mailbox is None:
            mailbox = self._find(update)
        if mailbox is not None and not mailbox.put(update.text, update.ending):
            _ENDED.inc()

    def interrupt(self) -> None:
        """The socket under all runs went away."""
        now = self._clock()
        for mailbox in self._everybody():
            mailbox.interrupt(now)

    def fail(self, make_fault: Callable[[], GatewayError]) -> None:
        """End all runs with a fault (one of its own for each)."""
        for mailbox in self._everybody():
            mailbox.end(make_fault())

    def _everybody(self) -> list[Mailbox]:
        with self._lock:
            return [*self._live.values(), *self._pending]

    def _find(self, update: Update) -> Mailbox | None:
        with self._lock:
            job_id = update.job_id
            if job_id is None:
                return self._only_one()
            if job_id in self._live:  # assigned while we waited for the lock
                return self._live[job_id]
            if job_id in self._ended:
                _ENDED.inc()
            elif self._nameless is not None:
                mailbox = self._nameless
                self._bind(mailbox, job_id)
                return mailbox
            elif self._pending:
                self._keep(job_id, update)
            else:
                _NOBODYS.inc()
            return None

    def _bind(self, mailbox: Mailbox, job_id: str) -> _Early | None:
        self._live[job_id] = mailbox
        self._pending.remove(mailbox)
        self._nameless = None
        early = self._early.pop(job_id, None)
        if not self._pending:
            self._early.clear()
        return early

    def _only_one(self) -> Mailbox | None:
        if len(self._live) + len(self._pending) == 1:
            return next(iter(self._live.values()), None) or self._pending[0]
        _AMBIGUOUS.inc()
        return None

    def _keep(self, job_id: str, update: Update) -> None:
        now = self._clock()
        kept = self._early.get(job_id)
        if kept is None:
            kept = self._early[job_id] = _Early(Update(job_id), now)
        if update.text is not None and len(update.text) >= len(kept.update.text or ""):
            kept.update.text = update.text
        kept.update.ending = kept.update.ending or update.ending
        self._trim(now)

    def _trim(self, now: float) -> None:
        size = sum(len(one.update.text or "") for one in self._early.values())
        while size > EARLY_CHARACTERS:  # the largest goes, which is nobody else's fault
            largest = max(self._early.values(), key=lambda one: len(one.update.text or ""))
            length = len(largest.update.text or "")
            largest.lost, largest.update.text = max(length, largest.lost), None
            size -= length
            _OVERFLOW.inc()
        while self._early:
            oldest = next(iter(self._early))
            if len(self._early) <= EARLY_IDS and now - self._early[oldest].since <= EARLY_SECONDS:
                return
            del self._early[oldest]
            _OVERFLOW.inc()

    def _remember(self, job_id: str) -> None:
        self._early.pop(job_id, None)
        self._ended[job_id] = None
        if len(self._ended) > REMEMBERED_IDS:
            self._ended.popitem(last=False)
