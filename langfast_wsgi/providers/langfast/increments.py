"""What an event repeats of the one before it need not be decoded again.

Theory: text is cumulative, so the JSON of a run's event is that of its event before, with something
put in where the text ended. Where all bytes before and behind that place are the same, what stands
between them is the new text, and nothing else can have changed. So an event costs a comparison of
memory and the decoding of what is new, however long the answer has become.

That is exact, for three reasons. The place is inside the string that decoding takes for the text
(it does not find that text any more where the string is another value), behind the same bytes. What
is put in has to be the inside of a JSON string, whole escapes and no quote, so the string goes on
in the same way behind it. And a half of a surrogate pair, which is the only thing whose meaning
depends on what stands before it, is no such inside for the decoder. Where any of it does not hold,
nothing is known, and the event is decoded as a whole.
"""

import re
from typing import TypeAlias

import orjson

Bytes: TypeAlias = bytes | bytearray

_CONTENT = re.compile(rb'"content"\s*:\s*')
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')


class Told:
    """What a run's newest event said, and in which bytes."""

    __slots__ = ("_before", "_behind", "_text")

    def __init__(self, before: bytes, behind: bytes, text: str) -> None:
        self._before = bytearray(before)
        self._behind = behind
        self._text = text

    def more(self, buffer: Bytes, begin: int, end: int) -> str | None:
        """The whole text so far, if the event between these places says the same and goes on.

        One at a time.
        """
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


def told(event: bytes, text: str) -> Told | None:
    """What can be gone on from, behind an event with this text; None where it has no place that
    is plain to see.
    """
    key = _CONTENT.search(event)
    value = _STRING.match(event, key.end()) if key is not None else None
    if value is None:
        return None
    try:
        argument = orjson.loads(event[: value.start()] + b"null" + event[value.end() :])[1]
    except ValueError:
        return None
    if not isinstance(argument, dict) or argument.get("content", text) is not None:
        return None  # the text is somewhere else
    end = value.end() - 1
    return Told(event[:end], event[end:], text)
