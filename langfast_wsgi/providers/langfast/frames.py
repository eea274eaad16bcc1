"""The fast path for text: whole ``execution:chunk`` frames straight from the receive buffer.

Theory: of the frames that a socket receives nearly all are chunks, and they all look alike: one
unfragmented, unmasked text frame that begins with a fixed mark. ``ChunkTap`` stands between
engineio's read loop and the WebSocket. It reads in large pieces, takes such frames out of its
buffer by slicing, and leaves every other byte to the library, which reads through the same buffer.
So the library still does all of the protocol: ping, close, fragments, binary attachments and
whatever is unforeseen.

House rules: the tap only looks at frame borders; what it does not recognise it does not consume.
The private hook is ``frame_buffer.recv`` of websocket-client, whose version is pinned; a test runs
the same scenarios over the unmodified library.
"""

import time
from collections.abc import Callable
from typing import Any

from websocket import WebSocketConnectionClosedException, WebSocketPayloadException

CHUNK = b'42["execution:chunk",'
FRAME_BYTES = 32 * 1024 * 1024  # the longest answer, each character an escape of six bytes
_TEXT_FRAME = 0x81  # FIN, no extension, opcode 1


class ChunkTap:
    """Stands in for a ``websocket.WebSocket``.

    ``receive`` reads the connection, without a timeout of its own. ``take`` gets the JSON of a
    chunk frame, and says whether it could use it; if not, the frame goes the library's way. Texts
    are long, and each copy of one costs as much as a call, so this is the only one made here.
    """

    def __init__(
        self, websocket: Any, receive: Callable[[], bytes], take: Callable[[bytes], bool]
    ) -> None:
        self._websocket = websocket
        self._read = receive
        self._take = take
        self._buffer = b""
        self._at = 0
        self._lent = 0  # bytes that the library has read for its next message
        #: When bytes came last, on the monotonic clock.
        self.heard_at = time.monotonic()
        websocket.frame_buffer.recv = self._read_some

    def __getattr__(self, name: str) -> Any:
        return getattr(self._websocket, name)

    def let_go(self) -> None:
        """Nothing is read any more: of the ring with the WebSocket, and of ``take``."""
        self._websocket.frame_buffer.recv = None
        del self._take

    def recv(self) -> Any:
        """The next message that is for the library; chunks are taken on the way to it."""
        take = self._take
        while True:
            buffer, at = self._buffer, self._at
            have = len(buffer) - at
            if have < 2:
                self._more(2)
                continue
            length = buffer[at + 1]
            if buffer[at] != _TEXT_FRAME or length > 127:
                break
            begin = at + 2
            if length > 125:
                begin += 2 if length == 126 else 8
                if len(buffer) < begin:
                    self._more(begin - at)
                    continue
                length = int.from_bytes(buffer[at + 2 : begin], "big")
                if length > FRAME_BYTES:
                    raise WebSocketPayloadException("a frame that is too long")
            end = begin + length
            if len(buffer) < end:
                self._more(end - at)
                continue
            if not buffer.startswith(CHUNK, begin) or not take(buffer[begin + 2 : end]):
                break
            self._at = end
        self._lent = 0
        return self._websocket.recv()

    def _more(self, size: int) -> None:
        """Read until the buffer holds ``size`` bytes; pieces are joined once, if there are any."""
        pieces = [self._buffer[self._at :]] if self._at < len(self._buffer) else []
        have = sum(map(len, pieces))
        while have < size:
            piece = self._receive()
            pieces.append(piece)
            have += len(piece)
        self._buffer, self._at = pieces[0] if len(pieces) == 1 else b"".join(pieces), 0

    def _receive(self) -> bytes:
        piece = self._read()
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
