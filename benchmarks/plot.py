"""The plot of growth, as SVG. Needs matplotlib: the extra ``bench``."""

from pathlib import Path

from benchmarks import growth
from benchmarks.records import Results


def draw(results: Results, path: Path) -> None:
    """CPU per chunk and lag over the load, CPU per chunk over the length of an answer."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    figure, (cost, lag, length) = pyplot.subplots(1, 3, figsize=(11, 3.4))
    loads = [load.callers * growth.PACE for load in growth.BY_STREAMS]
    streams = [f"{growth.STREAMS}: {load.callers}" for load in growth.BY_STREAMS]
    _line(cost, loads, _middles(results, streams, "per_chunk_us"), "o-", "gateway")
    cost.set(title="CPU per chunk", ylabel="microseconds", xlabel="chunks per second, one worker")
    _line(lag, loads, _middles(results, streams, "lag_p50"), "o-", "p50")
    _line(lag, loads, _middles(results, streams, "lag_p99"), "s-", "p99")
    lag.axhline(50, color="grey", linestyle=":", label="50 ms")
    lag.set(title="lag of a chunk", ylabel="milliseconds", xlabel="chunks per second, one worker")
    lag.set_yscale("log")
    lag.legend()
    chunks = [load.order.chunks for load in growth.BY_LENGTH]
    names = [f"{growth.LENGTH}: {count}" for count in chunks]
    _line(length, chunks, _middles(results, names, "per_chunk_us"), "o-", "gateway")
    length.set(title="CPU per chunk", ylabel="microseconds", xlabel="chunks per answer, 4 streams")
    length.set_yscale("log")
    for axes in (cost, lag, length):
        axes.set_xscale("log")
        axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _middles(results: Results, names: list[str], figure: str) -> list[float | None]:
    return [results.middle(name, "gateway", figure) for name in names]


def _line(axes: object, x: list[int], y: list[float | None], style: str, label: str) -> None:
    points = [(one, other) for one, other in zip(x, y, strict=True) if other is not None]
    if points:
        axes.plot(*zip(*points, strict=True), style, label=label)  # type: ignore[attr-defined]
