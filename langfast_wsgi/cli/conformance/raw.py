"""A request that no HTTP library sends: a body that is announced and does not come."""

import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

from requests.structures import CaseInsensitiveDict

from langfast_wsgi.cli.conformance.answer import Answer
from langfast_wsgi.cli.conformance.server import CHAT, Server, Unanswered
from langfast_wsgi.providers.langfast.answer import tls_context

SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}


def announced(server: Server, length: int) -> Answer:
    """What the chat route answers to the head of a request alone. Raises Unanswered."""
    parts = urlsplit(server.api)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    begun = time.monotonic()
    try:
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((host, port), SECONDS))
            if parts.scheme == "https":
                secure = tls_context().wrap_socket(connection, server_hostname=host)
                connection = stack.enter_context(secure)
            connection.sendall(_head(server, parts.netloc.rpartition("@")[2], parts.path, length))
            got = _until_close(connection, begun + SECONDS)
    except OSError:
        raise Unanswered(f"a body of {length} bytes was announced, and no answer came") from None
    return _parsed(got, time.monotonic() - begun)


def _head(server: Server, host: str, path: str, length: int) -> bytes:
    lines = [
        f"POST {path}{CHAT} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Connection: close",
    ]
    if server.key:
        lines.append(f"Authorization: Bearer {server.key}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _until_close(connection: socket.socket, until: float) -> bytes:
    """What comes until the other side ends, or has sent the body that it has announced."""
    got = b""
    while not _is_whole(got):
        connection.settimeout(max(until - time.monotonic(), 0.01))
        try:
            piece = connection.recv(65536)
        except (TimeoutError, ConnectionError):
            if not got:
                raise
            break  # an answer is there, however the connection ended
        if not piece:
            break
        got += piece
    return got


def _is_whole(got: bytes) -> bool:
    head, end, body = got.partition(b"\r\n\r\n")
    length = _headers(head).get("Content-Length", "")
    return bool(end) and length.isdecimal() and len(body) >= int(length)


def _headers(head: bytes) -> CaseInsensitiveDict[str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return CaseInsensitiveDict({name.strip(): value.strip() for name, _, value in pairs})


def _parsed(got: bytes, spent: float) -> Answer:
    head, _, body = got.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split()
    if len(words) < 2 or not words[1].isdigit():
        raise Unanswered("something answered that speaks no HTTP")
    if b"chunked" in _headers(head).get("Transfer-Encoding", "").lower().encode():
        body = body.partition(b"\r\n")[2].rpartition(b"\r\n0\r\n")[0] or body
    return Answer(int(words[1]), _headers(head), ((spent, body),), spent)
