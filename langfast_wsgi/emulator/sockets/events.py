"""Events ready for the wire: encoded once, framed once, written to any number of sockets."""

import struct
from dataclasses import dataclass

from langfast_wsgi.emulator.jsontext import encoded

TEXT = 0x81  # final fragment, text
BINARY = 0x82
NOTHING = (
    b"6"  # an empty packet, for a polling client in place of bytes that only a WebSocket can carry
)
_EVENT = b"42"  # Engine.IO message, Socket.IO event
_BINARY_EVENT = b"451-"  # a binary event with one attachment


@dataclass(frozen=True, slots=True)
class Event:
    """One Socket.IO event; ``frames`` is all that a WebSocket needs to be sent."""

    payload: bytes  # the Engine.IO packet
    attachment: bytes | None
    frames: bytes


def frame(opcode_byte: int, payload: bytes) -> bytes:
    """A whole, unmasked WebSocket frame, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((opcode_byte, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", opcode_byte, 126, size) + payload
    return struct.pack("!BBQ", opcode_byte, 127, size) + payload


def event(name: str, *arguments: object, attachment: bytes | None = None) -> Event:
    """An event of the default namespace."""
    prefix = _EVENT if attachment is None else _BINARY_EVENT
    payload = prefix + encoded([name, *arguments])
    frames = frame(TEXT, payload)
    if attachment is not None:
        frames += frame(BINARY, attachment)
    return Event(payload, attachment, frames)
