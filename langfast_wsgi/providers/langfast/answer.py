"""Reading an upstream's HTTP answer within a size and a time, and the TLS context for all calls."""

import functools
import ssl
import time
from typing import Protocol

import certifi
from urllib3.exceptions import HTTPError

ANSWER_BYTES = 1024 * 1024


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


@functools.cache
def tls_context() -> ssl.SSLContext:
    """One context for sockets and HTTP: each of its own would cost 20 ms and 700 KB.

    The system's certificates (SSL_CERT_FILE is honoured) and certifi's, for images without any.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
