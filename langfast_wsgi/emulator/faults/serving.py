"""Serving a request while a service fault is on: late, refused, garbled, changed or lost."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import orjson

from langfast_wsgi.emulator.faults.switchboard import HttpFault
from langfast_wsgi.emulator.web import HTML_PAGE, JSON, Answer, AnswerLost

_TRUNCATED = b'{"access_token":"eyJhbGciOi'
_BAD_KEY = b'{"message":"Invalid API key","hint":"Double check your API key."}'
_HUGE = 10_000_000  # bytes
# Status if none is asked for, body, content type.
_BODIES: Mapping[str, tuple[int, bytes, str]] = {
    "html": (502, HTML_PAGE, "text/html"),
    "empty": (200, b"{}", JSON),
    "truncated": (200, _TRUNCATED, JSON),
    "null": (200, b"null", JSON),
    "array": (200, b"[]", JSON),
    "garbage": (200, b"\x1f\x8b\xff\xfe{not JSON", JSON),
    "bad-key": (401, _BAD_KEY, JSON),
}


def garbled(body: str, status: int | None, size: int | None = None) -> Answer:
    """An answer with one of the bodies that no service should give."""
    if body == "huge":
        filling = b"x" * ((size or _HUGE) - len(b'{"x":""}'))
        return Answer(status or 200, b'{"x":"%s"}' % filling)
    usual, content, kind = _BODIES[body]
    return Answer(status or usual, content, {}, kind)


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
    answer = _answer(fault, handler, refused)
    return answer if fault.drip is None else replace(answer, drip=fault.drip)


def _answer(
    fault: HttpFault, handler: Callable[[], Answer], refused: Callable[[HttpFault], Answer]
) -> Answer:
    if fault.body == "cut":
        raise AnswerLost
    if fault.body is not None and fault.body != "lost":
        return _led_away(garbled(fault.body, fault.status), fault)
    if fault.status is not None or fault.code is not None:
        return _led_away(refused(fault), fault)
    answer = handler()
    if fault.body == "lost":
        raise AnswerLost
    return answer if fault.change is None else _changed(answer, fault.change)


def _led_away(answer: Answer, fault: HttpFault) -> Answer:
    if fault.location is None:
        return answer
    return replace(answer, headers={**answer.headers, "Location": fault.location})


def changed(fields: Mapping[str, object], change: Mapping[str, object]) -> dict[str, object]:
    """The fields with others in their place; null takes one away."""
    given = {key: value for key, value in change.items() if value is not None}
    return {key: value for key, value in fields.items() if key not in change} | given


def _changed(answer: Answer, change: Mapping[str, object]) -> Answer:
    return replace(answer, body=orjson.dumps(changed(orjson.loads(answer.body), change)))
