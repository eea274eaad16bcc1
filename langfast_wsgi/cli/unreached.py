"""Why a service could not be reached, read from whatever exception says so.

HTTP libraries wrap the operating system's errors several times, each in its own way; the one at
the bottom is what an operator can do something about.
"""

import socket
import ssl
from collections.abc import Iterator
from enum import Enum
from http.client import HTTPException

from urllib3.exceptions import TimeoutError as HttpTimeout


class Cause(Enum):
    """What went wrong, in words that go on from "no answer: "."""

    NO_NAME = "there is no host of that name"
    REFUSED = "nothing listens there"
    TIMEOUT = "it took too long"
    CERTIFICATE = "its certificate is not trusted"
    TLS = "it speaks no TLS that we know"
    NO_HTTP = "it does not speak HTTP"
    CUT = "the connection was cut"
    OTHER = "it cannot be reached"


# The first row of which some exception in the chain is an instance decides.
_CAUSES: tuple[tuple[type[BaseException], Cause], ...] = (
    (socket.gaierror, Cause.NO_NAME),
    (ssl.SSLCertVerificationError, Cause.CERTIFICATE),
    (ssl.SSLError, Cause.TLS),
    (ConnectionRefusedError, Cause.REFUSED),
    (TimeoutError, Cause.TIMEOUT),
    (HttpTimeout, Cause.TIMEOUT),
    (ConnectionError, Cause.CUT),
    (HTTPException, Cause.NO_HTTP),
)


def cause(error: BaseException) -> Cause:
    """The cause at the bottom of an exception."""
    found = list(_chain(error))
    for kind, meaning in _CAUSES:
        if any(isinstance(one, kind) for one in found):
            return meaning
    return Cause.OTHER


def _chain(error: BaseException) -> Iterator[BaseException]:
    """It, and what it was raised for: as cause or context, as ``reason`` or as an argument."""
    pending, seen = [error], set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        pending.extend(each for each in inner if isinstance(each, BaseException))
