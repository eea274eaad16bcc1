"""``python -m benchmarks quick``: half a minute for every change.

Figures are printed and judged by nobody: they are as noisy as the machine. What fails is only what
noise cannot cause: a wrong answer, and more work per chunk than the design allows.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import per_chunk
from benchmarks.client import Load
from benchmarks.counting import C_CALL, CALL
from benchmarks.figures import describe
from benchmarks.lab import Lab
from benchmarks.orders import Order
from benchmarks.per_chunk import PerChunk

# What goes on beside the chunks: ticks of the clock for each waiting stream, of the keeper, of
# gunicorn and of gevent, per second.
BACKGROUND = 40.0
SLACK = 0.01
# One look at what a request asks for (tools, JSON, past calls in its one message), and the putting
# together of nothing.
STAGES_PER_REQUEST = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """What may happen how often."""

    says: str
    count: str
    per: str = "events"
    most: float = 0.0

    def allowed(self, found: PerChunk) -> float:
        """With what goes on beside the chunks."""
        if self.per != "events":
            return self.most
        return self.most + SLACK + found.seconds * BACKGROUND / found.counts["events"]


RULES = (
    Rule("greenlets or threads started", "greenlets"),
    Rule("metric calls", "metrics"),
    Rule("log calls", "logs"),
    Rule("looks at settings", "settings"),
    Rule("functions of stages unasked for", "stages"),
    Rule("greenlets woken for the socket", "reader_wakes", most=1.0),
    Rule("greenlets woken for the stream", "other_wakes", most=1.0),
    Rule("sends to the caller", "sends", most=1.0),
    Rule("pieces that the caller received", "written", most=1.0),
    Rule("bytes decoded per byte received", "decoded", per="received", most=1.0),
)

LOADS = (
    ("gateway", Load(300, Order(50, 0.04), ramp=1.0)),
    ("naive", Load(20, Order(50, 0.04), ramp=1.0)),
    ("floor", Load(300, Order(50, 0.04, plain=True), ramp=1.0)),
    ("gateway", Load(40, Order(50, 0.02), answers=2, ramp=0.5)),
    ("gateway", Load(10, Order(400, 0.005), ramp=0.1)),
    ("gateway", Load(24, Order(1, 0.0), answers=40, ramp=0.2, stream=False)),
    ("naive", Load(24, Order(1, 0.0), answers=8, ramp=0.2, stream=False)),
    ("gateway", Load(1, Order(2, 0.01, 0.01), answers=40)),
)
WARM_UP = Load(16, Order(5, 0.01), ramp=0.2)


def main(tree: Path) -> int:
    """Print, judge; the exit code."""
    with Lab(tree) as lab:
        found = per_chunk.counted(lab)
    _print(found)
    with Lab(tree) as lab:
        for subject in ("gateway", "naive"):
            lab.run(subject, WARM_UP)
        for subject, load in LOADS:
            print(describe(subject, lab.run(subject, load)), flush=True)
    broken = list(_broken(found))
    for sentence in broken:
        print(f"FAILED: {sentence}", file=sys.stderr)
    return 1 if broken else 0


def _print(found: PerChunk) -> None:
    print(f"per chunk, counted over {found.counts['events']:,} additional chunks:")
    for rule in RULES:
        print(f"  {rule.says:34} {found.rate(rule.count, rule.per):8.3f}   at most {rule.most:g}")
    says = "of these per request, in all"
    print(f"  {says:34} {found.stages:8.3f}   at most {STAGES_PER_REQUEST}")
    print(f"  {'receive calls on the socket':34} {found.rate('receives'):8.3f}")
    print(f"  {'calls of Python functions':34} {found.calls(CALL):8.1f}")
    print(f"  {'calls of other functions':34} {found.calls(C_CALL):8.1f}")


def _broken(found: PerChunk) -> Iterator[str]:
    for rule in RULES:
        figure = found.rate(rule.count, rule.per)
        if figure > rule.allowed(found):
            yield f"{rule.says}: {figure:.3f} per chunk, at most {rule.most:g}"
    if found.stages > STAGES_PER_REQUEST:
        yield f"functions of stages: {found.stages:.1f} per request that asks for none"
    sends, wakes = found.counts["sends"], found.counts["other_wakes"]
    if sends > max(wakes, found.counts["events"]) * (1 + SLACK):
        yield f"{sends} sends for {wakes} wake-ups"
