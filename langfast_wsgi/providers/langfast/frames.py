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

from websocket import WebSocketConnectionClosedException

CHUNK = b'42["execution:chunk",'
READ_SIZE = 65536
_TEXT_FRAME = 0x81  # FIN, no extension, opcode 1


class ChunkTap:
    """Stands in for a ``websocket.WebSocket``.

    ``take`` gets the whole payload of a chunk frame, and says whether it could use it; if not, the
    frame goes the library's way.
    """

    def __init__(self, websocket: Any, take: Callable[[bytes], bool]) -> None:
        self._websocket = websocket
        self._take = take
        self._buffer = b""
        self._at = 0
        #: When bytes came last, on the monotonic clock.
        self.heard_at = time.monotonic()
        websocket.frame_buffer.recv = self._read_some

    def __getattr__(self, name: str) -> Any:
        return getattr(self._websocket, name)

    def recv(self) -> Any:
        """The next message that is for the library."""
        while self._take_chunk():
            pass
        return self._websocket.recv()

    def _take_chunk(self) -> bool:
        """Take one chunk frame from the buffer, filling it first where it is short of one."""
        frame = self._next_text_frame()
        if frame is None:
            return False
        begin, end = frame
        payload = self._buffer[begin:end]
        if not payload.startswith(CHUNK) or not self._take(payload):
            return False
        self._at = end
        return True

    def _next_text_frame(self) -> tuple[int, int] | None:
        """Where the payload of the next frame lies, if it is a plain text frame."""
        self._have(2)
        buffer, at = self._buffer, self._at
        length = buffer[at + 1]
        if buffer[at] != _TEXT_FRAME or length > 127:
            return None
        begin = at + 2
        if length > 125:
            size = 2 if length == 126 else 8
            self._have(2 + size)
            buffer, at = self._buffer, self._at
            begin = at + 2 + size
            length = int.from_bytes(buffer[at + 2 : begin], "big")
        header = begin - at
        self._have(header + length)
        begin = self._at + header
        return begin, begin + length

    def _have(self, size: int) -> None:
        """Read until the buffer holds ``size`` bytes; pieces are joined once."""
        have = len(self._buffer) - self._at
        if have >= size:
            return
        pieces = [self._buffer[self._at :]]
        while have < size:
            piece = self._receive()
            pieces.append(piece)
            have += len(piece)
        self._buffer, self._at = b"".join(pieces), 0

    def _receive(self) -> bytes:
        """What is there, or comes next; the socket blocks without a timeout of its own."""
        connection = self._websocket.sock
        piece: bytes = connection.recv(READ_SIZE) if connection is not None else b""
        if not piece:
            raise WebSocketConnectionClosedException("the upstream closed the connection")
        self.heard_at = time.monotonic()
        return piece

    def _read_some(self, size: int) -> bytes:
        """What the library reads through, once it has a frame to itself."""
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._receive(), 0
        begin = self._at
        self._at = min(begin + size, len(self._buffer))
        return self._buffer[begin : self._at]
