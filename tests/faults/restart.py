"""Restarting behind a proxy with streams open: none is lost silently, and nobody is refused.

Twice: by SIGHUP, which replaces the workers of one instance, and new requests do not notice it
before the drain is over; and by a second instance that takes over while the first is told to end,
and says so at once. A third of the streams end by themselves within the drain. The others outlive
it and are told so, early enough before the kill.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.calls import Call, Order, ask
from tests.faults.fronts import running_front
from tests.faults.report import Report
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for

STREAMS = 100
KILL_AFTER = 5.0  # gunicorn's graceful_timeout is DRAIN_SECONDS and this
AHEAD = 2.0
MARGIN = 1.5  # so long before DRAIN_SECONDS are over what is open is ended
CHUNK = 0.25  # seconds from one chunk to the next


@dataclass(frozen=True, slots=True)
class Setting:
    """How long open answers may go on, and behind which proxies."""

    drain: float
    fronts: tuple[str, ...]


LONG = Setting(drain=20, fronts=("nginx", "haproxy"))
SHORT = Setting(drain=4, fronts=("nginx",))


def run(setting: Setting, seed: int = 0) -> Report:
    """Both restarts, behind each proxy."""
    report = Report(f"restart: {STREAMS} streams each time, DRAIN_SECONDS={setting.drain:g}")
    for front in setting.fronts:
        with running_emulator() as upstream, _gateway(upstream, setting) as old:
            with running_front(front, old.port) as port:
                _restart(report, f"{front}, reload", port, old, signal.SIGHUP, setting)
            with (
                _gateway(upstream, setting) as new,
                running_front(front, old.port, new.port) as port,
            ):
                _restart(report, f"{front}, takeover", port, old, signal.SIGTERM, setting)
    return report


@contextmanager
def _gateway(upstream: EmulatorProcess, setting: Setting) -> Iterator[GatewayProcess]:
    with running_gateway(
        upstream,
        DRAIN_SECONDS=setting.drain,
        WEB_CONCURRENCY=2,
        MIN_CREDENTIALS=6,
        MAX_CREDENTIALS=6,
        RUNS_PER_CREDENTIAL=40,
    ) as gateway:
        wait_for(lambda: gateway.metrics()['langfast_credentials{state="ready"}'] == 6, "accounts")
        yield gateway


def _restart(
    report: Report,
    name: str,
    port: int,
    gateway: GatewayProcess,
    how: signal.Signals,
    setting: Setting,
) -> None:
    with ThreadPoolExecutor(STREAMS) as pool, Knocking(port) as knocking:
        calls = [pool.submit(ask, port, order) for order in _orders(name, setting)]
        _wait_for_texts(gateway, calls)
        told = time.time()
        gateway.process.send_signal(how)
        ended = [call.result() for call in calls]
    _judge(report, name, ended, told + setting.drain + KILL_AFTER)
    knocks = Counter(_answer(call) for call in knocking.calls)
    ending = told + (0 if how is signal.SIGTERM else setting.drain - MARGIN)
    bad = [str(call) for call in knocking.calls if not _served(call, ending)]
    shown = ", ".join(f"{count} × {answer}" for answer, count in knocks.most_common())
    report.figure(f"{name}: new requests meanwhile", shown)
    report.none(f"{name}: refused, or cut", bad)


def _orders(name: str, setting: Setting) -> list[Order]:
    lengths = (setting.drain / 2, setting.drain * 2, setting.drain * 3)
    return [
        Order(
            nonce=f"stream-{number}",
            text=f"{name} {number}: " + "word " * 200,
            reply={"chunks": round(lengths[number % 3] / CHUNK), "interval": CHUNK},
        )
        for number in range(STREAMS)
    ]


def _wait_for_texts(gateway: GatewayProcess, calls: list["Future[Call]"]) -> None:
    in_flight = "langfast_runs_in_flight"
    wait_for(lambda: gateway.metrics()[in_flight] >= STREAMS / 2, "the streams", 30)
    time.sleep(1)  # and for those that another instance serves: by now all have their first text


def _judge(report: Report, name: str, calls: list[Call], killed_at: float) -> None:
    whole = [call for call in calls if call.whole and call.text == call.order.text and call.done]
    told = [call for call in calls if call.code == "shutting_down" and call.done]
    lost = [f"{name}: {call}" for call in calls if call not in whole and call not in told]
    lost += [
        f"{name}: half an answer that is not its beginning: {call}"
        for call in told
        if not call.order.text.startswith(call.text) or call.reasons
    ]
    report.figure(f"{name}: whole, told", f"{len(whole)}, {len(told)}")
    report.none(f"{name}: lost silently", lost)
    if told:
        ahead = killed_at - max(call.errored for call in told)
        report.figure(
            f"{name}: told before the kill", f"{ahead:.2f} s", f"{AHEAD} s", ahead >= AHEAD
        )


def _answer(call: Call) -> str:
    return f"{call.status} {call.code or call.cut}".strip()


def _served(call: Call, ending: float) -> bool:
    """A new request is answered; or told in so many words to come again, where it meets an instance
    that ends, or the kept connection of a stream that its worker has just ended.
    """
    told = call.status == 503 and call.code == "shutting_down" and call.retry_after != ""
    may_be_told = call.ended > ending
    return (may_be_told and told) or (call.whole and call.text == call.order.text)


class Knocking:
    """Short requests one after the other, each over a connection of its own, to the end."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._knock, args=(at,)) for at in range(3)]
        self.calls: list[Call] = []

    def __enter__(self) -> "Knocking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _knock(self, at: int) -> None:
        number = 0
        while not self._ended.wait(0.05):
            number += 1
            nonce = f"knock-{at}-{number}"
            self.calls.append(ask(self._port, Order(nonce, nonce, streamed=number % 2 == 0)))
