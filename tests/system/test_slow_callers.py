"""Nobody waits for somebody else: for slow callers, for large requests, for a full house."""

import json
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import (
    ROOT,
    GatewayProcess,
    environment,
    procfile_command,
    running_gateway,
    wait_for,
)
from tests.support.raw import RawConnection, error_of, post
from tests.support.stream import steer
from tests.support.waiting import Stopwatch

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
MEBIBYTE = 1024 * 1024
MOST_RUNS = 20


@pytest.fixture(scope="module")
def gateway(emulator: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(
        emulator,
        MIN_CREDENTIALS=1,
        MAX_CREDENTIALS=1,
        RUNS_PER_CREDENTIAL=2 * MOST_RUNS,
        MAX_RUNS=MOST_RUNS,
    ) as process:
        yield process


def chat_seconds(gateway: GatewayProcess) -> float:
    began = time.monotonic()
    assert gateway.chat("hi").status_code == 200
    return time.monotonic() - began


def test_d7_two_hundred_slow_headers_delay_nobody(gateway: GatewayProcess) -> None:
    alone, beside = [], []
    for _ in range(2):
        alone += [chat_seconds(gateway) for _ in range(15)]
        with ExitStack() as slow:
            connections = [slow.enter_context(RawConnection(gateway)) for _ in range(200)]
            for one in connections:
                one.send(HEAD)
            for number in range(15):
                for one in connections[number::15]:
                    one.send(b"X")
                beside.append(chat_seconds(gateway))
    assert statistics.median(beside) - statistics.median(alone) < 0.1


# --- the largest gap of a caller who asks every ten milliseconds


def chat_body(content: object, **fields: object) -> bytes:
    """A request whose answer is one word, so that the request is all there is to do."""
    answer = {"role": "user", "content": steer("y", chunks=1, interval=0)}
    messages = [{"role": "user", "content": content}, answer]
    return json.dumps({"messages": messages, **fields}).encode()


def posted(body: bytes) -> bytes:
    return post({"Content-Length": len(body)}) + body


#: As long as the default limit allows, and a little less.
LONG = {
    "a prompt of nine mebibytes": posted(chat_body("word " * (9 * MEBIBYTE // 5))),
    "a word of nine mebibytes": posted(chat_body("x" * (9 * MEBIBYTE))),
    "another alphabet": posted(chat_body("日本 " * (9 * MEBIBYTE // 13))),
    "many long messages": posted(
        json.dumps(
            {"messages": [json.loads(chat_body("hi there " * 480))["messages"][0]] * 2048}
        ).encode()
    ),
    "an answer of four million characters": posted(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": steer("", fault="big", size=3_900_000, chunks=2)}
                ]
            }
        ).encode()
    ),
}
LOADS = {
    **LONG,
    "parts": posted(chat_body([{"type": "text", "text": "x"}] * 20_000)),
    "messages": posted(
        json.dumps({"messages": [json.loads(chat_body("x" * 300))["messages"][1]] * 2048}).encode()
    ),
    "names": posted(chat_body("x", **{f"k{number}": number for number in range(50_000)})),
    "metadata": posted(chat_body("x", metadata={f"k{number}": "v" for number in range(50_000)})),
    "a list where none belongs": posted(chat_body("x", stop=[0] * 300_000)),
    "deep nesting": posted(b"[" * MEBIBYTE + b"]" * MEBIBYTE),
    "a body that is no JSON": posted(b'{"a":[' + b"1," * MEBIBYTE + b"}"),
    "an answer of a mebibyte": posted(
        json.dumps(
            {
                "stream": True,
                "messages": [
                    {"role": "user", "content": steer("", fault="big", size=MEBIBYTE, chunks=4)}
                ],
            }
        ).encode()
    ),
    "metrics": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "models": b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
}
#: Small of its kind, as large as the default limit allows.
LISTS = posted(b'{"a":[' + b"[]," * 3_000_000 + b"[]]}")


def gaps(gateway: GatewayProcess, request: bytes, times: int = 3) -> list[float]:
    """How long each of our questions waited for the worker while such requests were served."""
    clock = Stopwatch(*gateway.worker_pids())
    served = Event()

    def serve() -> None:
        for _ in range(times):
            with RawConnection(gateway, 30) as raw:
                raw.send(
                    request.replace(b"\r\nHost: x\r\n", b"\r\nHost: x\r\nConnection: close\r\n")
                )
                while raw.socket.recv(MEBIBYTE):
                    pass
        served.set()

    waits = [0.0]
    serving = Thread(target=serve)
    with RawConnection(gateway) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serving.start()
        while not served.is_set():
            began = clock()
            raw.send(HEAD + b"\r\n")
            assert raw.answer()[0] == 200
            waits.append(clock() - began)
            time.sleep(0.01)
    serving.join()
    return waits


@pytest.mark.parametrize(
    "request_of",
    [
        *LOADS,
        "lists as long as may be",
    ],
)
def test_d12_nothing_that_is_asked_blocks_a_worker_for_100_ms(
    gateway: GatewayProcess, request_of: str
) -> None:
    """The best of three: whatever else this machine does at the time is not our business (the time
    that it gives to others is left out, but they also cost each other their caches).
    """
    request = LOADS.get(request_of, LISTS)
    gap = 1.0
    for _ in range(3):
        gap = min(gap, max(gaps(gateway, request)))
        if gap < 0.1:
            break
    assert gap < 0.1


def worst(times: Sequence[float]) -> float:
    """The longest but one in a hundred."""
    return sorted(times)[-1 - len(times) // 100]


class Lags:
    """How late each piece of a stream came that says a word every 50 ms."""

    EVERY = 0.05

    def __init__(self, gateway: GatewayProcess, upstream: EmulatorProcess) -> None:
        self._gateway = gateway
        self._clock = Stopwatch(upstream.process.pid, *gateway.worker_pids())
        self._ended = Event()
        self._thread = Thread(target=self._listen)
        self.lags: list[float] = []

    def __enter__(self) -> "Lags":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _listen(self) -> None:
        content = steer("word " * 2000, chunks=2000, interval=self.EVERY)
        body = json.dumps({"stream": True, "messages": [{"role": "user", "content": content}]})
        with RawConnection(self._gateway) as raw:
            raw.send(posted(body.encode()))
            last = None
            while not self._ended.is_set():
                if b"data: " not in raw.socket.recv(65536):
                    continue
                now = self._clock()
                if last is not None:
                    self.lags.append(now - last - self.EVERY)
                last = now


def test_d12_beside_the_longest_bodies_health_and_streams_are_on_time(
    gateway: GatewayProcess, emulator: EmulatorProcess
) -> None:
    """The best of three, as above. Of the lag a part is the emulator's own."""
    for _ in range(3):
        waits: list[float] = []
        with Lags(gateway, emulator) as stream:
            wait_for(lambda: len(stream.lags) > 5, "the stream")
            for request in LONG.values():
                waits += gaps(gateway, request, 2)
        if worst(waits) < 0.1 and worst(stream.lags) < 0.1:
            break
    assert worst(waits) < 0.1
    assert worst(stream.lags) < 0.1
    wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "an empty house")


# --- a full house


def test_d13_above_max_runs_callers_are_refused_at_once_and_health_answers(
    gateway: GatewayProcess,
) -> None:
    body = json.dumps(
        {"stream": True, "messages": [{"role": "user", "content": steer("late", delay=20)}]}
    ).encode()
    with ExitStack() as house:
        for _ in range(MOST_RUNS):
            house.enter_context(RawConnection(gateway)).send(posted(body))
        wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == MOST_RUNS, "a full house")
        waits = []
        for _ in range(50):
            with RawConnection(gateway) as raw:
                began = time.monotonic()
                raw.send(posted(body))
                status, headers, said = raw.answer()
                waits.append(time.monotonic() - began)
                assert (status, error_of(said)["code"]) == (503, "too_many_runs")
                assert int(headers["retry-after"]) >= 1
        assert statistics.median(waits) < 0.1
        for path in ("/healthz", "/readyz", "/metrics", "/v1/models"):
            assert gateway.get(path).status_code == 200
    wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "an empty house")
    assert gateway.chat("room again").status_code == 200


@pytest.mark.parametrize("most_runs", [500, 600])
def test_d13_our_own_limit_lies_below_that_of_the_connections(
    tmp_path: Path, most_runs: int
) -> None:
    """Above it gunicorn answers nothing at all. Twice as many may connect as may run."""
    done = subprocess.run(
        [*procfile_command(), "--print-config"],
        cwd=ROOT,
        env=environment(str(tmp_path), MAX_RUNS=most_runs),
        capture_output=True,
        text=True,
        timeout=20,
    )
    found = re.search(r"^worker_connections += (\d+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    assert int(found[1]) >= 2 * most_runs
