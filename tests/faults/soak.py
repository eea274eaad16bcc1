"""A long steady load over tokens and sockets that are short-lived: nothing fails, nothing grows.

The gateway replaces its sockets a little before the upstream would cut them; runs that go on longer
than the socket they began on are cut with it, and must be whole all the same.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tests.faults.calls import Call, Order, ask
from tests.faults.orders import orders
from tests.faults.processes import Held, held
from tests.faults.report import Report, say
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for

ACCOUNTS = 6
CALLERS = 16
LEAVERS = 0.05
SPREAD = 2  # of what is held at the end, against the baseline
# A process's memory is not a smooth line: less than this in a whole soak is no growth.
NOISE = 4e6


@dataclass(frozen=True, slots=True)
class Setting:
    """Durations in seconds."""

    warm_up: float
    load: float
    token: int
    socket: float  # when the upstream cuts it
    replaced: float  # SOCKET_MAX_AGE; the gateway looks once a second
    longest: float  # run


LONG = Setting(warm_up=90, load=600, token=60, socket=30, replaced=24, longest=40)
SHORT = Setting(warm_up=4, load=24, token=6, socket=4, replaced=2, longest=5)


def lasting(setting: Setting, minutes: float) -> Setting:
    """The same for another time."""
    return replace(setting, load=minutes * 60)


@dataclass(frozen=True, slots=True)
class State:
    """What a gateway at rest holds."""

    held: Held
    series: dict[str, float]
    sockets_upstream: int

    @classmethod
    def of(cls, gateway: GatewayProcess, upstream: EmulatorProcess) -> "State":
        """Now."""
        series = gateway.metrics()
        return cls(held(gateway.process.pid), series, upstream.stats()["sockets_open"])

    @property
    def credentials(self) -> float:
        """All of them, whatever their state."""
        found = (at for at in self.series if at.startswith("langfast_credentials{"))
        return sum(self.series[at] for at in found)


def run(setting: Setting, seed: int = 0) -> Report:
    """Warm-up, a rest for the baseline, the load, a rest for the end."""
    report = Report(f"soak: {setting.load:g} s, {CALLERS} callers (seed {seed})")
    source = orders(random.Random(seed), "soak", longest=setting.longest, leavers=LEAVERS)
    lock = threading.Lock()

    def next_order() -> Order:
        with lock:
            return next(source)

    with (
        running_emulator(
            *("--token-lifetime", str(setting.token)), *("--socket-lifetime", str(setting.socket))
        ) as upstream,
        running_gateway(
            upstream,
            MIN_CREDENTIALS=ACCOUNTS,
            MAX_CREDENTIALS=ACCOUNTS,
            SOCKET_MAX_AGE=setting.replaced,
            WEB_CONCURRENCY=2,
        ) as gateway,
    ):
        load = Load(gateway, next_order)
        _fill_connections(gateway, upstream)
        calls = load.run(setting.warm_up)
        baseline = _at_rest(gateway, upstream)
        before = upstream.stats()
        samples = Samples(gateway.process.pid)
        with samples:
            calls += load.run(setting.load)
        end = _at_rest(gateway, upstream)
        done = {name: value - before[name] for name, value in upstream.stats().items()}
    _failures(report, calls)
    report.figure("tokens refreshed, sockets connected", f"{done['refreshes']}, {done['connects']}")
    report.most("sign-ups behind the start", done["sign_ups"], 0)
    _memory(report, samples, setting)
    _compare(report, baseline, end)
    return report


def _fill_connections(gateway: GatewayProcess, upstream: EmulatorProcess) -> None:
    """More starts at once than the load will ever make: their connections are kept from then on."""
    assert gateway.chat("once, so that the gateway knows that there are job ids").ok
    upstream.faults(start={"hang": 1})
    with ThreadPoolExecutor(2 * CALLERS) as pool:
        burst = [Order(f"burst-{number}", "x") for number in range(2 * CALLERS)]
        calls = list(pool.map(lambda order: ask(gateway.port, order), burst))
    upstream.clear_faults()
    assert all(call.whole for call in calls), [str(call) for call in calls]


class Load:
    """Callers that ask one thing after the other."""

    def __init__(self, gateway: GatewayProcess, next_order: Callable[[], Order]) -> None:
        self._port = gateway.port
        self._next_order = next_order

    def run(self, seconds: float) -> list[Call]:
        """For so long; what is under way then is awaited."""
        until = time.monotonic() + seconds

        def caller(_: int) -> list[Call]:
            found = []
            while time.monotonic() < until:
                found.append(ask(self._port, self._next_order()))
            return found

        with ThreadPoolExecutor(CALLERS) as pool:
            return [call for calls in pool.map(caller, range(CALLERS)) for call in calls]


class Samples:
    """Looks at the workers once a second."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.found: list[tuple[float, Held]] = []

    def __enter__(self) -> "Samples":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def _look(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(1.0):
            now = time.monotonic() - began
            self.found.append((now, held(self._master)))
            if len(self.found) % 60 == 0:
                memory = self.found[-1][1].memory / 1e6
                say(f"  {now / 60:.0f} min: {memory:.1f} MB resident")

    def slope(self) -> float:
        """Bytes a second, by least squares."""
        if len(self.found) < 3:
            return 0.0
        times, looks = zip(*self.found, strict=True)
        return statistics.linear_regression(times, [look.memory for look in looks]).slope


def _at_rest(gateway: GatewayProcess, upstream: EmulatorProcess) -> State:
    """When nothing runs any more, also upstream, and connections that idle have been closed."""
    wait_for(lambda: not upstream.stats()["runs_active"], "the runs upstream to end", 120)
    wait_for(lambda: not gateway.metrics()["langfast_leases"], "the places to be free", 30)
    wait_for(lambda: upstream.stats()["sockets_open"] == ACCOUNTS, "old sockets to be closed", 60)
    return State.of(gateway, upstream)


def _failures(report: Report, calls: Sequence[Call]) -> None:
    left = sum(call.left for call in calls)
    report.figure("requests, of which left", f"{len(calls)}, {left}")
    wrongs = [str(call) for call in calls if not (call.left or call.whole)]
    report.none("unexpected failures", wrongs)
    mixed = [call for call in calls if not call.order.text.startswith(call.text)]
    mixed += [call for call in calls if call.whole and call.text != call.order.text]
    report.none("wrong texts", [str(call) for call in mixed])


def _memory(report: Report, samples: Samples, setting: Setting) -> None:
    slope, last = samples.slope(), samples.found[-1][1].memory
    grown = slope * setting.load
    report.figure("resident memory of two workers", f"{last / 1e6:.1f} MB")
    hourly = slope * 3600
    # Short samples say nothing about an hour, so only a long soak is judged: 5 % an hour.
    kept = hourly < 0.05 * last or grown < NOISE if setting.load >= 600 else None
    report.figure("  slope", f"{hourly / 1e6:+.1f} MB/h", "5 % an hour", kept)


def _compare(report: Report, baseline: State, end: State) -> None:
    for name, before, after in (
        ("file descriptors", baseline.held.descriptors, end.held.descriptors),
        ("threads", baseline.held.threads, end.held.threads),
        ("sockets", baseline.series["langfast_sockets"], end.series["langfast_sockets"]),
        ("sockets as the upstream sees it", baseline.sockets_upstream, end.sockets_upstream),
        ("credentials", baseline.credentials, end.credentials),
    ):
        kept = abs(after - before) <= SPREAD
        report.figure(f"{name}: before, at the end", f"{before:g}, {after:g}", f"± {SPREAD}", kept)
    for series in ("langfast_runs_in_flight", "langfast_leases", "langfast_queue_length"):
        report.most(f"{series} at the end", end.series[series], 0)
