"""The bytes of streams, past the server and through it: whole, in order, counted, and nobody waits
for a caller who reads slowly.
"""

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.answers import Answer, ask
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.raw import post
from tests.support.stream import Stream, parse_lines, steer

LONG = "".join(f"{number} äöü 😀 " for number in range(220_000))  # more than any buffer takes
FAST = 20


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.02") as process:
        yield process


@pytest.fixture(scope="module")
def gateway(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    """All runs on one account, and so over one socket, which one greenlet reads."""
    with running_gateway(
        upstream,
        MIN_CREDENTIALS=1,
        MAX_CREDENTIALS=1,
        RUNS_PER_CREDENTIAL=2 * FAST,
        HEARTBEAT_SECONDS=0.3,
    ) as process:
        assert ask(process, "now it knows that runs have ids", stream=False).status == 200
        yield process


class Caller:
    """A connection that reads as it likes."""

    def __init__(self, gateway: GatewayProcess, room: int | None = None) -> None:
        self.socket = socket.socket()
        if room is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", gateway.port))
        self._data = bytearray()

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, content: str, *, stream: bool = True, version: str = "1.1") -> None:
        self.socket.sendall(request(content, stream=stream, version=version))

    def sip(self, seconds: float) -> None:
        """A kilobyte every ten milliseconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._data += self.socket.recv(1024)
            time.sleep(0.01)

    def drink(self) -> bytes:
        """All there is, to the end of the connection."""
        while piece := self.socket.recv(65536):
            self._data += piece
        return bytes(self._data)

    def answer(self) -> tuple[dict[str, str], bytes]:
        """Headers and body of the next answer, which must be framed without a flaw."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        if headers.get("transfer-encoding") != "chunked":
            return headers, self._exactly(int(headers["content-length"]))
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        assert self._exactly(2) == b"\r\n"
        return headers, body

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._data:
            self._more()
        found, _, rest = self._data.partition(mark)
        self._data = rest
        return bytes(found)

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        found = bytes(self._data[:size])
        del self._data[:size]
        return found

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        assert piece, "cut off"
        self._data += piece


def request(content: str, *, stream: bool, version: str = "1.1") -> bytes:
    body = {"stream": stream, "messages": [{"role": "user", "content": content}]}
    data = json.dumps(body).encode()
    head = post({"Content-Length": len(data)}).replace(b"HTTP/1.1", b"HTTP/" + version.encode())
    return head + data


def events(body: bytes) -> Stream:
    """A stream's events; nothing between and within them but what belongs there."""
    assert body.endswith(b"\n\n")
    for event in body[:-2].split(b"\n\n"):
        assert event == b": ping" or event.startswith(b"data: ")
        assert event.count(b"\n") == 0
    return parse_lines(body.decode().split("\n"))


def assert_whole(body: bytes, text: str) -> None:
    stream = events(body)
    assert (stream.finish_reasons, stream.error, stream.done) == (["stop"], None, True)
    assert stream.text == text


def is_stuck(gateway: GatewayProcess, upstream: EmulatorProcess, runs: int = 1) -> bool:
    """The upstream has said it all, and somebody has not taken it."""
    in_flight = gateway.metrics()["langfast_runs_in_flight"]
    return upstream.stats()["runs_active"] == 0 and in_flight == runs


def test_a_slow_reader_gets_all_of_it_and_delays_nobody_on_its_account(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    texts = [f"{number} " * 100 for number in range(FAST)]

    def one(text: str) -> Answer:
        return ask(gateway, steer(text, chunks=50, interval=0.06), stream=True)

    with Caller(gateway, room=4096) as slow, ThreadPoolExecutor(FAST + 1) as callers:
        slow.ask(steer(LONG, chunks=15, interval=0.1))
        answers = [callers.submit(one, text) for text in texts]
        slow.sip(2.5)
        for text, answer in zip(texts, answers, strict=True):
            assert answer.result().is_whole(text)
            assert answer.result().gap < 1.0
        assert is_stuck(gateway, upstream), "the text fits in buffers: this shows nothing"
        slow.sip(0.5)
        _, body = slow.answer()
        assert_whole(body, LONG)
        assert b": ping\n\n" in body, "heartbeats come between its pieces, too"


@pytest.mark.parametrize("suddenly", [True, False])
def test_slow_readers_that_leave_while_they_are_waited_for_free_their_places(
    gateway: GatewayProcess, upstream: EmulatorProcess, suddenly: bool
) -> None:
    with ExitStack() as leaving:
        slow = [leaving.enter_context(Caller(gateway, room=4096)) for _ in range(3)]
        for caller in slow:
            caller.ask(steer(LONG, chunks=3, interval=0.05))
        wait_for(lambda: is_stuck(gateway, upstream, 3), "their buffers to be full")
        if suddenly:
            for caller in slow:
                caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "their places", 5)
    assert ask(gateway, "fine", stream=True).is_whole("fine")
    assert "Traceback" not in gateway.log()


