"""A server to put behind a proxy: it answers 204 and keeps what the proxy sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Recorder(ThreadingHTTPServer):
    """Keeps the request line and the headers of each GET, and who called."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, list[tuple[str, str]]]] = []
        self.callers: list[Any] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_GET(self) -> None:
        self.server.requests.append((self.requestline, self.headers.items()))
        self.server.callers.append(self.client_address)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def running_recorder() -> Iterator[Recorder]:
    """A recorder on a free port of the loopback."""
    with Recorder() as recorder:
        thread = Thread(target=recorder.serve_forever, daemon=True)
        thread.start()
        try:
            yield recorder
        finally:
            recorder.shutdown()
            thread.join()
