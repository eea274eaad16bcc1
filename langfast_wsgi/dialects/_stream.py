"""The body of a stream: events to frames to bytes, and who does it.

Theory: nothing in a stream blocks; where there is nothing, a pause comes out. So the crank can be
turned by whoever has the time, one at a time. The request's own greenlet begins and ends a stream,
and turns the crank whenever it is awake. While it waits, whoever brings text turns it in its place,
and what comes out goes straight to the caller's socket, as far as that takes it at once: nobody has
to be woken for the middle of a stream. What the socket does not take is the request's greenlet's to
send, and while that waits for a slow caller, text is only left in the mailbox.

This needs a server that shows the connection, and greenlets, which are not interrupted. Elsewhere
there is no outlet, and the request's own thread does it all.
"""

import errno
import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from flask import Response

from langfast_wsgi.conversation.events import Bell, Event, Pause, Text
from langfast_wsgi.dialects._openai import PIECE, note
from langfast_wsgi.dialects._service import Connection, Outlet
from langfast_wsgi.errors import GatewayError

log = logging.getLogger(__name__)

HEARTBEAT = b": ping\n\n"

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


class Body:
    """What the server iterates over, and closes in every case: also before its first byte.

    ``first`` is the first event, if it is known already.
    """

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
        self._left = first  # read already, and still to be written
        self._encoder = encoder
        self._connection = connection
        self._heartbeat = heartbeat
        self._request_id = request_id
        self._has_begun = False
        self._rest: Iterator[bytes] = iter(())  # of bytes that are too many for one write
        self._fault: Exception | None = None  # that the caller is to be told
        self._written_at = time.monotonic()
        self._bell: Bell | None = None  # at which others may turn the crank
        self._is_waiting = False  # at a pause, so that others may turn the crank
        self._is_turned = False  # by somebody else, at this moment
        self._outlet: Outlet | None = None
        #: Finds the way past the server, once that has sent the first bytes.
        self.find_outlet: Callable[[], Outlet | None] = _no_outlet

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next bytes for the server to send. Raises OSError where the caller has left."""
        while True:
            piece = next(self._rest, None) or self._advance()
            if isinstance(piece, bytes):
                if not piece:
                    continue
                self._written_at = time.monotonic()
                if len(piece) <= PIECE:
                    return piece
                self._rest = iter([piece[at : at + PIECE] for at in range(0, len(piece), PIECE)])
                return next(self._rest)
            if self._wait(piece.bell):
                continue
            if self._connection.gone():
                self.close()
                # Not the end: who closed one direction only must not take it for a whole answer.
                raise BrokenPipeError(errno.EPIPE, "the caller has left")
            now = time.monotonic()
            if self._heartbeat and now - self._written_at >= self._heartbeat:
                self._written_at = now
                return HEARTBEAT

    def close(self) -> None:
        """Abandon the run, if it is still going on."""
        self.find_outlet = _no_outlet
        if self._bell is not None:
            self._bell.listener = None
        self._events.close()

    def _advance(self) -> bytes | Pause:
        """The next bytes, perhaps empty, or a pause. Raises StopIteration behind the end."""
        fault, self._fault = self._fault, None
        if fault is not None:
            return self._failed(fault)
        try:
            if not self._has_begun:
                self._has_begun = True
                if self._left is None:
                    return self._encoder.open()
            event, self._left = self._left or next(self._events), None
            return event if isinstance(event, Pause) else self._encoder.write(event)
        except StopIteration:
            raise
        except Exception as found:
            return self._failed(found)

    def _failed(self, fault: Exception) -> bytes:
        """The end of a stream that cannot go on. The run is accounted for with this fault."""
        with suppress(Exception):  # the same again
            self._events.throw(fault)
        if isinstance(fault, GatewayError):
            note(fault, self._request_id)
            return self._encoder.fail(fault)
        # The status is out: only an event can tell the caller that this is no whole answer.
        log.error("a stream failed in an unforeseen way", exc_info=fault)
        return self._encoder.fail(GatewayError("The gateway failed."))

    def _wait(self, bell: Bell) -> bool:
        """Wait for the bell. Meanwhile whoever has news may turn the crank."""
        if self._outlet is None:
            self._outlet = self.find_outlet()
        if self._outlet is not None and self._bell is not bell:
            if self._bell is not None:
                self._bell.listener = None
            self._bell = bell
            bell.listener = self._turn
        self._is_waiting = True
        try:
            news = bell.wait()
            while self._is_turned:  # by somebody who has to wait in the middle of it
                news = bell.wait()
        finally:
            self._is_waiting = False
        if self._outlet is not None:
            self._outlet.flush()
        return news

    def _turn(self) -> bool:
        """Turn the crank up to the next pause; False where the request's greenlet has to go on.

        This may be the event loop itself, which cannot wait, so it goes no further than texts.
        """
        outlet = self._outlet
        if not self._is_waiting or outlet is None:
            return False
        self._is_waiting, self._is_turned = False, True
        try:
            for event in self._events:
                if isinstance(event, Pause):
                    # At another bell (of a run behind the first) nobody waits yet.
                    self._is_waiting = event.bell is self._bell
                    return self._is_waiting
                if not isinstance(event, Text) or event.last:
                    self._left = event  # what ends a run may have to wait for others
                    return False
                piece = self._encoder.write(event)
                self._written_at = time.monotonic()
                if piece and not outlet.send(piece):
                    return False
                if event.bell is self._bell:
                    self._is_waiting = True
                    return True
            return False
        except Exception as fault:
            self._fault = fault  # the request's greenlet tells it
            return False
        finally:
            self._is_turned = False


def _no_outlet() -> None:
    return None


class Stream(Response):
    """A streamed answer; its body learns of the server that sends it."""

    def __init__(self, body: Body, outlet: Callable[[object], Outlet | None]) -> None:
        super().__init__(body, content_type="text/event-stream")
        self._body = body
        self._find = outlet
        self.headers["Cache-Control"] = "no-cache"
        self.headers["X-Accel-Buffering"] = "no"

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """As WSGI has it."""
        find = self._find  # not by way of self, which would be a ring that lives on
        self._body.find_outlet = lambda: find(start_response)
        return super().__call__(environ, start_response)

    def get_app_iter(self, environ: Any) -> Iterable[bytes]:  # noqa: ARG002 - as werkzeug has it
        """Nothing between the body and the server: each layer costs stack in every stream."""
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self._body
