"""A server that breaks exactly one rule: a proxy in front of a good one, with one thing twisted."""

import contextlib
import http.client
import json
import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LARGEST = 50 * 1024 * 1024
PATIENCE = 60.0


@dataclass
class Request:
    """What a caller asks."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Its body, empty where it is no object."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.body)
            return found if isinstance(found, dict) else {}
        return {}

    @json.setter
    def json(self, value: object) -> None:
        self.body = json.dumps(value).encode()


@dataclass
class Reply:
    """What it is answered; names of headers in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def streamed(self) -> bool:
        """Whether it is a stream."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def json(self) -> Any:
        """Its body; None where it is no JSON."""
        with contextlib.suppress(ValueError):
            return json.loads(self.body)
        return None

    @json.setter
    def json(self, value: object) -> None:
        self.body = json.dumps(value).encode()


@dataclass(frozen=True)
class Crook:
    """What is twisted: the request, or the reply, or how it is passed on.

    ``ask`` may change the request, or answer it. ``tell`` changes the reply. ``deaf``: that a
    caller has left is not noticed. ``hold``: nothing is passed on before all is there.
    """

    ask: Callable[[Request], Reply | None] | None = None
    tell: Callable[[Request, Reply], None] | None = None
    deaf: bool = False
    hold: bool = False


@contextmanager
def crooked(url: str, crook: Crook) -> Iterator[str]:
    """In front of the server at this address; gives its own."""
    where = urlsplit(url)
    assert where.hostname
    assert where.port

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                _pass_on(self.rfile, self.connection, (where.hostname, where.port), crook)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _pass_on(rfile: Any, caller: socket.socket, where: Any, crook: Crook) -> None:
    """One request; the connection is closed behind it."""
    request = _request(rfile)
    reply = crook.ask(request) if crook.ask else None
    if reply is None and crook.tell is None and not crook.hold:
        _relay(request, caller, where, deaf=crook.deaf)
        return
    if reply is None:
        reply = _reply(request, where)
    if crook.tell:
        crook.tell(request, reply)
    caller.sendall(_bytes(request, reply))


def _request(rfile: Any) -> Request:
    line = rfile.readline().decode("latin-1").split()
    headers: dict[str, str] = {}
    while (header := rfile.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    # What is too large is announced only, and never comes.
    body = rfile.read(length) if length < LARGEST else b""
    return Request(line[0], line[1], headers, body)


def _sent(request: Request) -> dict[str, str]:
    headers = {**request.headers, "connection": "close"}
    if request.body:
        headers["content-length"] = str(len(request.body))
    return headers


def _reply(request: Request, where: Any) -> Reply:
    connection = http.client.HTTPConnection(*where, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.putrequest(
            request.method, request.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in _sent(request).items():
            connection.putheader(name, value)
        connection.endheaders(request.body or None)
        found = connection.getresponse()
        headers = {name.lower(): value for name, value in found.getheaders()}
        headers.pop("transfer-encoding", None)
        headers.pop("connection", None)
        return Reply(found.status, headers, found.read())


def _bytes(request: Request, reply: Reply) -> bytes:
    headers = {**reply.headers, "connection": "close"}
    if "content-length" in headers and request.method != "HEAD":
        headers["content-length"] = str(len(reply.body))
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{key}: {headers[key]}" for key in headers)]
    body = b"" if request.method == "HEAD" else reply.body
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def _relay(request: Request, caller: socket.socket, where: Any, *, deaf: bool) -> None:
    """Bytes as they come, until either side ends."""
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in _sent(request).items()]
    with socket.create_connection(where, PATIENCE) as server:
        server.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + request.body)
        watched = [server] if deaf else [server, caller]
        while True:
            ready = select.select(watched, [], [], PATIENCE)[0]
            if not ready or (caller in ready and not caller.recv(65536)):
                return
            if server not in ready:
                continue
            piece = server.recv(65536)
            if not piece:
                return
            try:
                caller.sendall(piece)
            except OSError:
                if not deaf:
                    return
