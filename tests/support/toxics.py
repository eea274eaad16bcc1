"""What may be wrong with a network: Toxiproxy's eight toxics, as pure functions of time.

Theory: what travels in one direction of a connection is a line of parcels, each with the moment at
which it is due at the other side: bytes, or a signal about the connection itself. A toxic takes one
parcel and gives none, one or many: later, smaller, or instead of it. It waits for nothing and
touches no socket (``fault_proxy`` does), so several of them in a row are simply applied in turn.

A toxic is a recipe and may be used many times. What it remembers of one direction of one connection
is a ``Hold``. With ``after_bytes`` it takes hold when so many bytes have passed since it was
added (or since the connection was opened, if that was later): in the middle of a stream.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal, NamedTuple, TypeAlias

Direction: TypeAlias = Literal["upstream", "downstream"]
"""From the caller to the server, or from the server to the caller."""


class Signal(Enum):
    """What can happen to a connection, beside bytes."""

    END = auto()  # this side has no more to say; the other direction goes on
    CLOSE = auto()  # both directions are over, once what was due is written
    RESET = auto()  # both directions are over at once, and both sides hear of it by a reset
    DOWN = auto()  # nobody listens any more, and every open connection is closed


class Parcel(NamedTuple):
    """Bytes or a signal, due at a moment of the monotonic clock; ``by`` a toxic, or by a side."""

    due: float
    load: bytes | Signal
    by: "Toxic | None" = None


@dataclass(frozen=True, eq=False, slots=True)
class Toxic(ABC):
    """Something that is wrong. As it stands here it changes nothing."""

    after_bytes: int = field(default=0, kw_only=True)

    def begin(self, now: float) -> Iterator[Parcel]:
        """What happens by the mere passing of time, from the moment it takes hold."""
        yield from ()

    @abstractmethod
    def take(self, hold: "Hold", parcel: Parcel) -> Iterator[Parcel]:
        """What becomes of a parcel."""


class Hold:
    """A toxic in one direction of one connection."""

    def __init__(self, toxic: Toxic, now: float) -> None:
        self.toxic = toxic
        self.free_at = now  # when the line is free for the next parcel
        self.passed = 0
        self.swallowed = 0
        self._left = toxic.after_bytes
        self.has_begun = False

    def __repr__(self) -> str:
        return f"<Hold of {self.toxic}>"

    def begin(self, now: float) -> Iterator[Parcel]:
        """Take hold, unless bytes have to pass first."""
        if self._left == 0 and not self.has_begun:
            self.has_begun = True
            yield from self.toxic.begin(now)

    def take(self, parcel: Parcel) -> Iterator[Parcel]:
        """What becomes of a parcel; untouched before the toxic has taken hold."""
        if self.has_begun:
            yield from self.toxic.take(self, parcel)
        elif isinstance(parcel.load, Signal):
            yield parcel
        else:
            before, behind = parcel.load[: self._left], parcel.load[self._left :]
            self._left -= len(before)
            yield Parcel(parcel.due, before)
            yield from self.begin(parcel.due)
            if behind:
                yield from self.toxic.take(self, Parcel(parcel.due, behind))


@dataclass(frozen=True, eq=False, slots=True)
class Latency(Toxic):
    """Everything comes ``seconds`` later, give or take ``jitter``; never out of order."""

    seconds: float
    jitter: float = 0.0

    def take(self, hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
        """Later."""
        delay = self.seconds + random.uniform(-self.jitter, self.jitter)
        hold.free_at = max(hold.free_at, parcel.due + max(delay, 0.0))
        yield parcel._replace(due=hold.free_at)


@dataclass(frozen=True, eq=False, slots=True)
class Down(Toxic):
    """The service is away: connections are refused, open ones closed."""

    def begin(self, now: float) -> Iterator[Parcel]:
        """Away."""
        yield Parcel(now, Signal.DOWN, self)

    def take(self, hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
        """To nowhere."""
        yield from ()


@dataclass(frozen=True, eq=False, slots=True)
class Bandwidth(Toxic):
    """At most so many bytes in a second."""

    bytes_per_second: float

    def take(self, hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
        """Evenly, in pieces of a twentieth of a second."""
        hold.free_at = max(hold.free_at, parcel.due)
        if isinstance(parcel.load, Signal):
            yield parcel._replace(due=hold.free_at)
            return
        for piece in pieces(parcel.load, max(1, round(self.bytes_per_second / 20))):
            hold.free_at += len(piece) / self.bytes_per_second
            yield Parcel(hold.free_at, piece)


@dataclass(frozen=True, eq=False, slots=True)
class SlowClose(Toxic):
    """That a side has closed is told ``seconds`` later."""

    seconds: float

    def take(self, hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
        """Bytes at once."""
        late = self.seconds if isinstance(parcel.load, Signal) else 0.0
        yield parcel._replace(due=parcel.due + late)


@dataclass(frozen=True, eq=False, slots=True)
class Timeout(Toxic):
    """Nothing gets through any more; closed after ``seconds``, or never.

    Bytes that were swallowed are missing, so the proxy closes a connection that is freed of it.
    """

    seconds: float | None = None

    def begin(self, now: float) -> Iterator[Parcel]:
        """The close."""
        if self.seconds is not None:
            yield Parcel(now + self.seconds, Signal.CLOSE, self)

    def take(self, hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
        """To nowhere."""
        yield from swallow(hold, parcel)


@dataclass(frozen=True, eq=False, slots=True)
class ResetPeer(Toxic):
    """Nothing gets through any more, and both sides are reset after ``seconds``."""

    seconds: float = 0.0

    def begin(self, now: float) -> Iterator[Parcel]:
        """The reset."""
        yield Parcel(now + self.seconds, Signal.RESET, self)

    def take(self, hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
        """To nowhere."""
        yield from swallow(hold, parcel)


@dataclass(frozen=True, eq=False, slots=True)
class Slicer(Toxic):
    """Bytes in pieces of ``size``, give or take ``variation``, with ``delay`` between two."""

    size: int
    variation: int = 0
    delay: float = 0.0

    def take(self, hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
        """In pieces."""
        hold.free_at = max(hold.free_at, parcel.due)
        if isinstance(parcel.load, Signal):
            yield parcel._replace(due=hold.free_at)
            return
        for piece in pieces(parcel.load, self.size, self.variation):
            yield Parcel(hold.free_at, piece)
            hold.free_at += self.delay


@dataclass(frozen=True, eq=False, slots=True)
class LimitData(Toxic):
    """So many bytes get through, then the connection is closed."""

    limit: int

    def take(self, hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
        """What is left of the limit."""
        if isinstance(parcel.load, Signal):
            yield parcel
            return
        allowed = parcel.load[: self.limit - hold.passed]
        hold.passed += len(allowed)
        if allowed:
            yield Parcel(parcel.due, allowed)
        if hold.passed == self.limit:
            hold.swallowed += len(parcel.load) - len(allowed)
            yield Parcel(parcel.due, Signal.CLOSE, self)


def swallow(hold: Hold, parcel: Parcel) -> Iterator[Parcel]:
    """Nothing, but it is known how much was lost (that a side ended counts as well)."""
    hold.swallowed += len(parcel.load) if isinstance(parcel.load, bytes) else 1
    yield from ()


def pieces(data: bytes, size: int, variation: int = 0) -> Iterator[bytes]:
    """The bytes in pieces, none of them empty."""
    at = 0
    while at < len(data):
        length = max(1, size + random.randint(-variation, variation))
        yield data[at : at + length]
        at += length
