"""Callers that leave: how soon their places are free again, in each of the three windows.

Before the first event, in mid-stream, and while an unstreamed answer is waited for. Half of them
close their connection, half reset it. The runs go on upstream, as runs do that cannot be cancelled.
"""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.report import Report
from tests.support.emulator import running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import steer

LIMIT = 2.0
SLOWEST_READINESS = 0.1
WINDOWS: dict[str, tuple[bool, dict[str, Any]]] = {
    "before the first event": (True, {"delay": 600}),
    "in mid-stream": (True, {"chunks": 300, "interval": 1}),
    "unstreamed": (False, {"chunks": 300, "interval": 1}),
}
"""Whether they stream, and what they asked for."""
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Setting:
    """How many leave in each window, and how much longer than promised a busy machine may take."""

    callers: int
    slack: float


LONG = Setting(callers=334, slack=1.0)
SHORT = Setting(callers=60, slack=2.0)


def run(setting: Setting, seed: int = 0) -> Report:
    """All three windows, one after the other."""
    accounts = 10
    report = Report(f"leavers: {3 * setting.callers} callers that leave")
    with (
        running_emulator() as upstream,
        running_gateway(
            upstream,
            MIN_CREDENTIALS=accounts,
            MAX_CREDENTIALS=accounts,
            RUNS_PER_CREDENTIAL=-(-setting.callers // accounts),
        ) as gateway,
    ):
        wait_for(lambda: census(gateway)["ready"] == accounts, "the accounts")
        gateway.chat("once, so that the gateway knows that there are job ids")
        for window in WINDOWS:
            callers = _callers(gateway, window, setting.callers)
            with Readiness(gateway.port) as readiness:
                free, seen = _leave(gateway, callers)
            report.most(f"{window}: places back", free, LIMIT * setting.slack, "s")
            report.figure("  the metrics say so", f"{seen:.2f} s")
            limit = SLOWEST_READINESS * setting.slack
            report.most("  slowest /readyz meanwhile", readiness.slowest, limit, "s")
    return report


def census(gateway: GatewayProcess) -> dict[str, int]:
    """Accounts by state, places taken and callers in line, of a gateway with one worker."""
    return dict(gateway.get("/readyz").json()["langfast"]["credentials"])


def _callers(gateway: GatewayProcess, window: str, count: int) -> list[socket.socket]:
    """Callers whose runs are under way."""
    callers = [_caller(gateway.port, window, number) for number in range(count)]
    wait_for(lambda: _in_flight(gateway) == (count, count), f"{count} runs", 60)
    if window == "in mid-stream":
        for caller in callers:
            _read_text(caller)
    return callers


def _leave(gateway: GatewayProcess, callers: list[socket.socket]) -> tuple[float, float]:
    """Seconds from the last departure until no place is taken; and until the metrics say so."""
    for number, caller in enumerate(callers):
        if number % 2:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        caller.close()
    departed = time.monotonic()
    free = _seconds_until(lambda: _in_flight(gateway) == (0, 0), departed)
    return free, _seconds_until(lambda: not gateway.metrics()["langfast_leases"], departed)


def _seconds_until(condition: Callable[[], bool], since: float) -> float:
    """How long it took to come true; half a minute where it did not."""
    while not condition() and time.monotonic() - since < 30:
        time.sleep(0.02)
    return time.monotonic() - since


def _in_flight(gateway: GatewayProcess) -> tuple[int, int]:
    answer = gateway.get("/readyz").json()
    return answer["runs_in_flight"], answer["langfast"]["credentials"]["taken"]


def _caller(port: int, window: str, number: int) -> socket.socket:
    streamed, reply = WINDOWS[window]
    content = steer(f"{window} {number} " + "word " * 300, **reply)
    message = {"role": "user", "content": content}
    body = json.dumps({"stream": streamed, "messages": [message]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    caller = socket.create_connection(("127.0.0.1", port), 30)
    caller.sendall(head.encode() + body)
    return caller


def _read_text(caller: socket.socket) -> None:
    seen = b""
    while not re.search(rb'"content":"[^"]', seen):
        piece = caller.recv(65536)
        assert piece, f"closed after {seen[-500:]!r}"
        seen += piece


class Readiness:
    """Asks ``/readyz`` all the time, from a connection of its own; remembers the slowest answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.slowest = 0.0

    def __enter__(self) -> "Readiness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def _ask(self) -> None:
        request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        while not self._ended.wait(0.02):
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", self._port), 30) as asking:
                asking.sendall(request)
                while asking.recv(65536):
                    pass
            self.slowest = max(self.slowest, time.monotonic() - began)
