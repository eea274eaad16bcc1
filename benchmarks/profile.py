"""``python -m benchmarks profile``: where the worker's time goes under 300 streams, by py-spy.

Samples of a thread that waits for the kernel are left out, so the shares are shares of CPU time.
The profiler stops the worker for each sample: the figures of the load itself are not comparable.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import accounting, per_chunk
from benchmarks.client import Load
from benchmarks.lab import Lab
from benchmarks.orders import Order

LOAD = Load(300, Order(300, 0.04), ramp=2)
SECONDS = 8
RATE = 250
TOP = 20
_WAITING = "gevent/threadpool.py"  # native threads that wait for work, which py-spy takes for busy


def main(lab: Lab) -> None:
    """Put the load on, look, print."""
    gateway = lab.server("gateway")
    worker = accounting.tree(gateway.pid)[1]
    with ThreadPoolExecutor() as beside:
        load = beside.submit(lab.run, "gateway", LOAD)
        time.sleep(LOAD.ramp + 1)
        own, total = _shares(_samples(worker))
        cost = load.result().per_chunk
    print(f"{own.total()} samples; {cost:.0f} us of CPU per chunk, {LOAD.order.chunks} an answer")
    _print("itself", own, own.total(), cost)
    _print("with what it calls", total, own.total(), cost)
    print("\ncalls per chunk, counted")
    for name, rate in per_chunk.counted(lab).called(0.3):
        print(f"  {rate:6.2f}  {name}")


def _samples(pid: int) -> list[tuple[list[str], int]]:
    """Stacks, outermost first, and how often each was seen."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stacks"
        command = [str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(pid)]
        command += ["--format", "raw", "--function", "--rate", str(RATE), "--nonblocking"]
        command += ["--duration", str(SECONDS), "--output", str(path)]
        subprocess.run(command, check=True, capture_output=True)
        lines = path.read_text().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if _WAITING not in line)
    return [(stack.split(";"), int(count)) for stack, count in pairs]


def _shares(samples: list[tuple[list[str], int]]) -> tuple[Counter[str], Counter[str]]:
    """Per function: samples in which it ran itself, and in which it was on the stack."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for stack, count in samples:
        own[stack[-1]] += count
        for function in set(stack):
            total[function] += count
    return own, total


def _print(title: str, shares: Counter[str], samples: int, cost: float) -> None:
    print(f"\n{title}: share, microseconds per chunk")
    for function, count in shares.most_common(TOP):
        part = count / samples
        print(f"  {part:6.1%} {part * cost:5.1f}  {function}")
