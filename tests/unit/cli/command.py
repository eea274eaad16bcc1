"""The ``langfast`` command as a process, and a server that answers with given bytes."""

import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.gateway import ROOT, environment

PATIENCE = 30.0


def command(*arguments: str) -> list[str]:
    """Its command line."""
    return [sys.executable, "-m", "langfast_wsgi", *arguments]


def langfast(
    *arguments: str,
    stdin: str | bytes = b"",
    cwd: Path = ROOT,
    patience: float = PATIENCE,
    **settings: object,
) -> "subprocess.CompletedProcess[bytes]":
    """Run it to its end, with these settings and no others."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            command(*arguments),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=cwd,
            env=environment(home, **{"PYTHONPATH": ROOT, **settings}),
            timeout=patience,
        )


@contextmanager
def started(*arguments: str, **settings: object) -> Iterator["subprocess.Popen[bytes]"]:
    """It, running; killed in the end if it still runs."""
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment(home, **settings),
            # A shell's background job ignores Ctrl-C, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        with process:
            try:
                yield process
            finally:
                process.kill()


@contextmanager
def answering(*pieces: bytes, head: bytes = b"") -> Iterator[str]:
    """A server that answers each request with these bytes, and hangs up; gives its address."""
    head = head or b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer, args=(listener, [head, *pieces]), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _answer(listener: socket.socket, pieces: Sequence[bytes]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # closed: the test is over
        with connection:
            _read_request(connection)
            for piece in pieces:
                connection.sendall(piece)


def _read_request(connection: socket.socket) -> None:
    with connection.makefile("rb") as request:
        length = 0
        while (line := request.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        request.read(length)
