"""What an event repeats of the one before it need not be decoded again.

Theory: text is cumulative, so the JSON of a run's event is that of its event before, with something
put in where the text ended. Where all bytes before and behind that place are the same, what stands
between them is the new text, and nothing else can have changed. So an event costs a comparison of
memory and the decoding of what is new, however long the answer has become.

That is exact, for three reasons. The place is inside the same string in both, behind the same
bytes. What is put in has to be the inside of a JSON string, whole escapes and no quote, so the
string goes on in the same way behind it. And a half of a surrogate pair, which is the only thing
whose meaning depends on what stands before it, is no such inside for the decoder. Where any of it
does not hold, nothing is known, and the event is decoded as a whole.
"""

import re
from typing import TypeAlias

import orjson

Bytes: TypeAlias = bytes | bytearray

_CONTENT = re.compile(rb'"content"\s*:\s*')
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')


class Told:
    """What a run's newest event said, and in which bytes."""

    __slots__ = ("_before", "_behind", "_text", "reader")

    def __init__(self, before: bytes, behind: bytes, text: str, reader: object) -> None:
        self._before = bytearray(before)
        self._behind = behind
        self._text = text
        #: Who may ask for more: two would be in each other's way.
        self.reader = reader

    def more(self, buffer: Bytes, begin: int, end: int) -> str | None:
        """The whole text so far, if the event between these places says the same and goes on."""
        before = self._before
        at, stop = begin + len(before), end - len(self._behind)
        if at > stop or not buffer.startswith(before, begin):
            return None
        if not buffer.startswith(self._behind, stop):
            return None
        if at < stop:
            fresh = buffer[at:stop]
            try:
                self._text += orjson.loads(b'"' + fresh + b'"')
            except ValueError:
                return None
            before += fresh
        return self._text


def told(event: bytes, said: dict[str, object], reader: object) -> Told | None:
    """What can be gone on from, behind an event that said this; None where its ``content`` has no
    place of its own.
    """
    text = said.get("content")
    if not isinstance(text, str) or any(isinstance(value, dict | list) for value in said.values()):
        return None
    places = _CONTENT.finditer(event)
    key = next(places, None)
    if key is None or next(places, None) is not None:
        return None
    value = _STRING.match(event, key.end())
    if value is None:
        return None
    end = value.end() - 1
    return Told(event[:end], event[end:], text, reader)
