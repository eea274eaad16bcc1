"""Bytes on a plain socket, for what no HTTP client would send."""

import json
import socket
import time
from typing import Any

from tests.support.gateway import GatewayProcess


class RawConnection:
    """One TCP connection to a gateway."""

    def __init__(self, gateway: GatewayProcess, timeout: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout)

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """False when the other side has closed."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and the body by its length."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError(f"closed after {data!r}")
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        while len(body) < int(headers.get("content-length", 0)):
            body += self.socket.recv(65536)
        return int(status.split()[1]), headers, body

    def closed_within(self, seconds: float) -> bool:
        """Whether the other side ends the connection in that time."""
        self.socket.settimeout(0.05)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if self.socket.recv(65536) == b"":
                    return True
            except TimeoutError:
                continue
            except OSError:
                return True
        return False


def post(headers: dict[str, Any], path: str = "/v1/chat/completions") -> bytes:
    """The head of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", *(f"{key}: {headers[key]}" for key in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def error_of(body: bytes) -> dict[str, Any]:
    """The envelope's inside."""
    return dict(json.loads(body)["error"])
