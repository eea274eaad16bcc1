"""What one more chunk costs, in counts: see ``counting``.

An instrumented gateway serves short answers and long ones. The difference is what the additional
chunks cost, and whatever a request costs once drops out of it.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass

from benchmarks import processes
from benchmarks.client import Load
from benchmarks.counting import C_CALL, CALL
from benchmarks.lab import Lab
from benchmarks.orders import Order

CALLERS = 24
SHORT, LONG = 40, 120
_SUBJECT = "instrumented"


@dataclass(frozen=True, slots=True)
class PerChunk:
    """Counts of the additional chunks, and how long the longer load took.

    ``stages``: functions of the stages that a request enters that asks for none of them.
    """

    counts: Counter[str]
    seconds: float
    stages: float

    def rate(self, name: str, per: str = "events") -> float:
        """One count by another."""
        return self.counts[name] / self.counts[per]

    def calls(self, kind: str) -> float:
        """Functions entered per chunk: ``CALL`` Python's, ``C_CALL`` others."""
        whole = sum(count for name, count in self.counts.items() if name.startswith(kind))
        return whole / self.counts["events"]

    def called(self, least: float) -> list[tuple[str, float]]:
        """Functions that are entered so often per chunk, by their frequency."""
        rates = [(name, self.rate(name)) for name in self.counts if name.startswith((CALL, C_CALL))]
        return sorted((one for one in rates if one[1] >= least), key=lambda one: -one[1])


def counted(lab: Lab) -> PerChunk:
    """Start the instrumented gateway and let it serve."""
    command = [processes.gunicorn(), "-c", "python:benchmarks.instrumented"]
    command += processes.production()[1:]
    lab.adopt(_SUBJECT, lab.gateway(callers=CALLERS, command=command))
    lab.run(_SUBJECT, Load(CALLERS, Order(5, 0.02), ramp=0.2))
    (short, _), (long, seconds) = _run(lab, SHORT), _run(lab, LONG)
    additional = Counter({name: long[name] - short[name] for name in long})
    return PerChunk(additional, seconds, short["stages"] / CALLERS)


def _run(lab: Lab, chunks: int) -> tuple[Counter[str], float]:
    """What the gateway counted during answers of this length."""
    gateway = lab.server(_SUBJECT)
    load = Load(CALLERS, Order(chunks, 0.02), ramp=0.2)
    time.sleep(0.5)  # let what the load before left behind settle
    before, begun = Counter(json.loads(gateway.get("/bench/counts"))), time.monotonic()
    done = lab.run(_SUBJECT, load)
    after = Counter(json.loads(gateway.get("/bench/counts")))
    after.subtract(before)
    after["events"] = load.chunks
    after["written"] = done.reading.written
    return after, time.monotonic() - begun
