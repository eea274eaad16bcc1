"""One Engine.IO session: its transport, its heartbeat, and the four ways in which it ends.

The server pings; a client that does not answer in time is taken for dead. Whoever listens to a
session hears its messages and, once, that it is over.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from langfast_wsgi.emulator.jsontext import encoded
from langfast_wsgi.emulator.sockets import packets
from langfast_wsgi.emulator.sockets.events import Event
from langfast_wsgi.emulator.sockets.polling import Polling
from langfast_wsgi.emulator.sockets.timer import Timer
from langfast_wsgi.emulator.sockets.websocket import LARGEST_MESSAGE, WebSocket

Transport = Polling | WebSocket


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How often the server pings, and how long it waits for the answer."""

    interval: float = 25.0
    timeout: float = 20.0


class Listener(Protocol):
    """Who a session talks to."""

    def received(self, data: str | bytes, /) -> None:
        """A message came."""

    def closed(self) -> None:
        """The session is over."""


class Session:
    """One client of the engine."""

    def __init__(
        self, transport: Transport, heartbeat: Heartbeat, ended: Callable[["Session"], None]
    ) -> None:
        self.sid = secrets.token_urlsafe(15)
        self.transport = transport
        self.upgrading = False
        self.over = False
        self._heartbeat = heartbeat
        self._ended = ended
        self._listener: Listener | None = None
        self._pings = True
        self._timer = Timer()

    def __repr__(self) -> str:
        return f"<Session {self.transport!r} over={self.over}>"

    def open(self, listen: Callable[["Session"], Listener]) -> None:
        """Say hello to the client; from now on its messages are heard."""
        if self.over:
            return
        upgrades = [WebSocket.name] if self.transport.name == Polling.name else []
        hello = {
            "sid": self.sid,
            "upgrades": upgrades,
            "pingInterval": round(self._heartbeat.interval * 1000),
            "pingTimeout": round(self._heartbeat.timeout * 1000),
            "maxPayload": LARGEST_MESSAGE,
        }
        self.transport.send(packets.OPEN + encoded(hello).decode())
        self._listener = listen(self)
        self._beat()

    def send(self, event: Event) -> None:
        """Send an event; never blocks."""
        self.transport.send_event(event)

    def say(self, packet: str | bytes) -> None:
        """Send a packet: a text that begins with its kind, or a binary message."""
        if not self.over:
            self.transport.send(packet)

    def received(self, data: str | bytes) -> bool:
        """Hear a packet; False for one that no client may send, which ends the session."""
        if self.over or self._listener is None:
            return True
        try:
            packet = packets.parsed(data)
        except packets.BadPacket:
            self.fail()
            return False
        if packet.kind == packets.MESSAGE:
            self._listener.received(packet.data)
        elif packet.kind == packets.PONG:
            self._beat()
        elif packet.kind == packets.CLOSE:
            self.left()
        elif packet.kind == packets.PING:
            self.fail()  # only the server pings
            return False
        return True

    def upgraded(self, websocket: WebSocket) -> None:
        """Go on over a WebSocket, beginning with what nobody polled."""
        polling, self.transport = self.transport, websocket
        if isinstance(polling, Polling):
            for packet in polling.take():
                websocket.send(packet)
            polling.release()

    def stop_pings(self) -> None:
        """Send no more pings, nor miss the answers to them."""
        self._pings = False
        self._timer.stop()

    def freeze(self) -> None:
        """Leave the connection open and send nothing any more, as if the network had vanished."""
        self.stop_pings()
        self.transport.frozen = True

    def close(self) -> None:
        """End it in good order: the client is told."""
        if not self.over:
            self.transport.close()
            self._finish()

    def fail(self) -> None:
        """End it because the client broke a rule or is silent."""
        if not self.over:
            self.transport.fail()
            self._finish()

    def left(self) -> None:
        """The client ended it."""
        if not self.over:
            self.transport.release()
            self._finish()

    def abort(self) -> None:
        """Cut the connection without a word."""
        if not self.over:
            self.transport.abort()
            self._finish()

    def _finish(self) -> None:
        self.over = True
        self._timer.stop()
        if self._listener is not None:
            self._listener.closed()
        self._ended(self)

    def _beat(self) -> None:
        if self._pings:
            self._timer.start(self._heartbeat.interval, self._ping)

    def _ping(self) -> None:
        self.say(packets.PING)
        self._timer.start(self._heartbeat.timeout, self.fail)
