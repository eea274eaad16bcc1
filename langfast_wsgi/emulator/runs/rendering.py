"""How a step looks on the wire: the events that say it, in whatever shape a fault asks for."""

import uuid
from collections.abc import Callable, Sequence

from langfast_wsgi.emulator.jsontext import encoded
from langfast_wsgi.emulator.replies.reply import Reply
from langfast_wsgi.emulator.runs.steps import COMPLETED, Say
from langfast_wsgi.emulator.sockets.events import Event, event

CHUNK = "execution:chunk"
FINISHED = "completion_finished"
SHAPE_FAULTS = frozenset(
    {
        "as-json-text",
        "as-plain-text",
        "as-binary",
        "extra-argument",
        "no-argument",
        "unknown-event",
        "unknown-run",
        "completion-finished-event",
    }
)

Shaper = Callable[[Say], Sequence[Event]]


def shaper(reply: Reply, job_id: str | None) -> Shaper:
    """What turns this run's steps into events; without job ids events have no executionId."""
    head = {} if job_id is None else {"executionId": job_id}
    faults = reply.faults & SHAPE_FAULTS
    message = {} if reply.details.message is None else {"error": reply.details.message}

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

    if not faults:
        return failing if message else usual
    return lambda say: _odd(say, record(say), faults)


def _odd(say: Say, record: dict[str, object], faults: frozenset[str]) -> Sequence[Event]:
    before = _before(faults) if say.status != COMPLETED else []
    return [*before, _main(say, record, faults)]


def _before(faults: frozenset[str]) -> list[Event]:
    events = []
    if "unknown-event" in faults:
        events.append(event("execution:debug", {"note": "nobody knows this event"}))
    if "unknown-run" in faults:
        stranger = {"executionId": str(uuid.uuid4()), "status": "in_progress"}
        events.append(event(CHUNK, {**stranger, "finish_reason": None, "content": "not yours"}))
    if "no-argument" in faults:
        events.append(event(CHUNK))
    return events


def _main(say: Say, record: dict[str, object], faults: frozenset[str]) -> Event:
    if say.status == COMPLETED and "completion-finished-event" in faults:
        kept = {key: record[key] for key in ("executionId", "finish_reason") if key in record}
        return event(FINISHED, kept)
    extra = ("offset-1",) if "extra-argument" in faults else ()
    if "as-plain-text" in faults and say.status != COMPLETED:
        return event(CHUNK, say.text, *extra)
    if "as-json-text" in faults:
        return event(CHUNK, encoded(record).decode(), *extra)
    if "as-binary" in faults:
        hole = {"_placeholder": True, "num": 0}
        text = say.text.encode("utf-8", "surrogatepass")
        return event(CHUNK, {**record, "content": hole}, *extra, attachment=text)
    return event(CHUNK, record, *extra)
