"""How the upstream's sockets are read: by the event loop itself, wherever that is gevent's."""

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import gevent
from gevent.hub import Waiter

PIECE = 65536
"""Bytes that a receiver takes at a time."""

Look: TypeAlias = Callable[[bytearray, int], int]
"""See ``providers.base.Look``."""


class Receiver:
    """Reads a socket in large pieces, which may last as long as it likes."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __call__(self, _look: Look | None = None, /) -> bytes:
        """The next piece, waiting for it; empty at the end. Raises OSError."""
        piece: bytes = self._connection.recv(PIECE)
        return piece

    def close(self) -> None:
        """Nothing more will be read; may be called twice. The socket is not touched."""


class PatientReceiver(Receiver):
    """The same on a socket of gevent's: it waits first.

    gevent would look first, which nearly always finds nothing: a system call and an exception for
    each piece. And where there is always something, nobody else would ever have a turn.

    While it waits, the event loop itself reads and lets ``look`` see what came. Nearly always that
    has a use for all of it, and then nobody is woken. All share one buffer, because nobody else
    runs between its filling and its copying.
    """

    _buffer = bytearray(PIECE)

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        #: Fills the buffer with what is there, and says how much; never waits.
        self._fill: Callable[[bytearray], int] = connection._sock.recv_into  # what gevent wraps
        self._hub = gevent.get_hub()
        self._readable = self._hub.loop.io(connection.fileno(), 1)

    def __call__(self, look: Look | None = None, /) -> bytes:
        """See ``providers.base.Receiver``."""
        waiter: Waiter[bytes] = Waiter(self._hub)
        self._readable.start(self._on_readable, waiter, look)
        try:
            piece: bytes = waiter.get()
        finally:
            self._readable.stop()
        return piece

    def _on_readable(self, waiter: "Waiter[bytes]", look: Look | None) -> None:
        # What escaped would stop the watcher, and the reader would wait for ever.
        buffer, used = self._buffer, 0
        try:
            try:
                size = self._fill(buffer)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            if look is not None and size:
                used = look(buffer, size)
            if used == size and size:
                return
            rest = bytes(memoryview(buffer)[used:size])
        except Exception as error:
            waiter.throw(error)
        else:
            waiter.switch(rest)

    def close(self) -> None:
        """See Receiver."""
        self._readable.close()


class PatientTlsReceiver(PatientReceiver):
    """The same through TLS.

    What was decrypted already is not to be seen on the socket. That can only be so before the first
    wait: a record has at most 16 KiB, so the buffer takes all that there is of one.
    """

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        layer = connection._sslobj
        self._pending = _nothing if layer is None else layer.pending
        # Shut down already, it has no layer any more: what its socket holds is not for us.
        self._fill = _nothing if layer is None else partial(layer.read, PIECE)

    def __call__(self, look: Look | None = None, /) -> bytes:
        """See ``providers.base.Receiver``."""
        if self._pending():
            return bytes(memoryview(self._buffer)[: self._fill(self._buffer)])
        try:
            return super().__call__(look)
        except ssl.SSLEOFError:
            return b""  # not each server says farewell
        except ssl.SSLWantWriteError:
            return Receiver.__call__(self)  # TLS itself has something to say first


def _nothing(*_: object) -> int:
    """As many bytes as there are at the end."""
    return 0
