"""The smallest HTTP layer that will do: requests, answers, exact routes, problems as exceptions.

A web framework would cost more per request than the rest of the emulator, and the benchmarks share
their machine with it.
"""

import socket
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl

from langfast_wsgi.emulator.jsontext import encoded

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

MARK = ("x-langfast-emulator", "1")
JSON = "application/json; charset=utf-8"
HTML_PAGE = (
    b"<!doctype html><html><head><title>Error</title></head><body><h1>Oops</h1></body></html>"
)


class BodyTooLarge(Exception):
    """The body is longer than the route allows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whole."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str = JSON
    drip: float = 0.0  # seconds between two of its bytes, head and body


def json_answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, encoded(value), headers or {})


def retry_after(wait: float | str | None) -> dict[str, str]:
    """The header of that name, if there is something to wait for; whole seconds without a point."""
    if wait is None:
        return {}
    return {"Retry-After": wait if isinstance(wait, str) else f"{wait:g}"}


class Request:
    """One HTTP request; the body is read when asked for."""

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ["PATH_INFO"]
        self._body: bytes | None = None

    @property
    def query(self) -> dict[str, str]:
        """The query; of a repeated name the last value."""
        return dict(parse_qsl(self.environ.get("QUERY_STRING", ""), keep_blank_values=True))

    def header(self, name: str) -> str:
        """A header's value, or the empty string."""
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), ""))

    def body(self, limit: int) -> bytes:
        """The whole body, once; raises :class:`BodyTooLarge` above the limit."""
        if self._body is None:
            read = self.environ["wsgi.input"].read(limit + 1)
            if len(read) > limit:
                raise BodyTooLarge
            self._body = read
        return self._body


class Problem(Exception):
    """A request that is answered with an error; each room draws its own shape."""

    @abstractmethod
    def answer(self, request: Request, /) -> Answer:
        """The error as this room's clients expect it."""


class AnswerLost(Exception):
    """The work is done, but its answer shall never reach the client: cut the connection."""


def connection_of(environ: Environ) -> Any:
    """The connection below a request, for what WSGI has no words for."""
    return _stream(environ).raw._sock


def let_go(environ: Environ) -> None:
    """Read no more requests from this connection: the server takes a closed stream for its end."""
    _stream(environ).close()


def hang_up(environ: Environ) -> None:
    """Cut the connection below a request."""
    try:
        connection_of(environ).shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the client was faster
    let_go(environ)


def _stream(environ: Environ) -> Any:
    given: Any = environ["wsgi.input"]
    # Of a request that wants to be upgraded the server hands out the raw stream itself.
    return getattr(given, "rfile", given)


class Handler(Protocol):
    """What a route leads to."""

    def __call__(self, request: Request, /) -> Answer: ...


Routes = Mapping[tuple[str, str], Handler]


def write(answer: Answer, start_response: StartResponse) -> list[bytes]:
    """Give an answer to the WSGI server, marked as the emulator's."""
    start_response(*_head(answer))
    return [answer.body]


def drip(answer: Answer, environ: Environ, sleep: Callable[[float], None]) -> None:
    """Send an answer byte by byte past the WSGI server, then cut the connection."""
    status, headers = _head(answer)
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "", ""]
    connection = connection_of(environ)
    try:
        for byte in "\r\n".join(lines).encode("latin-1") + answer.body:
            connection.sendall(bytes((byte,)))
            sleep(answer.drip)
    except OSError:
        pass  # nobody waits for the rest
    hang_up(environ)


def _head(answer: Answer) -> tuple[str, list[tuple[str, str]]]:
    headers = [MARK, ("Access-Control-Allow-Origin", "*"), *answer.headers.items()]
    if answer.status not in (204, 304):
        headers += [("Content-Type", answer.type), ("Content-Length", str(len(answer.body)))]
    return f"{answer.status} {_phrase(answer.status)}", headers


def _phrase(status: int) -> str:
    # 546 and the 52x are in no registry, yet the platforms answer with them.
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
