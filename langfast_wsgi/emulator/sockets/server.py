"""The Socket.IO server: who may join, and the closes that Node's server has.

python-socketio ignores events before CONNECT and garbage, waits for ever for a CONNECT, and answers
an unknown namespace in another shape than Node's server. All of that is corrected here, at the
handlers that python-engineio offers.
"""

from collections.abc import Callable, Iterable
from typing import Any

import gevent
from socketio.exceptions import ConnectionRefusedError as RefusedBySocketIO
from socketio.packet import CONNECT, CONNECT_ERROR, Packet

from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.sockets.channels import Channels, How
from langfast_wsgi.emulator.sockets.engine import Engine
from langfast_wsgi.emulator.sockets.events import Event
from langfast_wsgi.emulator.web import Environ, StartResponse

Admit = Callable[[object], str]  # CONNECT payload to user id, or Refused


class Refused(Exception):
    """The CONNECT is answered with CONNECT_ERROR and this message."""


class Connection:
    """One client that joined: a :class:`~langfast_wsgi.emulator.sockets.channels.Channel`."""

    def __init__(self, engine: Engine, sid: str, eio_sid: str, user_id: str) -> None:
        self._engine = engine
        self._sid = sid
        self._eio_sid = eio_sid
        self.user_id = user_id

    def send(self, event: Event) -> None:
        """Send an event; never blocks."""
        self._engine.send(self._eio_sid, event)

    def cut(self, how: How) -> None:
        """Take the connection from the client."""
        if how == "kick":
            self._engine.sio.disconnect(self._sid)
        elif how == "freeze":
            self._engine.freeze(self._eio_sid)
        else:
            self._engine.abort(self._eio_sid)


class SocketServer:
    """Accepts, admits, closes; what users are sent is the business of the channels."""

    def __init__(
        self,
        admit: Admit,
        channels: Channels,
        counters: Counters,
        lifetime: float | None,
        connect_timeout: float,
    ) -> None:
        self._admit = admit
        self._channels = channels
        self._counters = counters
        self._lifetime = lifetime
        self._connect_timeout = connect_timeout
        self._joined: dict[str, Connection] = {}
        self._timers: dict[str, Any] = {}
        self._engine = Engine()
        self._sio = self._engine.sio
        self._engine.eio.on("connect", self._opened)
        self._engine.eio.on("message", self._received)
        self._engine.eio.on("disconnect", self._closed)
        self._sio.on("connect", self._connected)
        self._sio.on("disconnect", self._left)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application under ``/socket.io/``."""
        return self._engine.handle(environ, start_response)

    def _opened(self, eio_sid: str, environ: Environ) -> None:
        self._sio._handle_eio_connect(eio_sid, environ)
        self._arm(eio_sid, self._connect_timeout, self._engine.close)

    def _closed(self, eio_sid: str, reason: str) -> None:
        self._disarm(eio_sid)
        self._sio._handle_eio_disconnect(eio_sid, reason)

    def _received(self, eio_sid: str, data: str | bytes) -> None:
        if isinstance(data, str) and eio_sid not in self._joined:
            self._before_joining(eio_sid, data)
            return
        try:
            self._sio._handle_eio_message(eio_sid, data)
        except Exception:  # whatever the parser chokes on
            self._engine.close(eio_sid)

    def _before_joining(self, eio_sid: str, data: str) -> None:
        try:
            packet = Packet(encoded_packet=data)
        except Exception:  # as above
            packet = None
        if packet is None or packet.packet_type != CONNECT:
            self._engine.close(eio_sid)
        elif packet.namespace not in (None, "/"):
            unknown = {"message": "Invalid namespace"}
            refusal = Packet(CONNECT_ERROR, data=unknown, namespace=packet.namespace)
            self._engine.eio.send(eio_sid, refusal.encode())
        else:
            self._sio._handle_eio_message(eio_sid, data)

    def _connected(self, sid: str, _environ: Environ, auth: object = None) -> None:
        eio_sid: str = self._sio.manager.eio_sid_from_sid(sid, "/")
        try:
            user_id = self._admit(auth)
        except Refused as refused:
            self._counters.connects_refused += 1
            raise RefusedBySocketIO(str(refused)) from refused
        if not self._engine.knows(eio_sid):
            # It went away while a fault made it wait.
            raise RefusedBySocketIO("gone")
        connection = Connection(self._engine, sid, eio_sid, user_id)
        self._joined[eio_sid] = connection
        self._channels.join(user_id, connection)
        self._counters.connects += 1
        self._disarm(eio_sid)
        if self._lifetime is not None:
            self._arm(eio_sid, self._lifetime, self._engine.abort)

    def _left(self, sid: str, _reason: str) -> None:
        eio_sid = self._sio.manager.eio_sid_from_sid(sid, "/")
        connection = self._joined.pop(eio_sid, None)
        if connection is not None:
            self._channels.leave(connection.user_id, connection)

    def _arm(self, eio_sid: str, seconds: float, action: Callable[[str], None]) -> None:
        self._timers[eio_sid] = gevent.spawn_later(seconds, action, eio_sid)

    def _disarm(self, eio_sid: str) -> None:
        timer = self._timers.pop(eio_sid, None)
        # A timer that is just going off must not kill itself halfway.
        if timer is not None and timer is not gevent.getcurrent():
            timer.kill(block=False)
