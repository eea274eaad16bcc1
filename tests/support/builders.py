"""What unit tests are made of: requests, grants, a stub socket, an HTTP server with a script."""

import base64
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from langfast_wsgi.conversation.events import Event, Pause, awaited
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.providers.langfast.accounts import Grant
from langfast_wsgi.providers.langfast.mailbox import Mailbox, News
from langfast_wsgi.providers.langfast.upstream import Upstream

ROOT = Path(__file__).parents[2]

# --- records


def jwt(subject: object = "user-1", **claims: object) -> str:
    """An unsigned token; its middle part is base64url without padding, as everywhere."""
    parts = ({"alg": "HS256"}, {"sub": subject, **claims})
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(text.rstrip("=") for text in texts), "c2lnbmF0dXJl"])


def grant(number: int = 1, lifetime: float = 3600.0) -> Grant:
    """What the auth service would give for account ``number``."""
    return Grant(f"access-{number}", f"refresh-{number}", f"user-{number}", lifetime)


def run_request(*contents: str, model: str = "gpt-4o-mini", **fields: Any) -> RunRequest:
    """A request of user messages."""
    messages = [{"role": "user", "content": content} for content in contents or ("hi",)]
    return RunRequest(model, messages, **fields)


def upstream(url: str) -> Upstream:
    """An upstream whose every service is at one address."""
    return Upstream(url, "anon-key", url, "prompt-1")


class StillBell:
    """A bell that nobody rings: it is always time to look around."""

    listener: Callable[[], bool] | None = None

    def __repr__(self) -> str:
        return "<StillBell>"

    def wait(self) -> bool:
        """See Bell."""
        return False


PAUSE = Pause(StillBell())


class AnyPause:
    """Equal to every pause, whatever its bell."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pause)

    __hash__ = None  # type: ignore[assignment]


A_PAUSE = AnyPause()


def heard(events: Generator[Event, None, None]) -> Generator[Event, None, None]:
    """A run's events as somebody hears them who waits at each pause."""
    with closing(events):
        yield from awaited(events)


def taken(mailbox: Mailbox, patience: float = -1) -> News | None:
    """What is in a mailbox, after waiting for it (in seconds; -1: without end)."""
    mailbox.wait(patience)
    return mailbox.take()


class StubSocket:
    """A socket as the pool sees it; remembers how often it was closed, and under how many runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.closed: list[int] = []

    def close(self) -> None:
        self.closed.append(self.runs)


def series(name: str, **labels: str) -> float:
    """The value of a series; 0 where it was never touched."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@contextmanager
def counted(name: str, **labels: str) -> Iterator[Callable[[], float]]:
    """By how much a series grew since the block began."""
    before = series(name, **labels)
    yield lambda: series(name, **labels) - before


# --- time


def wait_for(condition: Callable[[], object], patience: float = 5.0) -> None:
    """Look every 2 ms until the condition holds."""
    until = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.002)


def spawn(task: Callable[[], None]) -> threading.Thread:
    """A task in a thread of its own."""
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    return thread


def patched_python(script: str) -> str:
    """What a script printed that ran in a fresh Python, patched by gevent first."""
    code = "from gevent import monkey; monkey.patch_all()\n" + script
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- an HTTP server with a script


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int = 200, body: object = b"", **headers: str) -> Answer:
    """A whole answer; what is not bytes is sent as JSON. Underscores in names become hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return send


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Reset the connection behind the request, without a word."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.wfile.close()
    handler.rfile.close()
    handler.connection.close()


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """A byte every 20 ms, for longer than anybody should wait."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(150):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def stalling(handler: BaseHTTPRequestHandler) -> None:
    """The first byte of an answer, and then nothing for longer than anybody should wait."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.wfile.flush()
    handler.connection.settimeout(3.0)
    handler.rfile.read(1)  # until the client gives up


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    """No HTTP at all."""
    handler.wfile.write(b"nonsense\r\n\r\n")


def shortened(body: bytes) -> Answer:
    """An answer that ends before the length that it announced."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) + 10))
        handler.end_headers()
        handler.wfile.write(body)

    return send


class StubServer:
    """Answers one request after the other from its script; the last answer serves for the rest."""

    def __init__(self, url: str, answers: Sequence[Answer]) -> None:
        self.url = url
        self.answers = list(answers)
        self.seen: list[Seen] = []

    def next_answer(self) -> Answer:
        """What is to be said now."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def stub_server(*answers: Answer) -> Iterator[StubServer]:
    """A server on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (OSError, ValueError):
                self.close_connection = True  # the client left, or we cut it off

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            stub.seen.append(Seen(self.command, self.path, headers, body))
            stub.next_answer()(self)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub = StubServer(f"http://127.0.0.1:{server.server_port}", answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
