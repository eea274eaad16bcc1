"""The table of targets: what must be reached, what was measured."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.lab import RTT
from benchmarks.records import Results, middle

Figure = Callable[[Results], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """One row. ``most`` must be kept to, ``aim`` is the second figure; lower is better."""

    work: str
    unit: str
    most: float
    figure: Figure
    aim: float | None = None
    naive: Figure | None = None
    floor: Figure | None = None


def _of(experiment: str, subject: str, name: str) -> Figure:
    return lambda results: results.middle(experiment, subject, name)


def _compared(
    work: str,
    unit: str,
    most: float,
    experiment: str,
    name: str,
    *,
    aim: float | None = None,
    subject: str = "gateway",
) -> Target:
    """A row of which both references have a figure."""
    figure, naive, floor = (_of(experiment, one, name) for one in (subject, "naive", "floor"))
    return Target(work, unit, most, figure, aim, naive, floor)


def _other(name: str) -> Figure:
    return lambda results: middle(results.others.get(name, []))


TARGETS = (
    _compared(
        "CPU per chunk: 300 streams on 8 accounts, 25 chunks/s, answers of 150 chunks",
        "us",
        45,
        "300 streams",
        "per_chunk_us",
        aim=30,
        subject="gateway, 8 accounts",
    ),
    _compared(
        "the same on 38 accounts (8 runs on each, the default)",
        "us",
        45,
        "300 streams",
        "per_chunk_us",
        aim=30,
    ),
    _compared(
        "CPU per chunk: 40 streams, 50 chunks/s, answers of 50 chunks",
        "us",
        85,
        "40 streams",
        "per_chunk_us",
        aim=60,
    ),
    _compared(
        "CPU per chunk: answers of 1,600 chunks (96 KB, cumulative), 10 streams, 200 chunks/s",
        "us",
        90,
        "long answers",
        "per_chunk_us",
    ),
    _compared(
        "CPU per unstreamed request, 24 callers",
        "ms",
        1.2,
        "unstreamed",
        "per_request_ms",
    ),
    Target(
        "first token, one caller, RTT 0: added p50",
        "ms",
        3,
        figure=_of("first token", "gateway", "added_p50"),
        naive=_of("first token", "naive", "added_p50"),
    ),
    Target(
        f"first token, one caller, RTT {RTT * 1e3:.0f} ms: added p50",
        "ms",
        RTT * 1e3 + 5,
        figure=_of("first token, far", "gateway, far", "added_p50"),
        naive=_of("first token, far", "naive, far", "added_p50"),
    ),
    Target(
        "300 streams on one worker, 25 chunks/s: lag p99",
        "ms",
        50,
        figure=_of("300 streams", "gateway", "lag_p99"),
    ),
    Target(
        "600 streams on one worker, 25 chunks/s: lag p99 (aim)",
        "ms",
        50,
        figure=_of("600 streams", "gateway", "lag_p99"),
    ),
    Target(
        "1,000 streams on two workers, 5 chunks/s: lag p99",
        "ms",
        50,
        figure=_of("1,000 streams, two workers", "gateway, two workers", "lag_p99"),
    ),
    Target("memory of a worker with the tokenizer", "MB", 110, figure=_other("worker MB")),
    Target("memory per idle stream", "KB", 25, figure=_other("KB per idle stream")),
    Target(
        "start to first answer",
        "s",
        1.5,
        figure=_other("start s"),
        naive=_other("naive start s"),
    ),
)
