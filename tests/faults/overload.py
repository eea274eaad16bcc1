"""Three times the load that there are places for: who is let in is served as ever.

Requests come by the clock, whatever became of those before. The gateway is told to hold as many
runs as it has places (MAX_RUNS), so nobody waits in line: the others are turned away at once.
"""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tests.faults.calls import Call, Order, ask
from tests.faults.processes import resident
from tests.faults.report import Report
from tests.support.emulator import running_emulator
from tests.support.gateway import running_gateway, wait_for

PLACES = 24
RUN = 0.6  # seconds
CAPACITY = PLACES / RUN  # requests a second
RECOVERY = 5.0


@dataclass(frozen=True, slots=True)
class Setting:
    """How long each part takes, and how much longer than promised a busy machine may take."""

    before: float
    seconds: float
    after: float
    slack: float


LONG = Setting(before=10, seconds=60, after=10, slack=1.0)
SHORT = Setting(before=2, seconds=4, after=2, slack=4.0)


def run(setting: Setting, seed: int = 0) -> Report:
    """Unloaded, overloaded, and after it."""
    report = Report(f"overload: {3 * CAPACITY:.0f}/s on {PLACES} places, {setting.seconds:g} s")
    with (
        running_emulator() as upstream,
        running_gateway(
            upstream,
            MIN_CREDENTIALS=3,
            MAX_CREDENTIALS=3,
            RUNS_PER_CREDENTIAL=PLACES // 3,
            MAX_RUNS=PLACES,
        ) as gateway,
        ThreadPoolExecutor(200) as pool,
    ):
        wait_for(lambda: gateway.metrics()['langfast_credentials{state="ready"}'] == 3, "accounts")
        load = Load(gateway.port, pool)
        unloaded = load.offer(CAPACITY / 4, setting.before)
        memory = resident(gateway.process.pid)
        loaded = load.offer(CAPACITY * 3, setting.seconds)
        grown = resident(gateway.process.pid) - memory
        stopped = time.time()
        after = load.offer(CAPACITY / 2, setting.after)
    _judge(report, unloaded, loaded, setting.slack)
    failed = [call.began - stopped for call in after if not call.whole]
    report.most("recovered after", max(failed, default=0.0), RECOVERY, "s")
    report.figure("resident memory grew by", f"{grown / 1e6:.1f} MB")
    return report


class Load:
    """Offers requests at a rate."""

    def __init__(self, port: int, pool: ThreadPoolExecutor) -> None:
        self._port = port
        self._pool = pool
        self._numbers = iter(range(10**9))

    def offer(self, rate: float, seconds: float) -> list[Call]:
        """So many a second for so long; the calls when the last has ended."""
        futures: list[Future[Call]] = []
        clock = threading.Event()
        began = time.monotonic()
        while (due := began + len(futures) / rate) < began + seconds:
            clock.wait(max(due - time.monotonic(), 0))
            futures.append(self._pool.submit(ask, self._port, _order(next(self._numbers))))
        return [future.result() for future in futures]


def _order(number: int) -> Order:
    chunks = 6
    reply = {"chunks": chunks, "interval": RUN / (chunks - 1)}
    return Order(f"n-{number}", f"n-{number} " + "word " * 20, number % 2 == 0, reply=reply)


def _judge(report: Report, unloaded: Sequence[Call], loaded: Sequence[Call], slack: float) -> None:
    served = [call for call in loaded if call.whole]
    shed = [call for call in loaded if call.status in (429, 503)]
    usual = p99(unloaded)
    report.none("unloaded: failed", [str(call) for call in unloaded if not call.whole])
    report.figure("unloaded: p99", f"{usual:.3f} s")
    report.figure("served, shed", f"{len(served)}, {len(shed)}")
    codes = Counter(call.code for call in shed)
    report.figure("  shed by", ", ".join(f"{count} × {code}" for code, count in codes.items()))
    others = [call for call in loaded if not call.whole and call not in shed]
    report.none("neither served nor shed", [str(call) for call in others])
    report.none(
        "served with another's text", [str(call) for call in served if call.text != call.order.text]
    )
    report.none("shed without Retry-After", [str(call) for call in shed if not call.retry_after])
    report.most("served: p99", p99(served), 2 * usual * slack, "s")
    report.most("shed: p99", p99(shed), 0.1 * slack, "s")
    # As many as there are places for, less what a machine that is busy elsewhere loses.
    share = len(served) / len(loaded)
    report.figure("served, of those that came", f"{share:.0%}", "about a third", share > 0.2)


def p99(calls: Sequence[Call]) -> float:
    """The 99th percentile of how long they took."""
    seconds = [call.seconds for call in calls]
    return statistics.quantiles(seconds, n=100)[98] if len(seconds) > 1 else sum(seconds)
