"""Between Flask and the events: read a body, wait for the first event, answer as a stream or whole.

The status of a streamed answer waits for the first event, so that an early failure keeps its real
status; but not longer than FIRST_BYTE_TIMEOUT, or a platform's router gives up on us. From then on
heartbeats hold the connection.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from flask import Response, g, request

from langfast_wsgi.conversation.events import Event, Pause, Usage, awaited
from langfast_wsgi.conversation.fold import Completion, fold, fold_choices
from langfast_wsgi.dialects._json import read_object
from langfast_wsgi.dialects._service import Connection, Service
from langfast_wsgi.dialects._stream import Body, Events, Stream, StreamEncoder
from langfast_wsgi.errors import BadRequest, BodyTimeout, TooLarge, Unsupported

IGNORED_HEADER = "x-langfast-ignored-params"
LEFT = 499  # nginx's number for a caller that left; nobody reads it


class CallerLeft(Exception):
    """Nobody is there to read the answer."""


def read_json(service: Service) -> dict[str, Any]:
    """The request's body as a JSON object, of any content type. Raises CallerError."""
    try:
        return read_object(_read_body(service))
    except (TooLarge, BodyTimeout):
        service.refuse_body(request.environ)
        raise


def _read_body(service: Service) -> bytes:
    limit = service.settings.max_body_bytes
    encoding = request.headers.get("Content-Encoding", "identity")
    transfer = request.headers.get("Transfer-Encoding", "chunked")
    if encoding.strip().lower() not in ("", "identity") or transfer.strip().lower() != "chunked":
        raise Unsupported("Compressed bodies are not taken: send the JSON as it is.")
    length = request.content_length
    if length is not None and length > limit:
        raise _too_large(limit)
    if length is None and not request.environ.get("wsgi.input_terminated"):
        return b""
    try:
        with service.deadline(service.settings.body_timeout):
            body: bytes = request.environ["wsgi.input"].read(
                limit + 1 if length is None else length
            )
    except TimeoutError as error:
        raise BodyTimeout("The request's body did not arrive in time.") from error
    except Exception as error:  # the server's own: chunks that are none, a connection that is cut
        service.refuse_body(request.environ)
        raise BadRequest("The request's body could not be read.", code=None) from error
    if len(body) > limit:
        raise _too_large(limit)
    request.environ[service.body_read] = True
    return body


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request's body is larger than {limit} bytes.")


def streamed(service: Service, events: Events, encoder: StreamEncoder) -> Response:
    """The events as Server-Sent Events. Raises GatewayError for a failure before the first."""
    connection = service.connection(request.environ)
    patience = g.arrived + service.settings.first_byte_timeout
    try:
        first = _first(events, connection, patience)
    except BaseException:
        events.close()
        raise
    heartbeat = service.settings.heartbeat_seconds
    body = Body(events, first, encoder, connection, heartbeat, g.request_id)
    return Stream(body, service.outlet)


def _first(events: Events, connection: Connection, patience: float) -> Event | None:
    """The first event that says something; None when the status cannot wait for it any longer."""
    for event in awaited(events):
        if not isinstance(event, Pause):
            return event
        if connection.gone():
            raise CallerLeft
        if time.monotonic() >= patience:
            return None
    return None


def folded(service: Service, events: Events) -> Completion:
    """The whole answer. Raises GatewayError, or CallerLeft."""
    with closing(events):
        return fold(_watched(service, events))


def folded_choices(
    service: Service, events: Events, choices: int
) -> tuple[Sequence[Completion], Usage | None]:
    """Several whole answers and their usage. Raises GatewayError, or CallerLeft."""
    with closing(events):
        return fold_choices(_watched(service, events), choices)


def _watched(service: Service, events: Events) -> Iterator[Event]:
    connection = service.connection(request.environ)
    for event in awaited(events):
        if isinstance(event, Pause) and connection.gone():
            raise CallerLeft
        yield event


def tell_ignored(response: Response, names: Sequence[str]) -> Response:
    """The answer, with the header that names what was asked for in vain."""
    if names:
        response.headers[IGNORED_HEADER] = ", ".join(names)
    return response
