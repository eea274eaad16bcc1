"""What processes used, by the operating system's books."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def cpu(pid: int) -> float:
    """Seconds of CPU, user and system, that a process and all below it have used."""
    return sum(map(_of_one, tree(pid)))


def _of_one(pid: int) -> float:
    """To the nanosecond where the kernel says it, else to its tick of 10 ms."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, ValueError, IndexError):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


def pss(pid: int) -> int:
    """Bytes of memory of one process, pages that are shared counted in parts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(line)


@dataclass(slots=True)
class Usage:
    """CPU seconds and wall time of a stretch."""

    server: float = 0.0
    #: The part of it in the kernel, to its tick.
    kernel: float = 0.0
    upstream: float = 0.0
    client: float = 0.0
    #: Everything else on this machine.
    others: float = 0.0
    wall: float = 0.0


@contextmanager
def metered(server: int, upstream: int) -> Iterator[Usage]:
    """Measure the block; the figures are there after it."""
    usage = Usage()
    before = _now(server, upstream)
    yield usage
    spent = [after - then for after, then in zip(_now(server, upstream), before, strict=True)]
    usage.server, usage.kernel, usage.upstream, usage.client, machine, usage.wall = spent
    usage.others = max(machine - usage.server - usage.upstream - usage.client, 0.0)


def _now(server: int, upstream: int) -> tuple[float, ...]:
    times = psutil.cpu_times()
    machine = sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
    kernel = sum(float(psutil.Process(pid).cpu_times().system) for pid in tree(server))
    return (cpu(server), kernel, cpu(upstream), time.process_time(), machine, time.monotonic())


def machine() -> str:
    """What this runs on, in a few words."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores ({names[0] if names else 'unknown'}), {memory:.0f} GiB"
