"""Bodies of requests that nobody wants, or not yet: seen from gunicorn's connection.

An upload that is refused must neither hold up a worker, which would read it to its end to keep the
connection, nor cost its caller the answer that says why.
"""

import socket
import time
from typing import Any

LINGER_SECONDS = 1.0
LINGER_BYTES = 16 * 1024 * 1024
READ = "langfast.read"
"""Key in a request's environ: its body was read to its end."""
UNREAD = "langfast.unread"
"""Key in a request's environ: the rest of its body was refused, so the connection cannot go on."""


def refuse_body(environ: dict[str, Any]) -> None:
    """No more of this request's body is taken: its answer says that the connection closes.

    A ``Connection`` header set by an application is dropped as hop-by-hop, so gunicorn's own
    request is asked; ``gunicorn.conf.py`` left it with the body.
    """
    environ[UNREAD] = True
    request = getattr(environ.get("wsgi.input"), "langfast_request", lambda: None)()
    if request is not None:
        request.force_close()


class HeldBody:
    """The reader of a body that its caller holds back until it is asked for it
    (``Expect: 100-continue``). It is asked when the body is first read: then its key is known.
    """

    def __init__(self, reader: Any, connection: Any) -> None:
        self._reader = reader
        self._connection = connection

    def read(self, size: int) -> bytes:
        """As gunicorn's own readers."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        content: bytes = self._reader.read(size)
        return content


def hold_continue(request: Any) -> None:
    """Let nobody be asked for a body that will be refused, as gunicorn by itself does."""
    if request._expected_100_continue:
        request._expected_100_continue = False
        request.force_close()  # nobody knows whether a refused caller sends its body all the same
        request.body.reader = HeldBody(request.body.reader, request.unreader.sock)


def linger(connection: Any) -> None:
    """Let a refused caller read its answer: no more from us, a bounded rest of its body to nowhere.

    A connection that is closed while bytes are unread is reset, and the answer may be lost with it.
    """
    try:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(LINGER_SECONDS)
        until, left = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
        while left > 0 and time.monotonic() < until:
            piece = connection.recv(65536)
            if not piece:
                break
            left -= len(piece)
            time.sleep(0)  # a fast sender never blocks our read: let the others have their turn
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # gone already
