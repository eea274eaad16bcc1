"""Reading an upstream's HTTP answer within a size and a time, and the TLS context for all calls.

A client's read timeout is one of each read: an answer that drips, be it within its head, never
meets it. So the connections made here take their timeout for the whole answer.
"""

import functools
import io
import ssl
import time
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any, Protocol
from urllib.parse import urlsplit

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

ANSWER_BYTES = 1024 * 1024
SEND_SECONDS = 30.0


class AnswerTooLarge(Exception):
    """The answer is longer than ANSWER_BYTES."""


class AnswerCut(Exception):
    """The answer was cut or stalled on its way."""


class AnswerTooSlow(Exception):
    """The answer was not whole at its deadline, though bytes kept coming."""


class Body(Protocol):
    """What both HTTP clients give: a urllib3 response."""

    def read1(self, amt: int | None = None) -> bytes:
        """Up to ``amt`` bytes, as soon as there are any; empty at the end."""
        ...


def read(body: Body, deadline: float) -> bytes:
    """The whole body; ``deadline`` is on the monotonic clock. A read timeout bounds each wait."""
    parts: list[bytes] = []
    size = 0
    while piece := _piece(body):
        parts.append(piece)
        size += len(piece)
        if size > ANSWER_BYTES:
            raise AnswerTooLarge
        if time.monotonic() > deadline:
            raise AnswerTooSlow
    return b"".join(parts)


def _piece(body: Body) -> bytes:
    try:
        return body.read1(65536)
    except HTTPError as error:
        raise AnswerCut from error


class _Incoming(io.RawIOBase):
    """The bytes of a connection, up to a deadline on the monotonic clock."""

    def __init__(self, raw: io.RawIOBase, connection: Any, deadline: float) -> None:
        self._raw = raw
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        """For the buffer above."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """The next bytes. Raises TimeoutError, as the connection itself does."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not whole in time")
        self._connection.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """With the connection below."""
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw: Any = self.fp.detach()
        self.fp = io.BufferedReader(_Incoming(raw, sock, deadline))


class _Timely:
    """Mixed into a connection: its timeout bounds the whole answer."""

    timeout: float | None
    response_class: Any
    sock: Any
    connect: Callable[[], None]

    def send(self, data: Any) -> None:
        """A long prompt may take longer than connecting, whose timeout is still in force here."""
        if self.sock is None:
            self.connect()
        self.sock.settimeout(SEND_SECONDS)
        super().send(data)  # type: ignore[misc]

    def getresponse(self) -> Any:
        """The head of the answer; what is read of it later has the same deadline."""
        if self.timeout is not None:
            deadline = time.monotonic() + self.timeout
            self.response_class = functools.partial(_Answer, deadline=deadline)
        return super().getresponse()  # type: ignore[misc]


class _TimelyHttp(_Timely, HTTPConnection):
    """Without TLS."""


class _TimelyHttps(_Timely, HTTPSConnection):
    """With TLS."""


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _TimelyHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _TimelyHttps


def timely(manager: PoolManager) -> PoolManager:
    """The same manager, its connections from now on bound to their timeout as a whole."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


def timely_pool(url: str, connections: int) -> HTTPConnectionPool:
    """Such connections to one host, as many as are kept when they are idle."""
    parts = urlsplit(url)
    options: dict[str, Any] = {"maxsize": connections, "block": False}
    if parts.scheme == "https":
        options["ssl_context"] = tls_context()
    pool = _HttpsPool if parts.scheme == "https" else _HttpPool
    return pool(parts.hostname or "", parts.port, **options)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """One context for sockets and HTTP: each of its own would cost 20 ms and 700 KB.

    The system's certificates (SSL_CERT_FILE is honoured) and certifi's, for images without any.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
