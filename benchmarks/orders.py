"""What is asked for and what must come back: texts that carry their sender's clock.

An order travels as the last user message, so it reaches the upstream through any gateway. Each
chunk of a stamped text is 60 characters: ``@`` and 14 digits, the microseconds of the machine's
monotonic clock at the moment of sending, then prose with quotes and line breaks. In the first chunk
a second stamp, after ``#``, says when the upstream got the call that started the run.
"""

import json
import re
from dataclasses import dataclass
from functools import cache

SIZE = 60
STAMP = re.compile(rb"@(\d{14})")
BEGUN = re.compile(rb"#(\d{14})")
PLAIN = "the quick brown fox jumps over the lazy dog and then it rests"[:SIZE]

_BLANK = re.compile(r"([@#])\d{14}")
_STAMPED = 15
_PROSE = (
    'The harbour was quiet when the first boats came in. "You are early," said the keeper,\n'
    "and wrote the hour into his book: one line for each boat, as every morning since the war.\n"
    "* flour, salt and lamp oil for the upper village;\n"
    "* a crate of books that nobody had ordered;\n"
    '* three letters, one of them with the word "urgent" underlined twice.\n'
    "He counted again, for numbers were a comfort, and the numbers had not changed at all.\n"
)


def _fillers(count: int, size: int) -> tuple[str, ...]:
    endless = _PROSE * (count * size // len(_PROSE) + 2)
    return tuple(endless[at * size : (at + 1) * size] for at in range(count))


FILLERS = _fillers(64, SIZE - _STAMPED)
"""What follows the stamp, in turn."""

ENCODED = tuple(json.dumps(filler)[1:-1].encode() for filler in FILLERS)
"""The same, escaped for a JSON string."""

OPENING = FILLERS[0][_STAMPED:]
"""What follows the two stamps of the first chunk."""

ENCODED_OPENING = json.dumps(OPENING)[1:-1].encode()


class WrongAnswer(Exception):
    """An answer that is not what was asked for; nothing else counts then."""


@dataclass(frozen=True, slots=True)
class Order:
    """How many chunks, how many seconds between them, and before the first."""

    chunks: int
    interval: float
    delay: float = 0.0
    #: A constant text, for those that cannot stamp: the floor and the emulator.
    plain: bool = False

    def message(self) -> str:
        """As the last user message."""
        asked = {"chunks": self.chunks, "interval": self.interval, "delay": self.delay}
        text = {"text": PLAIN * self.chunks} if self.plain else {}
        return json.dumps({**text, **asked})

    def check(self, text: str) -> None:
        """Raise WrongAnswer unless this is the text that was ordered."""
        expected = PLAIN * self.chunks if self.plain else _stamped(self.chunks)
        found = text if self.plain else _BLANK.sub(r"\1", text)
        if found != expected:
            raise WrongAnswer(_difference(found, expected))


@cache
def _stamped(chunks: int) -> str:
    """A stamped text without the digits."""
    first = f"@#{OPENING}"
    return first + "".join(f"@{FILLERS[at % len(FILLERS)]}" for at in range(1, chunks))


def _difference(found: str, expected: str) -> str:
    pairs = enumerate(zip(found, expected, strict=False))
    at = next((at for at, (one, other) in pairs if one != other), min(len(found), len(expected)))
    return (
        f"{len(found)} characters instead of {len(expected)}, different from {at} on:"
        f" {found[at : at + 40]!r} instead of {expected[at : at + 40]!r}"
    )
