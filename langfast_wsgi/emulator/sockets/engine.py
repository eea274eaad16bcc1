"""python-socketio's server with an own WebSocket transport, and what it cannot do by itself.

Its transport is replaced because events must be written without a queue, a thread and a new frame
per event, and because a connection must be cut at TCP level. What else is needed of its insides is
in this module only; the versions are pinned.
"""

import logging
from collections.abc import Iterable
from typing import Any

import socketio
from engineio.exceptions import EngineIOError
from engineio.packet import MESSAGE, Packet

from langfast_wsgi.emulator.sockets.events import Event
from langfast_wsgi.emulator.sockets.websocket import BadHandshake, WebSocket, handshake
from langfast_wsgi.emulator.web import MARK, Environ, StartResponse

_LARGEST_MESSAGE = 1_000_000
_QUIET = logging.getLogger("langfast_wsgi.emulator.sockets")


class Engine:
    """Clients by their Engine.IO session id (``eio_sid``): sending, closing, cutting."""

    def __init__(self) -> None:
        # The library logs whole payloads, tokens included, and every client's mistake as an error.
        _QUIET.setLevel(logging.CRITICAL)
        self.sio = socketio.Server(
            async_mode="gevent",
            cors_allowed_origins="*",
            logger=_QUIET,
            engineio_logger=_QUIET,
            max_http_buffer_size=_LARGEST_MESSAGE,
        )
        self.eio = self.sio.eio
        # A copy: the dictionary belongs to the library's module.
        self.eio._async = {**self.eio._async, "websocket": self._transport_for}
        self._transports: dict[str, WebSocket] = {}

    def handle(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request under ``/socket.io/``."""

        def marked(status: str, headers: list[tuple[str, str]]) -> object:
            return start_response(status, [MARK, *headers])

        answer: Iterable[bytes] = self.sio.handle_request(environ, marked)
        return answer

    def knows(self, eio_sid: str) -> bool:
        """Whether the client is still there."""
        return eio_sid in self.eio.sockets

    def send(self, eio_sid: str, event: Event) -> None:
        """Write the event to the WebSocket, or queue it behind what waits for a poll."""
        transport = self._transports.get(eio_sid)
        below = self.eio.sockets.get(eio_sid)
        # Until an upgrade is complete the client reads its polls only; and what python-engineio
        # still holds back (the CONNECT answer, say) must go first.
        if transport and below and below.upgraded and below.queue.empty():
            transport.write(event.frames)
        elif below:
            self._enqueue(eio_sid, event)

    def abort(self, eio_sid: str) -> None:
        """Cut a client's connection without a word; a polling one finds its session gone."""
        transport = self._transports.get(eio_sid)
        if transport:
            transport.abort()
        elif eio_sid in self.eio.sockets:
            self.eio.sockets[eio_sid].close(wait=False, abort=True)

    def freeze(self, eio_sid: str) -> None:
        """Send a WebSocket client nothing any more, not even pings."""
        transport = self._transports.get(eio_sid)
        if transport:
            transport.frozen = True

    def close(self, eio_sid: str) -> None:
        """Close a client's connection with a frame without a code, as Node's server does."""
        transport = self._transports.get(eio_sid)
        if transport:
            transport.close()
        else:
            self.abort(eio_sid)

    def _enqueue(self, eio_sid: str, event: Event) -> None:
        try:
            # The payload's first byte is the packet type, which Packet writes itself.
            self.eio.send_packet(eio_sid, Packet(MESSAGE, event.payload[1:].decode()))
            if event.attachment is not None:
                self.eio.send_packet(eio_sid, Packet(MESSAGE, event.attachment))
        except EngineIOError:
            pass  # closed a moment ago: the events of a user without sockets go nowhere

    def _transport_for(self, handler: Any, _server: Any) -> Any:
        """What python-engineio makes of an upgrade request: a WSGI application of its own."""
        eio_sid: str = handler.__self__.sid

        def upgrade(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            stream = environ["wsgi.input"]  # of an upgrade request, the raw stream
            try:
                answer = handshake(environ)
            except BadHandshake:
                start_response("400 Bad Request", [MARK, ("Content-Type", "text/plain")])
                return [b"Bad Request"]
            connection = stream.raw._sock
            connection.sendall(answer)
            transport = WebSocket(connection, _LARGEST_MESSAGE)
            self._transports[eio_sid] = transport
            try:
                handler(transport)
            finally:
                transport.abort()
                self._transports.pop(eio_sid, None)
                # The HTTP server reads a closed stream as: no more requests here.
                stream.close()
            return []

        return upgrade
