"""Faults of the Engine.IO handshake: a first request that is late or answered with an error."""

from collections.abc import Callable, Iterable

from langfast_wsgi.emulator.faults.serving import served
from langfast_wsgi.emulator.faults.switchboard import HttpFault, Switchboard
from langfast_wsgi.emulator.web import Answer, Environ, StartResponse, Wsgi, retry_after, write

_LET_IN = Answer(101)


class Handshakes:
    """Stands in front of the Socket.IO server."""

    def __init__(self, sockets: Wsgi, faults: Switchboard, sleep: Callable[[float], None]) -> None:
        self._sockets = sockets
        self._faults = faults
        self._sleep = sleep

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on, unless it is a first one that meets a fault."""
        first = "sid=" not in environ.get("QUERY_STRING", "")
        fault = self._faults.http("handshake") if first else None
        answer = served(fault, lambda: _LET_IN, _refused, self._sleep)
        if answer is _LET_IN:
            return self._sockets(environ, start_response)
        return write(answer, start_response)


def _refused(fault: HttpFault) -> Answer:
    text = fault.message or "The service is not available."
    headers = retry_after(fault.retry_after)
    return Answer(fault.status or 503, text.encode(), headers, "text/plain; charset=utf-8")
