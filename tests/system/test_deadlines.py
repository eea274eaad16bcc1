"""Every deadline is a setting, and fires within a tenth of what it is set to. What comes of it, and
what a caller can do about it, stands with the faults that it is for.

A table: the setting, and how its moment is measured from outside, by a clock that starts where the
setting's own does. Each measurement has a gateway to itself, in which nothing else is set.

What is looked at by a clock that ticks may be found out a tick later. That ticks ten times within
the shortest of the deadlines, once a second at the least: so it takes up the tenth, and a few
hundredths are granted for starting and asking. A machine that is busy with other things may be late
for reasons of its own, so a measurement that fails is made anew, twice at the most.
"""

import array
import fcntl
import json
import re
import signal
import socket
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import ROOT, GatewayProcess, running_gateway, wait_for
from tests.support.raw import RawConnection, post
from tests.support.stream import steer

ASKING = 0.05
DRAIN_MARGIN = 1.5  # open answers hear of the end so much before it, for their event to leave
ATTEMPTS = 3

Settings = dict[str, Any]
Measure = Callable[[EmulatorProcess, Settings], float]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A setting, what it is set to, and how long it took to fire."""

    setting: str
    seconds: float
    measure: Measure
    slack: float = ASKING


class Silent:
    """Somebody who listens and never says a word; times how long each caller has patience."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.patience: list[float] = []

    def listen(self) -> None:
        """Until it is closed."""
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            began = time.monotonic()
            threading.Thread(target=self._time, args=(caller, began), daemon=True).start()

    def close(self) -> None:
        """No more callers."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _time(self, caller: socket.socket, began: float) -> None:
        with caller:
            try:
                while caller.recv(65536):
                    pass
            except OSError:
                pass
            self.patience.append(time.monotonic() - began)


@contextmanager
def silent() -> Iterator[Silent]:
    one = Silent()
    threading.Thread(target=one.listen, daemon=True).start()
    try:
        yield one
    finally:
        one.close()


def patience(upstream: EmulatorProcess, address: str, settings: Settings) -> float:
    """How long the gateway waits for a word from there."""
    with (
        silent() as nobody,
        running_gateway(upstream, ready=False, **{address: nobody.url}, **settings),
    ):
        wait_for(lambda: nobody.patience, "it to be given up")
        return nobody.patience[0]


def sign_up(upstream: EmulatorProcess, settings: Settings) -> float:
    return patience(upstream, "SUPABASE_URL", settings)


def connect(upstream: EmulatorProcess, settings: Settings) -> float:
    return patience(upstream, "SOCKET_URL", settings)


# --- what a caller sees


def seconds_until(gateway: GatewayProcess, status: int, content: str, **fields: object) -> float:
    """From asking to the head of this answer."""
    began = time.monotonic()
    response = gateway.chat(content, **fields)
    spent = time.monotonic() - began
    assert response.status_code == status, response.text
    response.close()
    return spent


def start(upstream: EmulatorProcess, settings: Settings) -> float:
    with running_gateway(upstream, **settings) as gateway:
        return seconds_until(gateway, 504, steer("x", fault="start-hang", seconds=20))


def first_event(upstream: EmulatorProcess, settings: Settings) -> float:
    with running_gateway(upstream, **settings) as gateway:
        return seconds_until(gateway, 200, steer("x", delay=20), stream=True)


def whole_run(upstream: EmulatorProcess, settings: Settings) -> float:
    content = steer("again and ", chunks=2, interval=0.05, fault="endless")
    with running_gateway(upstream, **settings) as gateway:
        return seconds_until(gateway, 504, content)


def queue(upstream: EmulatorProcess, settings: Settings) -> float:
    narrow = {"MIN_CREDENTIALS": 1, "MAX_CREDENTIALS": 1, "RUNS_PER_CREDENTIAL": 1}
    with running_gateway(upstream, **narrow, **settings) as gateway:
        long = gateway.chat(steer("word " * 20, chunks=20, interval=0.5), stream=True)
        spent = seconds_until(gateway, 503, "x")
        long.close()
        return spent


class Lines:
    """The lines of a stream, each with the moment at which it came."""

    def __init__(self, gateway: GatewayProcess, content: str) -> None:
        response = gateway.chat(content, stream=True)
        self.timed = [(time.monotonic(), line.decode()) for line in response.iter_lines(1) if line]

    def moments(self, words: str) -> list[float]:
        """Of the lines that hold these words."""
        return [moment for moment, line in self.timed if words in line]


def idle(upstream: EmulatorProcess, settings: Settings) -> float:
    """From the last text to the error event."""
    with running_gateway(upstream, **settings) as gateway:
        content = steer("one two three", chunks=3, interval=0.05, fault="silent", at=2)
        lines = Lines(gateway, content)
    (error,) = lines.moments('"upstream_timeout"')
    return error - lines.moments('"content":"')[-1]


def heartbeat(upstream: EmulatorProcess, settings: Settings) -> float:
    """From one comment to the next."""
    with running_gateway(upstream, FIRST_BYTE_TIMEOUT=0.1, **settings) as gateway:
        pings = Lines(gateway, steer("x", delay=5.5, chunks=1)).moments(": ping")
    return pings[1] - pings[0]


def body(upstream: EmulatorProcess, settings: Settings) -> float:
    with running_gateway(upstream, **settings) as gateway, RawConnection(gateway) as raw:
        began = time.monotonic()
        raw.send(post({"Content-Length": 100}) + b'{"mess')
        assert raw.answer()[0] == 408
        return time.monotonic() - began


def unread(connection: socket.socket) -> int:
    """Bytes that wait to be read."""
    size = array.array("i", [0])
    fcntl.ioctl(connection, termios.FIONREAD, size)
    return size[0]


def write(upstream: EmulatorProcess, settings: Settings) -> float:
    """From the first byte of what is too long for all buffers until the run is over."""
    # Six bytes on the wire for one of the text.
    content = steer("\u0001" * 1_300_000, chunks=1, delay=0.5)
    message = {"role": "user", "content": content}
    asked = json.dumps({"stream": True, "messages": [message]}).encode()
    with (
        running_gateway(upstream, FIRST_BYTE_TIMEOUT=0.1, **settings) as gateway,
        RawConnection(gateway) as raw,
    ):
        raw.send(post({"Content-Length": len(asked)}) + asked)
        while b"data: " not in raw.socket.recv(65536):
            pass
        wait_for(lambda: unread(raw.socket) > 100_000, "the text")
        began = time.monotonic()
        wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "it to be cut off")
        return time.monotonic() - began


def drain(upstream: EmulatorProcess, settings: Settings) -> float:
    """From the signal to the error event, and the margin."""
    with running_gateway(upstream, **settings) as gateway:
        told: list[float] = []

        def tell() -> None:
            told.append(time.monotonic())
            gateway.process.send_signal(signal.SIGTERM)

        threading.Timer(0.5, tell).start()
        lines = Lines(gateway, steer("word " * 400, chunks=400, interval=0.05))
        (error,) = lines.moments('"shutting_down"')
        return error - told[0] + DRAIN_MARGIN


DEADLINES = [
    Deadline("CONNECT_TIMEOUT", 2, connect),
    Deadline("SIGNUP_TIMEOUT", 2, sign_up),
    Deadline("START_TIMEOUT", 3, start),
    Deadline("FIRST_BYTE_TIMEOUT", 3, first_event),
    Deadline("RUN_IDLE_TIMEOUT", 3, idle),
    Deadline("RUN_TIMEOUT", 3, whole_run),
    Deadline("QUEUE_TIMEOUT", 2, queue),
    Deadline("BODY_TIMEOUT", 2, body),
    Deadline("WRITE_TIMEOUT", 3, write, ASKING * 2),
    Deadline("HEARTBEAT_SECONDS", 2, heartbeat),
    # The signal is found out within 0.2 s; then the drain is looked at ten times a second.
    Deadline("DRAIN_SECONDS", 4, drain, 0.2 + 0.1 + ASKING),
]


@pytest.mark.parametrize("deadline", DEADLINES, ids=lambda deadline: deadline.setting)
def test_a_deadline_fires_within_a_tenth_of_its_setting(
    emulator: EmulatorProcess, deadline: Deadline
) -> None:
    settings = {deadline.setting: deadline.seconds}
    earliest, latest = deadline.seconds * 0.9, deadline.seconds * 1.1 + deadline.slack
    measured: list[float] = []
    while len(measured) < ATTEMPTS:
        measured.append(deadline.measure(emulator, settings))
        if earliest <= measured[-1] <= latest:
            return
    pytest.fail(f"set to {deadline.seconds} s, fired after {measured}")


def test_no_deadline_is_missing_in_the_table() -> None:
    names = re.findall(r"^#? ?(\w+_TIMEOUT)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert names
    assert set(names) <= {deadline.setting for deadline in DEADLINES}
