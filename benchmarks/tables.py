"""Tables, for a terminal and for Markdown alike."""

from collections.abc import Sequence
from statistics import median

from benchmarks.records import Record, Results
from benchmarks.targets import TARGETS, Target

Rows = list[list[str]]


def targets(results: Results) -> Rows:
    """The table of targets."""
    head = ["work", "gateway", "target", "aim", "naive", "ratio", "floor", "ratio", "verdict"]
    return [head, *(_target(one, results) for one in TARGETS)]


def _target(target: Target, results: Results) -> list[str]:
    figure = target.figure(results)
    naive = target.naive(results) if target.naive else None
    floor = target.floor(results) if target.floor else None
    return [
        target.work,
        _said(figure, target.unit),
        _said(target.most, target.unit),
        _said(target.aim, target.unit),
        _said(naive, target.unit),
        _ratio(figure, naive),
        _said(floor, target.unit),
        _ratio(figure, floor),
        _verdict(figure, target),
    ]


def _verdict(figure: float | None, target: Target) -> str:
    if figure is None:
        return "not measured"
    if figure > target.most:
        return "MISSED"
    return "pass" if target.aim is None or figure > target.aim else "pass, aim reached"


def _said(figure: float | None, unit: str) -> str:
    if figure is None:
        return "–"
    return f"{figure:.0f} {unit}" if figure >= 20 else f"{figure:.3g} {unit}"


def _ratio(figure: float | None, other: float | None) -> str:
    return f"x {figure / other:.2f}" if figure and other else "–"


def rounds(results: Results, experiments: Sequence[str] | None = None) -> Rows:
    """Medians of all that was measured, and who used how much of the machine."""
    head = [
        "load",
        "subject",
        "callers",
        "us/chunk",
        "in kernel",
        "ms/request",
        "lag p50",
        "p99",
        "max",
    ]
    head += ["events/chunk", "server", "upstream", "client", "others", "upstream late"]
    keys = dict.fromkeys((one.experiment, one.subject) for one in results.records)
    wanted = [key for key in keys if experiments is None or key[0] in experiments]
    return [head, *(_round(list(results.of(*key))) for key in wanted)]


def _round(records: list[Record]) -> list[str]:
    one = records[0]

    def of(name: str) -> float:
        return float(median(getattr(record, name) for record in records))

    return [
        one.experiment,
        one.subject,
        str(one.callers),
        f"{of('per_chunk_us'):.0f}",
        f"{of('kernel_us'):.0f}",
        f"{of('per_request_ms'):.2f}",
        *(_lag(of(name)) for name in ("lag_p50", "lag_p99", "lag_max")),
        f"{of('events'):.2f}" if of("events") else "–",
        *(f"{of(name):.2f}" for name in ("server", "upstream", "client", "others")),
        "–" if one.subject == "floor" else f"{of('late_p99'):.1f}",
    ]


def _lag(figure: float) -> str:
    return "–" if figure != figure else f"{figure:.1f}"


def plain(rows: Rows) -> str:
    """In columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def markdown(rows: Rows) -> str:
    """As a table of Markdown."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
