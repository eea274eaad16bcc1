"""A WebSocket on a gevent socket: writes that never block, reads by wsproto, cuts at TCP level.

As a transport of the engine it carries a packet in each message.

Theory. Events are written as ready-made frames straight to the kernel. What the kernel does not
take goes to a backlog, which one greenlet drains; while there is a backlog every write joins it, so
the order of writes is the order on the wire whoever writes. A reader too slow for the backlog limit
is cut, as a server without one would grow until it died.
"""

import base64
import hashlib
import socket as sockets
from collections import deque
from typing import Any

import gevent
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed

from langfast_wsgi.emulator.sockets.events import BINARY, TEXT, Event, frame
from langfast_wsgi.emulator.web import MARK, Environ

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LARGEST_MESSAGE = 1_000_000  # of a client; the server may send more
_READ = 65536
_BACKLOG_LIMIT = 64 * 1024 * 1024
_NO_CODE = CloseReason.NO_STATUS_RCVD
_CLOSE_PATIENCE = 1.0  # seconds for the peer to answer a close frame


class BadHandshake(Exception):
    """The request is no WebSocket upgrade."""


def handshake(environ: Environ) -> bytes:
    """The 101 answer to an upgrade request."""
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13" or not key:
        raise BadHandshake
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())  # noqa: S324
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
        ": ".join(MARK).encode(),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class WebSocket:
    """One upgraded connection."""

    name = "websocket"
    has_last_words = False  # whatever is sent goes out at once

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._frames = FrameProtocol(client=False, extensions=[])
        self._messages: deque[str | bytes] = deque()
        self._partial = bytearray()
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        self._closing = False  # a close frame was sent
        self.gone = False  # nothing can be sent any more
        self.frozen = False  # nothing shall be sent any more, as if the network had vanished

    def __repr__(self) -> str:
        return f"<WebSocket gone={self.gone} backlog={self._backlog_size}>"

    def send(self, packet: str | bytes) -> None:
        """Send one packet."""
        if isinstance(packet, str):
            self.write(frame(TEXT, packet.encode("utf-8", "backslashreplace")))
        else:
            self.write(frame(BINARY, packet))

    def send_event(self, event: Event) -> None:
        """Send an event, which is framed already."""
        self.write(event.frames)

    def write(self, data: bytes) -> None:
        """Write whole frames; what the kernel does not take at once is written later."""
        if self.gone or self.frozen or self._closing:
            return
        if self._backlog:
            self._keep(data)
            return
        try:
            sent = self._connection.send(data, timeout=0.0)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return
        if sent < len(data):
            self._keep(data[sent:])
            gevent.spawn(self._drain)

    def wait(self) -> str | bytes | None:
        """The next message, or None when there will be no more."""
        while not self._messages:
            if self._closing or not self._receive():
                return None
        return self._messages.popleft()

    def drain(self) -> None:
        """Wait for the peer to answer our close frame, or for our patience to end."""
        while self._receive():
            pass

    def close(self, code: int | None = None) -> None:
        """Send a close frame, once, and give the peer a moment to answer it."""
        if self._closing or self.gone:
            return
        self.write(bytes(self._frames.close(code)))
        self._closing = True
        gevent.spawn_later(_CLOSE_PATIENCE, self.abort)

    def fail(self) -> None:
        """Close it for what the client did."""
        self.close()

    def release(self) -> None:
        """Close it for the client that said goodbye."""
        self.close()

    def abort(self) -> None:
        """Cut the TCP connection; what was written before still arrives."""
        if self.gone:
            return
        self.gone = True
        self._backlog.clear()
        try:
            # Unlike close(), this also wakes the greenlet that waits in recv.
            self._connection.shutdown(sockets.SHUT_RDWR)
        except OSError:
            pass

    def _receive(self) -> bool:
        try:
            data = self._connection.recv(_READ)
        except OSError:
            data = b""
        if not data or self.gone:
            self.abort()
            return False
        try:
            self._read(data)
        except ParseFailed as error:
            self.close(error.code)
        return True

    def _keep(self, data: bytes) -> None:
        self._backlog.append(data)
        self._backlog_size += len(data)
        if self._backlog_size > _BACKLOG_LIMIT:
            self.abort()

    def _drain(self) -> None:
        try:
            while self._backlog:
                data = self._backlog[0]
                self._connection.sendall(data)
                # The head stays in its place until it is out, so that nobody overtakes it.
                if self._backlog:
                    self._backlog.popleft()
                    self._backlog_size -= len(data)
        except OSError:
            self.abort()

    def _read(self, data: bytes) -> None:
        self._frames.receive_bytes(data)
        for received in self._frames.received_frames():
            payload = received.payload
            if isinstance(payload, tuple):
                self._answer_close(payload[0])
            elif received.opcode is Opcode.PING and not isinstance(payload, str):
                self.write(bytes(self._frames.pong(bytes(payload))))
            elif not received.opcode.iscontrol() and not self._closing:
                self._collect(payload, received.message_finished)

    def _answer_close(self, code: int) -> None:
        if not self._closing:
            self.write(bytes(self._frames.close(None if code == _NO_CODE else code)))
        self.abort()

    def _collect(self, part: str | bytes, finished: bool) -> None:
        self._partial += part.encode() if isinstance(part, str) else part
        if len(self._partial) > LARGEST_MESSAGE:
            self.close(CloseReason.MESSAGE_TOO_BIG)
        elif finished:
            whole = bytes(self._partial)
            self._messages.append(whole.decode() if isinstance(part, str) else whole)
            self._partial.clear()
