"""WebSocket framing, as far as a Socket.IO client needs it."""

import struct
from collections.abc import Iterator

TEXT, CLOSE, PING = 1, 8, 9


def header(size: int) -> bytes:
    """What stands before a text of so many bytes, from a server."""
    if size < 126:
        return bytes((0x81, size))
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size)
    return struct.pack("!BBQ", 0x81, 127, size)


def text(payload: bytes) -> bytes:
    """A whole text frame from a server."""
    return header(len(payload)) + payload


def take(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Kind and payload of the client's frames in the buffer, which keeps what is not whole."""
    while len(buffer) >= 2:
        size, at = buffer[1] & 127, 2
        if size == 126:
            if len(buffer) < 4:
                return
            size, at = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            if len(buffer) < 10:
                return
            size, at = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < at + 4 + size:
            return
        mask = bytes(buffer[at : at + 4])
        masked = buffer[at + 4 : at + 4 + size]
        kind = buffer[0] & 15
        del buffer[: at + 4 + size]
        yield kind, bytes(byte ^ mask[place & 3] for place, byte in enumerate(masked))
