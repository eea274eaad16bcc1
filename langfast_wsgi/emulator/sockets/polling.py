"""HTTP long-polling as a transport: packets wait for a poll, a poll waits for packets.

There is at most one poll and one post at a time; the client that breaks this rule, or that hangs up
on its poll, has lost packets for all we know, so its session ends.
"""

import socket as sockets
from typing import Any

import gevent
from gevent.event import Event as Signal
from gevent.socket import wait_read

from langfast_wsgi.emulator.sockets.events import Event
from langfast_wsgi.emulator.sockets.packets import CLOSE, NOOP


class Overlap(Exception):
    """A second poll while the first one waits."""


class PollAbandoned(Exception):
    """The client hung up on its poll, or its connection was cut."""


class Polling:
    """What waits to be polled."""

    name = "polling"

    def __init__(self) -> None:
        self._packets: list[str | bytes] = []
        self._waiting: Any = None  # the signal that wakes the poll which waits
        self._abandoned = False
        self.frozen = False  # nothing shall be sent any more
        self.posting = False  # a post is being read

    def __repr__(self) -> str:
        return f"<Polling packets={len(self._packets)} waiting={self._waiting is not None}>"

    @property
    def has_last_words(self) -> bool:
        """Whether the client was not yet told that it is over."""
        return CLOSE in self._packets and self._waiting is None

    def send(self, packet: str | bytes) -> None:
        """Keep a packet for the poll that waits or comes."""
        if self.frozen:
            return
        self._packets.append(packet)
        self._wake()

    def send_event(self, event: Event) -> None:
        """Keep an event in the same way."""
        self.send(event.payload.decode())
        if event.attachment is not None:
            self.send(event.attachment)

    def close(self) -> None:
        """Tell the client that it is over, in the poll that waits or else in the next one."""
        if self._waiting is None:
            self.send(NOOP)
        self.send(CLOSE)

    def fail(self) -> None:
        """Tell the client that it is over, if it is polling."""
        if self._waiting is not None:
            self.send(CLOSE)

    def release(self) -> None:
        """Let the poll that waits go with an empty packet, if there is one."""
        if self._waiting is not None:
            self.send(NOOP)

    def abort(self) -> None:
        """Cut the connection of the poll that waits."""
        self._abandoned = True
        self._wake()

    def poll(self, connection: Any) -> list[str | bytes]:
        """The packets, waited for; raises Overlap or PollAbandoned."""
        if self._waiting is not None:
            raise Overlap
        if not self._packets:
            self._wait(connection)
        if self._abandoned:
            raise PollAbandoned
        return self.take()

    def take(self) -> list[str | bytes]:
        """What waits, which does not wait any more."""
        packets, self._packets = self._packets, []
        return packets

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.set()

    def _wait(self, connection: Any) -> None:
        self._waiting = Signal()
        watcher = gevent.spawn(self._watch, connection)
        try:
            self._waiting.wait()
        finally:
            self._waiting = None
            watcher.kill()

    def _watch(self, connection: Any) -> None:
        # A client that waits for an answer has nothing to say: what can be read is its departure.
        try:
            wait_read(connection.fileno())
            gone = connection.recv(1, sockets.MSG_PEEK) == b""
        except OSError:
            gone = True
        if gone:
            self.abort()
