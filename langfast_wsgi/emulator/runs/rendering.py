"""How a step looks on the wire: the events that say it, in whatever shape a fault asks for."""

import uuid
from collections.abc import Callable, Mapping, Sequence

from langfast_wsgi.emulator.faults.serving import changed
from langfast_wsgi.emulator.jsontext import encoded
from langfast_wsgi.emulator.replies.reply import Details, Reply
from langfast_wsgi.emulator.runs.steps import COMPLETED, Say
from langfast_wsgi.emulator.sockets.events import Event, event

CHUNK = "execution:chunk"
FINISHED = "completion_finished"
SHAPE_FAULTS = frozenset(
    {
        "as-json-text",
        "as-plain-text",
        "as-number",
        "as-null",
        "as-list",
        "as-binary",
        "as-binary-record",
        "bad-binary",
        "chunk-change",
        "extra-argument",
        "no-argument",
        "unknown-event",
        "unknown-run",
        "other-jobs",
        "completion-finished-event",
    }
)
_HOLE = {"_placeholder": True, "num": 0}  # where an attachment belongs
_NO_UTF_8 = b"\xc3\x28\xff"

Record = Mapping[str, object]
Shaper = Callable[[Say], Sequence[Event]]


def shaper(reply: Reply, job_id: str | None, other_jobs: Sequence[str] = ()) -> Shaper:
    """What turns this run's steps into events; without job ids events have no executionId."""
    head = {} if job_id is None else {"executionId": job_id}
    faults = reply.faults & SHAPE_FAULTS
    message = _error(reply.details)
    change = reply.details.change if "chunk-change" in faults else {}
    others = other_jobs if "other-jobs" in faults else ()

    def record(say: Say) -> dict[str, object]:
        return {
            **head,
            "status": say.status,
            "finish_reason": say.finish_reason,
            "content": say.text,
        }

    def usual(say: Say) -> Sequence[Event]:
        return (event(CHUNK, record(say)),)

    def failing(say: Say) -> Sequence[Event]:
        return (event(CHUNK, {**record(say), **message}),)

    def odd(say: Say) -> Sequence[Event]:
        told: Record = record(say)
        if say.status == COMPLETED:
            return [*_of_others(told, others), _end(say, told, faults)]
        told = changed(told, change)
        return [*_of_others(told, others), *_before(told, faults), _chunk(say, told, faults)]

    if not faults:
        return failing if message else usual
    return odd


def _error(details: Details) -> dict[str, object]:
    """What goes with the events as their error: a text, or the object of a model's own API."""
    if details.code is not None:
        return {"error": {"code": details.code, "message": details.message}}
    return {} if details.message is None else {"error": details.message}


def _of_others(record: Record, jobs: Sequence[str]) -> list[Event]:
    said = f"{record.get('content')}".upper()
    return [event(CHUNK, {**record, "executionId": job, "content": said}) for job in jobs]


def _before(record: Record, faults: frozenset[str]) -> list[Event]:
    events = []
    if "unknown-event" in faults:
        events.append(event("execution:debug", {"note": "nobody knows this event"}))
    if "unknown-run" in faults:
        stranger = {"executionId": str(uuid.uuid4()), "status": "in_progress"}
        events.append(event(CHUNK, {**stranger, "finish_reason": None, "content": "not yours"}))
    if "no-argument" in faults:
        events.append(event(CHUNK))
    if "bad-binary" in faults:
        events.append(event(CHUNK, {**record, "content": _HOLE}, attachment=_NO_UTF_8))
    return events


def _end(say: Say, record: Record, faults: frozenset[str]) -> Event:
    if "completion-finished-event" in faults:
        kept = {key: record[key] for key in ("executionId", "finish_reason") if key in record}
        return event(FINISHED, kept)
    return _told(say, record, faults)


def _chunk(say: Say, record: Record, faults: frozenset[str]) -> Event:
    for fault, argument in _ARGUMENTS.items():
        if fault in faults:
            return event(CHUNK, argument(say, record), *_extra(faults))
    return _told(say, record, faults)


_ARGUMENTS: Mapping[str, Callable[[Say, Record], object]] = {
    "as-plain-text": lambda say, _: say.text,
    "as-number": lambda say, _: len(say.text),
    "as-null": lambda _say, _record: None,
    "as-list": lambda _, record: [record],
}


def _told(say: Say, record: Record, faults: frozenset[str]) -> Event:
    extra = _extra(faults)
    if "as-json-text" in faults:
        return event(CHUNK, encoded(record).decode(), *extra)
    if "as-binary" in faults:
        text = say.text.encode("utf-8", "surrogatepass")
        return event(CHUNK, {**record, "content": _HOLE}, *extra, attachment=text)
    if "as-binary-record" in faults:
        return event(CHUNK, _HOLE, *extra, attachment=encoded(record))
    return event(CHUNK, record, *extra)


def _extra(faults: frozenset[str]) -> tuple[str, ...]:
    return ("offset-1",) if "extra-argument" in faults else ()
