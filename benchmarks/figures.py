"""Rounds to figures, and figures to words."""

from collections.abc import Iterable

from benchmarks.lab import Round


def share(values: Iterable[float], part: float) -> float:
    """The value below which this part of them lies; not a number where there are none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else float("nan")


def milliseconds(values: Iterable[float], part: float) -> float:
    """The same of seconds, in milliseconds."""
    return share(values, part) * 1e3


def describe(subject: str, done: Round) -> str:
    """A round in one line."""
    load, reading = done.load, done.reading
    if load.stream:
        asked = f"{load.callers} x {1 / load.order.interval:.0f}/s x {load.order.chunks}"
        cost = f"{done.per_chunk:6.1f} us/chunk"
    else:
        asked = f"{load.callers} unstreamed"
        cost = f"{done.per_request:6.2f} ms/request"
    words = [f"{subject:8} {asked:20} {cost}"]
    if load.stream and reading.lags:
        words.append(f"lag p50 {milliseconds(reading.lags, 0.5):.1f}")
        words.append(f"p99 {milliseconds(reading.lags, 0.99):.1f} ms")
    if reading.added and load.callers == 1:
        words.append(f"first token +{milliseconds(reading.added, 0.5):.1f} ms")
    return ", ".join([*words, cores(done)])


def cores(done: Round) -> str:
    """Who used how much of the machine."""
    usage = done.usage
    parts = {
        "server": usage.server,
        "upstream": usage.upstream,
        "client": usage.client,
        "others": usage.others,
    }
    said = ", ".join(f"{name} {spent / usage.wall:.2f}" for name, spent in parts.items())
    return f"cores: {said}"
