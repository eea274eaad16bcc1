"""The fast path for text: whole ``execution:chunk`` frames straight from the receive buffer.

Theory: of the frames that a socket receives nearly all are chunks, and they all look alike: one
unfragmented, unmasked text frame that begins with a fixed mark. ``ChunkTap`` stands between
engineio's read loop and the WebSocket. It reads in large pieces, has such frames taken from where
they lie, and leaves every other byte to the library, which reads through the same buffer. So the
library still does all of the protocol: ping, close, fragments, binary attachments and whatever is
unforeseen. While it waits, the receiver may show it what comes: then nobody need be woken.

House rules: the tap only looks at frame borders; what it does not recognise it does not consume.
The private hook is ``frame_buffer.recv`` of websocket-client, whose version is pinned; a test runs
the same scenarios over the unmodified library.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from websocket import WebSocketConnectionClosedException, WebSocketPayloadException

from langfast_wsgi.providers.base import Look, Receiver
from langfast_wsgi.providers.langfast.increments import Bytes

PACKET = b"42"  # an event, in front of its JSON
CHUNK = PACKET + b'["execution:chunk",'
FRAME_BYTES = 32 * 1024 * 1024  # the longest answer, each character an escape of six bytes
_TEXT_FRAME = 0x81  # FIN, no extension, opcode 1


class Taker(Protocol):
    """Who takes the chunks. Texts are long, and each copy of one costs as much as a call."""

    def go_on(self, buffer: Bytes, begin: int, end: int, /) -> bool:
        """Whether it could use the payload of a chunk frame, where it lies.

        May be called in the event loop itself, where nothing can wait.
        """
        ...

    def take(self, event: bytes, /) -> bool:
        """Whether it could use the JSON of one; if not, the frame goes the library's way."""
        ...


class ChunkTap:
    """Stands in for a ``websocket.WebSocket``.

    ``receive`` reads the connection, without a timeout of its own.
    """

    def __init__(self, websocket: Any, receive: Receiver, taker: Taker) -> None:
        self._websocket = websocket
        self._read = receive
        self._go_on = taker.go_on
        self._take = taker.take
        self._buffer = b""
        self._at = 0
        self._missing = 0  # bytes of the frame at which ``_used`` stopped; 0: it is all there
        self._lent = 0  # bytes that the library has read for its next message
        #: When bytes came last, on the monotonic clock.
        self.heard_at = time.monotonic()
        websocket.frame_buffer.recv = self._read_some

    def __getattr__(self, name: str) -> Any:
        return getattr(self._websocket, name)

    def close(self, *_: object, **__: object) -> None:
        """Cut it. A polite farewell would wait for the other side's, here without a timeout."""
        self._websocket.abort()

    def let_go(self) -> None:
        """Nothing is read any more: of the ring with the WebSocket, and of who takes."""
        self._websocket.frame_buffer.recv = None
        del self._go_on, self._take

    def recv(self) -> Any:
        """The next message that is for the library; chunks are taken on the way to it."""
        while True:
            buffer = self._buffer
            self._at = self._used(buffer, self._at, len(buffer), self._use)
            if not self._missing:
                break
            self._more(self._missing)
        self._lent = 0
        return self._websocket.recv()

    def _used(
        self, buffer: Bytes, at: int, size: int, use: Callable[[Bytes, int, int], bool]
    ) -> int:
        """Use chunk after chunk; where the first frame begins that is another, or not all there."""
        while True:
            if size - at < 2:
                self._missing = 2
                return at
            length = buffer[at + 1]
            if buffer[at] != _TEXT_FRAME or length > 127:
                self._missing = 0
                return at
            begin = at + 2
            if length > 125:
                begin += 2 if length == 126 else 8
                if size < begin:
                    self._missing = begin - at
                    return at
                length = int.from_bytes(buffer[at + 2 : begin], "big")
                if length > FRAME_BYTES:
                    raise WebSocketPayloadException("a frame that is too long")
            end = begin + length
            if size < end:
                self._missing = end - at
                return at
            if not buffer.startswith(CHUNK, begin) or not use(buffer, begin, end):
                self._missing = 0
                return at
            at = end

    def _use(self, buffer: Bytes, begin: int, end: int) -> bool:
        if self._go_on(buffer, begin, end):
            return True
        return self._take(bytes(buffer[begin + len(PACKET) : end]))

    def _look(self, buffer: bytearray, size: int) -> int:
        """See Receiver."""
        self.heard_at = time.monotonic()
        return self._used(buffer, 0, size, self._go_on)

    def _more(self, size: int) -> None:
        """Read until the buffer holds ``size`` bytes; pieces are joined once, if there are any."""
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._receive(self._look), 0
            return
        pieces = [self._buffer[self._at :]]
        have = len(pieces[0])
        while have < size:
            piece = self._receive()
            pieces.append(piece)
            have += len(piece)
        self._buffer, self._at = b"".join(pieces), 0

    def _receive(self, look: Look | None = None) -> bytes:
        piece = self._read(look)
        if not piece:
            raise WebSocketConnectionClosedException("the upstream closed the connection")
        self.heard_at = time.monotonic()
        return piece

    def _read_some(self, size: int) -> bytes:
        """What the library reads through, once it has a frame to itself."""
        if self._lent > FRAME_BYTES:
            raise WebSocketPayloadException("a message that is too long")
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._receive(), 0
        begin = self._at
        self._at = min(begin + size, len(self._buffer))
        self._lent += self._at - begin
        return self._buffer[begin : self._at]
