"""Engine.IO packets: a character for the kind and the data behind it; payloads of several. Pure.

A packet on its way out is a text that begins with its kind, or bytes, which are always a message.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = KINDS = tuple("0123456")
PROBE = "probe"
SEPARATOR = "\x1e"
_BASE64 = "b"  # how bytes travel where only text can


class BadPacket(Exception):
    """No packet of this protocol."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as it was received."""

    kind: str
    data: str | bytes = ""


def parsed(received: str | bytes) -> Packet:
    """The packet in a WebSocket message or a part of a payload; raises BadPacket."""
    if isinstance(received, bytes):
        return Packet(MESSAGE, received)
    kind, data = received[:1], received[1:]
    if kind == _BASE64:
        return Packet(MESSAGE, _decoded(data))
    if kind not in KINDS:
        raise BadPacket(kind)
    return Packet(kind, data)


def payload(packets: Sequence[str | bytes]) -> str:
    """The body that answers a poll."""
    return SEPARATOR.join(
        packet if isinstance(packet, str) else _BASE64 + base64.b64encode(packet).decode()
        for packet in packets
    )


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPacket(_BASE64) from error
