"""Serving a request while a service fault is on: late, refused, garbled, changed or lost."""

from collections.abc import Callable, Mapping

import orjson

from langfast_wsgi.emulator.faults.switchboard import HttpFault
from langfast_wsgi.emulator.web import HTML_PAGE, Answer, AnswerLost

_TRUNCATED = b'{"access_token":"eyJhbGciOi'
# Status if none is asked for, body, content type.
_BODIES: Mapping[str, tuple[int, bytes, str]] = {
    "html": (502, HTML_PAGE, "text/html"),
    "empty": (200, b"{}", "application/json"),
    "truncated": (200, _TRUNCATED, "application/json"),
    "null": (200, b"null", "application/json"),
    "array": (200, b"[]", "application/json"),
}


def served(
    fault: HttpFault | None,
    handler: Callable[[], Answer],
    refused: Callable[[HttpFault], Answer],
    sleep: Callable[[float], None],
) -> Answer:
    """The handler's answer, or what the fault makes of it; ``refused`` draws the room's error."""
    if fault is None:
        return handler()
    if fault.hang:
        sleep(fault.hang)
    if fault.body is not None and fault.body in _BODIES:
        status, body, kind = _BODIES[fault.body]
        return Answer(fault.status or status, body, {}, kind)
    if fault.status is not None or fault.code is not None:
        return refused(fault)
    answer = handler()
    if fault.body == "lost":
        raise AnswerLost
    return answer if fault.change is None else _changed(answer, fault.change)


def _changed(answer: Answer, change: Mapping[str, object]) -> Answer:
    fields = orjson.loads(answer.body) | dict(change)
    kept = {key: value for key, value in fields.items() if value is not None}
    return Answer(answer.status, orjson.dumps(kept), answer.headers, answer.type)