def test_the_access_log_counts_what_went_past_the_server(gateway: GatewayProcess) -> None:
    with Caller(gateway) as caller:
        caller.ask(steer("some text " * 50, chunks=30, interval=0.02))
        headers, body = caller.answer()
    name = headers["x-request-id"]
    wait_for(lambda: name in gateway.log(), "the line")
    found = re.search(rf" 200 (\d+) \d+ms {name} ", gateway.log())
    assert found
    assert int(found[1]) == len(body)


def test_a_connection_serves_its_next_requests_behind_a_stream(gateway: GatewayProcess) -> None:
    """Also those that were sent before the stream had begun."""
    texts = [f"answer {number} " * 40 for number in range(6)]
    with Caller(gateway) as caller:
        content = [steer(text, chunks=20, interval=0.01) for text in texts]
        pairs = [(one, number % 3 != 2) for number, one in enumerate(content)]
        caller.socket.sendall(b"".join(request(one, stream=stream) for one, stream in pairs))
        for text, (_, stream) in zip(texts, pairs, strict=True):
            _, body = caller.answer()
            if stream:
                assert_whole(body, text)
            else:
                assert json.loads(body)["choices"][0]["message"]["content"] == text
        caller.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert caller.answer()[0]["connection"] == "close"
        assert caller.drink() == b""


def test_a_caller_of_http_1_0_gets_the_stream_as_it_is(gateway: GatewayProcess) -> None:
    text = "some text " * 50
    with Caller(gateway) as caller:
        caller.ask(steer(text, chunks=20, interval=0.02), version="1.0")
        head, _, body = caller.drink().partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert_whole(body, text)


def test_who_closes_one_direction_only_never_takes_a_part_for_the_whole(
    gateway: GatewayProcess,
) -> None:
    """It looks as if the caller had left, and the run is abandoned."""
    with Caller(gateway) as caller:
        caller.ask(steer("some text " * 50, chunks=40, interval=0.1))
        caller.sip(0.5)
        caller.socket.shutdown(socket.SHUT_WR)
        data = caller.drink()
    assert b"some text" in data
    assert b"[DONE]" not in data
    assert not data.endswith(b"0\r\n\r\n"), "a clean end"


def test_streams_of_several_workers_are_whole(upstream: EmulatorProcess) -> None:
    with running_gateway(
        upstream,
        WEB_CONCURRENCY=2,
        MIN_CREDENTIALS=2,
        MAX_CREDENTIALS=2,
        RUNS_PER_CREDENTIAL=FAST,
    ) as two:
        wait_for(lambda: len(two.worker_pids()) == 2, "both workers")
        texts = [f"{number} 😀 " * 50 for number in range(2 * FAST)]

        def one(text: str) -> Answer:
            return ask(two, steer(text, chunks=30, interval=0.02), stream=True)

        with ThreadPoolExecutor(len(texts)) as callers:
            answers = list(callers.map(one, texts))
        assert all(answer.is_whole(text) for text, answer in zip(texts, answers, strict=True))


def test_a_slow_reader_at_the_end_of_the_service_is_told_that_it_ends(
    upstream: EmulatorProcess,
) -> None:
    with (
        running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, DRAIN_SECONDS=2) as ending,
        Caller(ending, room=4096) as slow,
    ):
        slow.ask(steer(LONG, chunks=3, interval=0.05))
        wait_for(lambda: is_stuck(ending, upstream), "its buffers to be full")
        ending.process.send_signal(signal.SIGTERM)
        slow.sip(1.5)  # until open runs are ended
        _, body = slow.answer()
        stream = events(body)
        assert LONG.startswith(stream.text)
        assert stream.error
        assert stream.error["code"] == "shutting_down"
        assert stream.finish_reasons == []
