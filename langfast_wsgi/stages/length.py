"""``max_completion_tokens`` where the upstream overruns it: the longest text of so many tokens.

Theory: to count with every delta would be quadratic, and tokens do not add up: a whole word may
take fewer than its first half. But at some borders they do add up: no token of o200k_base reaches
from a letter or digit into the space or mark behind it, or from letters into digits, whatever
follows. So the text before the last border is counted once and forgotten. And a token is at least
one byte: while the bytes behind that border fit into what is left, nothing is counted at all. What
is left shrinks by tokens while the text grows by bytes, so far from the limit a text is counted a
handful of times, and near it a delta costs the count of a few words.

What does not fit is held and not cut at once, for the rest of a word may make it fit again. Behind
the next border nothing can, nor behind 128 bytes, the longest token that there is.

A wall of text without any border (a thousand dashes) gets one by force; the count may then be off
by one token for each.
"""

import re
from collections.abc import Generator, Iterator

from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text
from langfast_wsgi.stages import tokenizer
from langfast_wsgi.stages.source import shut

LONGEST_TOKEN = 128
WALL = 1000  # characters
_BORDER = re.compile(
    r"(?<=[^\W_])(?=[\s.,;:!?)\]}…。，、！？；：])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)


class Meter:
    """How much of a growing text fits into a number of tokens."""

    __slots__ = ("_bytes", "_left", "_length", "_open", "_shown", "full")

    def __init__(self, limit: int) -> None:
        self._left = limit  # for the open text: all that stands behind the last border
        self._open: list[str] = []
        self._length = self._bytes = 0  # of the open text
        self._shown = 0  # characters of it
        #: Whatever may come, it does not fit.
        self.full = False

    @property
    def holds(self) -> bool:
        """Whether there is text that does not fit, as things stand."""
        return self._shown < self._length

    def feed(self, delta: str) -> str:
        """The text that can be shown now."""
        self._open.append(delta)
        self._length += len(delta)
        self._bytes += len(delta) if delta.isascii() else len(delta.encode())
        if self._bytes <= self._left:
            self._shown = self._length
            return delta
        text, before = "".join(self._open), self._shown
        start, end = self._move(text)
        fit = start + _longest(text[start:end], self._left)
        self._open, self._length = [text[start:]], len(text) - start
        self._bytes = len(self._open[0].encode())
        self._shown = max(fit, before) - start
        held = self._length - self._shown
        self.full = self.full or held >= LONGEST_TOKEN or (held > 0 and self._left == 0)
        return text[before:fit]

    def _move(self, text: str) -> tuple[int, int]:
        """Move the border on, to the last one behind which anything fits, and pay for it.

        Return it, and where the text ends that may be shown: there the next border stands or, when
        there is none yet, the text ends.
        """
        last = _last_border(text)
        tokens = tokenizer.count(text[:last])
        if tokens <= self._left:
            self._left -= tokens
            return last, len(text)
        start = 0
        for end in _borders(text):
            tokens = tokenizer.count(text[start:end])
            if tokens > self._left:
                self.full = True
                return start, end
            self._left -= tokens
            start = end
        return start, len(text)


def _last_border(text: str) -> int:
    last = 0
    for border in _BORDER.finditer(text, max(0, len(text) - WALL)):
        last = border.start()
    return last or (len(text) if len(text) > WALL else 0)


def _borders(text: str) -> Iterator[int]:
    at = 0
    for border in _BORDER.finditer(text):
        yield from range(at + WALL, border.start(), WALL)
        at = border.start()
        yield at
    yield from range(at + WALL, len(text), WALL)


def _longest(text: str, limit: int) -> int:
    """How many characters of a short text fit. More of them may take fewer tokens."""
    if tokenizer.count(text) <= limit:
        return len(text)
    ends = range(len(text) - 1, 0, -1)
    return next((end for end in ends if tokenizer.count(text[:end]) <= limit), 0)


def limited(events: Iterator[Event], limit: int) -> Generator[Event, None, None]:
    """The events up to the limit; where it cuts the text, the source is closed."""
    meter = Meter(limit)
    shown = False
    try:
        for event in events:
            if isinstance(event, Text):
                text = meter.feed(event.delta)
                ends = meter.full
                if text:
                    shown = True
                    is_whole = text == event.delta and not ends
                    yield event if is_whole else Text(text, event.last or ends)
            elif isinstance(event, Replaced):
                meter = Meter(limit)
                text, ends = meter.feed(event.text), meter.full
                if shown or text:
                    yield Replaced(text) if shown else Text(text, ends)
                    shown = True
            else:
                ends = isinstance(event, Finished) and meter.holds
                if not ends:
                    yield event
            if ends:
                yield Finished("length")
                return
    finally:
        shut(events)
