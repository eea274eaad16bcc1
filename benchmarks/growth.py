"""How cost and lag grow: with the number of streams, and with the length of the answers."""

import sys

from benchmarks.client import Load
from benchmarks.figures import describe
from benchmarks.lab import Lab
from benchmarks.orders import Order
from benchmarks.records import Results, record

STREAMS = "growth by streams"
LENGTH = "growth by length"
PACE = 25


def _streams(count: int) -> Load:
    """A load of about the same length whatever the number."""
    return Load(count, Order(100, 1 / PACE), ramp=min(count / 150, 4.0), patience=120)


def _length(chunks: int) -> Load:
    return Load(4, Order(chunks, 0.004), answers=max(1000 // chunks, 1), ramp=0.1, patience=180)


BY_STREAMS = tuple(_streams(count) for count in (1, 10, 100, 300, 600, 1000))
BY_LENGTH = tuple(_length(chunks) for chunks in (100, 1_000, 10_000))


def run(lab: Lab, results: Results, rounds: int) -> None:
    """All rows. Raises WrongAnswer."""
    for at in range(rounds):
        for load in BY_STREAMS:
            _run(lab, results, f"{STREAMS}: {load.callers}", load)
        for load in BY_LENGTH if at == 0 else ():
            _run(lab, results, f"{LENGTH}: {load.order.chunks}", load)


def _run(lab: Lab, results: Results, name: str, load: Load) -> None:
    done = lab.run("gateway", load)
    results.records.append(record(name, "gateway", done))
    print(f"  {describe('gateway', done)}", file=sys.stderr, flush=True)
