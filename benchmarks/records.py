"""What is kept of a round: the figures, not the samples. Saved as JSON, so that tables and plots
can be made again without measuring again.
"""

import json
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Self

from benchmarks import accounting
from benchmarks.figures import milliseconds
from benchmarks.lab import Round

SAVED = Path("build/benchmarks.json")


@dataclass(frozen=True, slots=True)
class Record:
    """One round. Times in milliseconds, shares in cores."""

    experiment: str
    subject: str
    callers: int
    per_chunk_us: float
    #: The part of it in the kernel.
    kernel_us: float
    per_request_ms: float
    lag_p50: float
    lag_p99: float
    lag_max: float
    first_p50: float
    added_p50: float
    #: Server-sent events per upstream chunk: below 1 where chunks were joined.
    events: float
    server: float
    upstream: float
    client: float
    others: float
    #: By how much the upstream was late, 99 of 100 steps.
    late_p99: float
    wall: float


def record(experiment: str, subject: str, done: Round) -> Record:
    """The figures of a round."""
    usage, reading, load = done.usage, done.reading, done.load
    return Record(
        experiment,
        subject,
        load.callers,
        done.per_chunk,
        usage.kernel / load.chunks * 1e6,
        done.per_request,
        milliseconds(reading.lags, 0.5),
        milliseconds(reading.lags, 0.99),
        milliseconds(reading.lags, 1.0),
        milliseconds(reading.first, 0.5),
        milliseconds(reading.added, 0.5),
        reading.events / load.chunks,
        usage.server / usage.wall,
        usage.upstream / usage.wall,
        usage.client / usage.wall,
        usage.others / usage.wall,
        done.late * 1e3,
        usage.wall,
    )


@dataclass(slots=True)
class Results:
    """All that one run of the benchmarks found."""

    machine: str = ""
    records: list[Record] = field(default_factory=list)
    #: Figures that no load gives: memory, the time of a start.
    others: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def new(cls) -> Self:
        """Of this machine, nothing found yet."""
        return cls(f"{accounting.machine()}, Python {platform.python_version()}")

    def of(self, experiment: str, subject: str) -> Iterator[Record]:
        """The rounds of one experiment on one subject."""
        for one in self.records:
            if (one.experiment, one.subject) == (experiment, subject):
                yield one

    def middle(self, experiment: str, subject: str, name: str) -> float | None:
        """The median of a figure over the rounds; None where it was not measured."""
        return middle(getattr(one, name) for one in self.of(experiment, subject))

    def save(self) -> None:
        """Write all to the file."""
        SAVED.parent.mkdir(exist_ok=True)
        SAVED.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def saved(cls) -> Self:
        """What the last run found."""
        found = json.loads(SAVED.read_text())
        records = [Record(**one) for one in found["records"]]
        return cls(found["machine"], records, found["others"])


def middle(values: Iterable[float]) -> float | None:
    """The median; None of nothing."""
    given = list(values)
    return median(given) if given else None
