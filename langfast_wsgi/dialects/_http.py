"""Between Flask and the events: read a body, wait for the first event, answer as a stream or whole.

The status of a streamed answer waits for the first event, so that an early failure keeps its real
status; but not longer than FIRST_BYTE_TIMEOUT, or a platform's router gives up on us. From then on
heartbeats hold the connection.
"""

import logging
import time
from collections.abc import Generator, Iterator
from typing import Any, Protocol

from flask import Response, g, request

from langfast_wsgi.conversation.events import Event, Silence
from langfast_wsgi.conversation.fold import Completion, fold
from langfast_wsgi.dialects._json import read_object
from langfast_wsgi.dialects._openai import note
from langfast_wsgi.dialects._service import Connection, Service
from langfast_wsgi.errors import BadRequest, BodyTimeout, GatewayError, TooLarge, Unsupported

log = logging.getLogger(__name__)

HEARTBEAT = b": ping\n\n"
LEFT = 499  # nginx's number for a caller that left; nobody reads it

Events = Generator[Event, None, None]


class StreamEncoder(Protocol):
    """Events to the bytes of one stream."""

    def open(self) -> bytes:
        """The bytes that can be sent before anything is known."""
        ...

    def write(self, event: Event) -> bytes:
        """The bytes for an event; empty where they are better sent with the next. Raises faults."""
        ...

    def fail(self, fault: GatewayError) -> bytes:
        """The bytes that end the stream with a fault."""
        ...


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
    if encoding.strip().lower() not in ("", "identity"):
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
    response = Response(
        _Frames(events, first, encoder, connection, heartbeat, g.request_id),
        content_type="text/event-stream",
    )
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _first(events: Events, connection: Connection, patience: float) -> Event | None:
    """The first event that says something; None when the status cannot wait for it any longer."""
    for event in events:
        if not isinstance(event, Silence):
            return event
        if connection.gone():
            raise CallerLeft
        if time.monotonic() >= patience:
            return None
    return None


class _Frames:
    """The body of a stream, closed by the server in every case: also before its first byte."""

    def __init__(
        self,
        events: Events,
        first: Event | None,
        encoder: StreamEncoder,
        connection: Connection,
        heartbeat: float,
        request_id: str,
    ) -> None:
        self._events = events
        self._frames = _frames(events, first, encoder, connection, heartbeat, request_id)

    def __iter__(self) -> Iterator[bytes]:
        return self._frames

    def close(self) -> None:
        """Abandon the run, if it is still going on."""
        self._frames.close()
        self._events.close()


def _frames(
    events: Events,
    first: Event | None,
    encoder: StreamEncoder,
    connection: Connection,
    heartbeat: float,
    request_id: str,
) -> Generator[bytes, None, None]:
    try:
        if first is None:
            yield encoder.open()
        elif data := _written(first, events, encoder):
            yield data
        written = time.monotonic()
        for event in events:
            if isinstance(event, Silence):
                if connection.gone():
                    return
                if not heartbeat or time.monotonic() - written < heartbeat:
                    continue
                data = HEARTBEAT
            else:
                data = _written(event, events, encoder)
            if data:
                yield data
                written = time.monotonic()
    except GatewayError as fault:
        note(fault, request_id)
        yield encoder.fail(fault)
    except Exception:
        # The status is out: only an event can tell the caller that this is no whole answer.
        log.exception("a stream failed in an unforeseen way")
        yield encoder.fail(GatewayError("The gateway failed."))


def _written(event: Event, events: Events, encoder: StreamEncoder) -> bytes:
    try:
        return encoder.write(event)
    except GatewayError as fault:
        events.throw(fault)  # so that the run is accounted for with this fault; raises it again
        raise


def folded(service: Service, events: Events) -> Completion:
    """The whole answer. Raises GatewayError, or CallerLeft."""
    connection = service.connection(request.environ)
    try:
        return fold(_watched(events, connection))
    finally:
        events.close()


def _watched(events: Events, connection: Connection) -> Iterator[Event]:
    for event in events:
        if isinstance(event, Silence) and connection.gone():
            raise CallerLeft
        yield event
