"""A connection through the fault proxy: two sockets, and a lane for each direction between them.

Theory: what a side sent goes through the lane's toxics as parcels (see ``toxics``), waits in a
queue until it is due, and is written to the other side. A lane that holds much reads no more, so a
slow line is felt by the sender. Ends are handed on as they came: a half-close as a half-close,
behind the bytes before it, and a reset as a reset.

House rules: nothing here blocks, and only the proxy's thread comes here.
"""

import selectors
import socket
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from tests.support.toxics import Direction, Hold, Parcel, Signal, Toxic

READ_SIZE = 16 * 1024
HELD_BYTES = 256 * 1024  # in one lane, before it stops reading
_NEVER = float("inf")
_RESET = struct.pack("ii", 1, 0)  # as SO_LINGER: to close is to reset


@dataclass(eq=False, slots=True)
class Dose:
    """A toxic that was put in, and where."""

    toxic: Toxic
    direction: Direction
    lasting: bool  # also for connections that are yet to come
    met: int = 0  # how often it had something to do


class Lane:
    """One direction: from a source to a target."""

    def __init__(self, direction: Direction, source: socket.socket, target: socket.socket) -> None:
        self.direction = direction
        self.source = source
        self.target = target
        self.handed_on = 0
        self.ended = False  # the target was told that no more will come
        self.deaf = False  # the target is gone
        self._holds: dict[Dose, Hold] = {}
        self._queue: deque[Parcel] = deque()
        self._out = bytearray()  # due, but not written yet
        self._held = 0  # bytes, in the queue and due
        self._read_all = False
        self._pending: Signal | None = None  # behind what is due

    def __repr__(self) -> str:
        return f"<Lane {self.direction} {self._held} bytes held>"

    @property
    def wants_to_read(self) -> bool:
        """Whether the source is listened to."""
        return not self._read_all and self._held < HELD_BYTES

    @property
    def wants_to_write(self) -> bool:
        """Whether the target has yet to take what is due."""
        return bool(self._out)

    @property
    def due(self) -> float:
        """When there is something to do next."""
        return self._queue[0].due if self._queue and self._pending is None else _NEVER

    def dose(self, dose: Dose, now: float) -> None:
        """Put a toxic behind those that are there."""
        hold = self._holds[dose] = Hold(dose.toxic, now)
        done = list(hold.begin(now))
        dose.met += len(done)
        self._keep(done)

    def undose(self, dose: Dose, now: float) -> bool:
        """Take a toxic out; False where it has swallowed something, so that nothing can go on.

        Bytes under way are due at once.
        """
        hold = self._holds.pop(dose, None)
        if hold is None:
            return True
        left = [parcel for parcel in self._queue if parcel.by is not dose.toxic]
        self._queue.clear()
        self._held = len(self._out)
        self._keep(parcel if parcel.by else parcel._replace(due=now) for parcel in left)
        return hold.swallowed == 0

    def read(self, now: float) -> None:
        """What the source has to say, if it says something."""
        try:
            data = self.source.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self.break_off(now)
            return
        self._read_all = not data
        self._arrive(data or Signal.END, now)

    def break_off(self, now: float) -> None:
        """The source is gone for good."""
        self._read_all = True
        self._arrive(Signal.RESET, now)

    def write(self, now: float) -> Signal | None:
        """Hand on what is due; gives a signal when it is its turn."""
        while self._pending is None and self._queue and self._queue[0].due <= now:
            load = self._queue.popleft().load
            if isinstance(load, Signal):
                self._pending = load
            else:
                self._out += load
        if self._pending is Signal.RESET or self._flush():
            signal, self._pending = self._pending, None
            return signal
        return None

    def _flush(self) -> bool:
        """Write to the target; False while it takes no more."""
        while self._out and not self.deaf:
            try:
                sent = self.target.send(self._out)
            except BlockingIOError:
                return False
            except OSError:
                self.deaf = True
                break
            del self._out[:sent]
            self._held -= sent
            self.handed_on += sent
        self._held -= len(self._out)
        self._out.clear()
        return True

    def _arrive(self, load: bytes | Signal, now: float) -> None:
        parcels: Iterable[Parcel] = [Parcel(now, load)]
        for dose, hold in self._holds.items():
            parcels = [changed for parcel in parcels for changed in hold.take(parcel)]
            dose.met += hold.has_begun
        self._keep(parcels)

    def _keep(self, parcels: Iterable[Parcel]) -> None:
        for parcel in parcels:
            earliest = self._queue[-1].due if self._queue else 0.0
            self._queue.append(parcel._replace(due=max(parcel.due, earliest)))
            self._held += len(parcel.load) if isinstance(parcel.load, bytes) else 0


class Link:
    """A connection between a caller and the server."""

    def __init__(self, caller: socket.socket, server: socket.socket) -> None:
        self.is_open = True
        self._sockets = (caller, server)
        up = Lane("upstream", caller, server)
        down = Lane("downstream", server, caller)
        self.lanes = (up, down)

    def __repr__(self) -> str:
        return f"<Link {'open' if self.is_open else 'closed'} {self.lanes}>"

    @property
    def due(self) -> float:
        """When there is something to do next."""
        return min(lane.due for lane in self.lanes)

    def dose(self, dose: Dose, now: float) -> None:
        """Put a toxic in."""
        for lane in self.lanes:
            if lane.direction == dose.direction:
                lane.dose(dose, now)

    def undose(self, dose: Dose, now: float) -> None:
        """Take a toxic out; a connection that lost bytes to it is closed."""
        if not all(lane.undose(dose, now) for lane in self.lanes):
            self.close()

    def read(self, source: object, now: float) -> None:
        """What one side has to say."""
        for lane in self.lanes:
            if lane.source is source and self.is_open:
                lane.read(now)

    def pump(self, now: float) -> bool:
        """Hand on what is due; True if the whole service is to go down."""
        for lane, other in (self.lanes, self.lanes[::-1]):
            was_deaf = lane.deaf
            signal = lane.write(now) if self.is_open else None
            if lane.deaf and not was_deaf:
                other.break_off(now)
            if signal is Signal.DOWN:
                return True
            if signal is Signal.END:
                self._end(lane, other)
            elif signal is not None:
                self.close(reset=signal is Signal.RESET)
        return False

    def _end(self, lane: Lane, other: Lane) -> None:
        lane.ended = True
        if other.ended:
            self.close()
            return
        try:
            lane.target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # was reset meanwhile, which its own lane will find

    def close(self, reset: bool = False) -> None:
        """Both sockets; twice is fine."""
        self.is_open = False
        for one in self._sockets:
            if reset and one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()

    def events(self) -> dict[socket.socket, int]:
        """What each socket is to be watched for."""
        wanted = dict.fromkeys(self._sockets, 0)
        for lane in self.lanes:
            wanted[lane.source] |= selectors.EVENT_READ if lane.wants_to_read else 0
            wanted[lane.target] |= selectors.EVENT_WRITE if lane.wants_to_write else 0
        return wanted
