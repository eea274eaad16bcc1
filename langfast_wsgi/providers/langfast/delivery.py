"""From the events of one socket to the runs that they belong to."""

import logging

from langfast_wsgi.observe import metrics
from langfast_wsgi.observe.logs import one_line
from langfast_wsgi.providers.langfast import translate
from langfast_wsgi.providers.langfast.frames import PACKET
from langfast_wsgi.providers.langfast.inbox import Inbox, Update
from langfast_wsgi.providers.langfast.increments import Bytes, told

log = logging.getLogger(__name__)

TELLINGS = 8  # after so many a run's events are not looked at for more of the same any longer
ODD_STATUSES = 50
_odd_statuses: set[str] = set()  # of which a log line was written

_MEANINGLESS = metrics.DROPPED.labels("meaningless")
_UNKNOWN = metrics.DROPPED.labels("unknown_event")


class Delivery:
    """Reads what the events of one socket say, for the runs of one account."""

    def __init__(self, inbox: Inbox) -> None:
        self._deliver = inbox.deliver
        self._wants = inbox.wants
        self._mailbox_of = inbox.mailbox_of

    def go_on(self, buffer: Bytes, begin: int, end: int) -> bool:
        """A chunk frame that goes on where the run's last one ended, as nearly all do.

        Called in the event loop itself, so whatever else it may be is left to ``take``.
        """
        json = begin + len(PACKET)
        job_id = translate.job_id_of(buffer, json)
        mailbox = self._mailbox_of(job_id) if job_id is not None else None
        return mailbox is not None and mailbox.go_on(buffer, json, end)

    def take(self, event: bytes) -> bool:
        """A chunk frame's JSON in the read loop; False where the library shall have it."""
        job_id = translate.job_id_of(event)
        if job_id is not None and not self._wants(job_id):
            return True
        try:
            arguments = translate.loads(event)
        except ValueError:
            return False  # garbage is the library's business
        argument = arguments[1] if len(arguments) > 1 else None
        update = self._read(argument)
        if update is not None and update.text is not None and update.ending is None:
            self._tell(job_id, event, update.job_id, update.text)
        return True

    def _tell(self, begins: str | None, event: bytes, job_id: str | None, text: str) -> None:
        """From here the run can go on, if its id is where ``go_on`` looks for it.

        To find that out costs as much as it saves in a few events.
        """
        mailbox = self._mailbox_of(job_id) if job_id is not None and begins == job_id else None
        if mailbox is not None:
            mailbox.tellings += 1
            mailbox.told = told(event, text) if mailbox.tellings <= TELLINGS else None

    def chunk(self, argument: object = None, *_: object) -> None:
        """The arguments of an ``execution:chunk`` event."""
        self._read(argument)

    def finished(self, argument: object = None, *_: object) -> None:
        """The arguments of a ``completion_finished`` event."""
        self._deliver(translate.completion_finished(argument))

    def anything_else(self, event: str, *arguments: object) -> None:
        """An event that means nothing to us."""
        _UNKNOWN.inc()
        log.debug("unknown event %s, %d arguments", one_line(event), len(arguments))

    def _read(self, argument: object) -> Update | None:
        update = translate.chunk(argument)
        if update is None:
            _MEANINGLESS.inc()
            log.debug("chunk without meaning: %s", type(argument).__name__)  # may be large, or deep
            return None
        if update.odd_status is not None:
            _wonder(update.odd_status)
        self._deliver(update)
        return update


def _wonder(status: str) -> None:
    """A status that nobody knows counts as running; whoever reads the log may know better."""
    status = status[:100]
    if status not in _odd_statuses and len(_odd_statuses) < ODD_STATUSES:
        _odd_statuses.add(status)
        log.warning("a status that nobody knows, taken as running: %s", one_line(status))
