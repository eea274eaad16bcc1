"""Reads Server-Sent Events from bytes that come in any pieces.

Theory: only whole lines mean anything, and a line ends with LF, CR LF or CR. Bytes are kept until
their line has ended, so no character and no event is ever seen in halves. A CR ends its line at
once; an LF that comes right behind it, perhaps in the next piece, belongs to it. An empty line ends
an event. Unlike a browser we also take an event whose empty line the server forgot at the end.
"""

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n?|\n")
_MARK = b"\xef\xbb\xbf"  # a byte order mark may open the stream, and means nothing


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its type (``message`` unless it was named) and its data."""

    type: str
    data: str


class SseReader:
    """Bytes in, events out."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of the line that has not ended yet
        self._data: list[str] = []
        self._type = ""
        self._after_cr = False
        self._first = True

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """The events that these bytes complete."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        *ended, rest = _LINE_END.split(piece)
        if ended:
            ended[0] = b"".join([*self._parts, ended[0]])
            self._parts = []
            self._after_cr = piece.endswith(b"\r")
        if rest:
            self._parts.append(rest)
        events = [self._line(line) for line in ended]
        return [event for event in events if event is not None]

    def finish(self) -> list[ServerSentEvent]:
        """The stream has ended: the event that only wants for its empty line, if there is one."""
        last = [self._line(b"".join(self._parts)), self._line(b"")]
        self._parts = []
        return [event for event in last if event is not None]

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if self._first:
            self._first = False
            line = line.removeprefix(_MARK)
        if not line:
            return self._dispatch()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        return None  # a comment has no name; `id` and `retry` are for those who reconnect

    def _dispatch(self) -> ServerSentEvent | None:
        data, self._data = self._data, []
        kind, self._type = self._type, ""
        return ServerSentEvent(kind or "message", "\n".join(data)) if data else None
