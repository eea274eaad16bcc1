"""Connections on one epoll loop: bytes in, bytes out, nobody waits."""

import select
import socket
from collections.abc import Callable

Handler = Callable[["Connection"], None]
"""Called when the buffer has grown."""


class Connection:
    """One client. Writes go straight to the kernel; what it does not take is kept."""

    __slots__ = ("_loop", "_pending", "_send", "_socket", "buffer", "fd", "handler", "left")

    def __init__(self, loop: "Loop", connection: socket.socket, handler: Handler) -> None:
        self._loop = loop
        self._socket = connection
        self._send = connection.send
        self._pending = bytearray()
        self.fd = connection.fileno()
        self.buffer = bytearray()
        self.handler = handler
        #: Called once, when the client is gone.
        self.left: Callable[[], None] = _nothing

    def write(self, data: bytes) -> None:
        """Send, or keep for later."""
        if self.fd < 0:
            return
        if self._pending:
            self._pending += data
            return
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._pending += memoryview(data)[sent:]
            self._loop.want(self.fd, select.EPOLLIN | select.EPOLLOUT)

    def read(self) -> None:
        """Take what is there."""
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self.buffer += data
        self.handler(self)

    def drain(self) -> None:
        """Send what was kept."""
        try:
            sent = self._send(self._pending)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._pending[:sent]
        if not self._pending:
            self._loop.want(self.fd, select.EPOLLIN)

    def close(self) -> None:
        """Let it go; twice is fine."""
        if self.fd >= 0:
            self._loop.forget(self.fd)
            self.fd = -1
            self._socket.close()
            self.left()


def _nothing() -> None:
    """Nobody wants to know."""


class Loop:
    """Accepts, reads, and calls ``tick`` for what is due."""

    def __init__(self, port: int, handler: Handler, tick: Callable[[], float]) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._handler = handler
        self._tick = tick
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}

    def run(self, until_closed: int) -> None:
        """Serve until this file descriptor (our stdin) reaches its end."""
        self._epoll.register(until_closed, select.EPOLLIN | select.EPOLLHUP)
        listening, timeout = self._listener.fileno(), 0.0
        while True:
            for fd, what in self._epoll.poll(timeout):
                connection = self._connections.get(fd)
                if connection is not None:
                    self._serve(connection, what)
                elif fd == listening:
                    self._accept()
                elif fd == until_closed:
                    return
            timeout = self._tick()

    def want(self, fd: int, events: int) -> None:
        """Which events of a connection matter now."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """A connection is closed."""
        del self._connections[fd]
        self._epoll.unregister(fd)

    def _serve(self, connection: Connection, what: int) -> None:
        if what & select.EPOLLOUT:
            connection.drain()
        if what & ~select.EPOLLOUT and connection.fd >= 0:
            connection.read()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, client, self._handler)
        self._connections[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN)
