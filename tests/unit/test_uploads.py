"""Bodies of requests that nobody wants."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from langfast_wsgi import uploads
from langfast_wsgi.uploads import UNREAD, linger, refuse_body
from tests.support.builders import spawn

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_refused_body_marks_the_connection_as_spent() -> None:
    environ: dict[str, Any] = {"wsgi.input": object()}
    refuse_body(environ)
    assert environ[UNREAD] is True
    refuse_body({})


def test_a_refused_body_closes_gunicorns_request() -> None:
    class Request:
        closed = 0

        def force_close(self) -> None:
            self.closed += 1

    request = Request()

    class Body:
        langfast_request = staticmethod(lambda: request)

    refuse_body({"wsgi.input": Body()})
    assert request.closed == 1


def test_a_refused_caller_may_finish_sending_and_read_its_answer(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(b"x" * 100_000)
    ours.sendall(b"HTTP/1.1 413\r\n\r\n")
    thread = spawn(lambda: linger(ours))
    assert theirs.recv(100) == b"HTTP/1.1 413\r\n\r\n"
    theirs.sendall(b"x" * 100_000)
    theirs.shutdown(socket.SHUT_WR)
    assert theirs.recv(100) == b""
    thread.join(2)


def test_a_refused_caller_is_not_waited_for_long(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LINGER_SECONDS", 0.03)
    begun = time.monotonic()
    linger(pair[0])
    assert time.monotonic() - begun < 1


def test_a_refused_caller_may_not_send_for_ever(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LINGER_BYTES", 1000)
    pair[1].sendall(b"x" * 5000)
    linger(pair[0])


def test_a_refused_caller_that_is_gone_is_no_trouble(pair: Pair) -> None:
    pair[0].close()
    linger(pair[0])
