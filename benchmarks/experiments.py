"""The loads behind the table of targets, and the order in which they are put on."""

import sys
from dataclasses import dataclass

from benchmarks import memory, startup
from benchmarks.client import Load
from benchmarks.figures import describe
from benchmarks.lab import Lab
from benchmarks.orders import Order
from benchmarks.records import Results, record


@dataclass(frozen=True, slots=True)
class Experiment:
    """One load, or what each subject can bear of it. Rounds are interleaved over the subjects."""

    name: str
    loads: dict[str, Load]
    #: Subjects that are too slow to be measured in every round.
    once: tuple[str, ...] = ()
    rounds: int = 3


EXPERIMENTS = (
    Experiment(
        "300 streams",
        {
            "gateway": Load(300, Order(150, 0.04), ramp=2),
            "gateway, 8 accounts": Load(300, Order(150, 0.04), ramp=2),
            "gateway, TLS": Load(300, Order(150, 0.04), ramp=2),
            "naive": Load(20, Order(150, 0.04), ramp=1),
            "floor": Load(300, Order(150, 0.04, plain=True), ramp=2),
        },
    ),
    Experiment(
        "40 streams",
        {
            "gateway": Load(40, Order(50, 0.02), answers=4, ramp=0.5),
            "naive": Load(10, Order(50, 0.02), answers=4, ramp=0.5),
            "floor": Load(40, Order(50, 0.02, plain=True), answers=4, ramp=0.5),
        },
    ),
    Experiment(
        "long answers",
        {
            "gateway": Load(10, Order(1600, 0.005), ramp=0.2),
            "naive": Load(1, Order(1600, 0.01), patience=120),
            "floor": Load(10, Order(1600, 0.005, plain=True), ramp=0.2),
        },
        once=("naive",),
    ),
    Experiment(
        "unstreamed",
        {
            "gateway": Load(24, Order(1, 0.0), answers=60, ramp=0.2, stream=False),
            "naive": Load(24, Order(1, 0.0), answers=20, ramp=0.2, stream=False),
            "floor": Load(24, Order(1, 0.0, plain=True), answers=60, ramp=0.2, stream=False),
        },
    ),
    Experiment(
        "first token",
        {
            "gateway": Load(1, Order(2, 0.01, 0.01), answers=60),
            "naive": Load(1, Order(2, 0.01, 0.01), answers=40),
        },
    ),
    Experiment(
        "first token, far",
        {
            "gateway, far": Load(1, Order(2, 0.01, 0.01), answers=20),
            "naive, far": Load(1, Order(2, 0.01, 0.01), answers=15),
        },
    ),
    Experiment("600 streams", {"gateway": Load(600, Order(150, 0.04), ramp=3)}),
    Experiment(
        "1,000 streams, two workers",
        {"gateway, two workers": Load(1000, Order(50, 0.2), ramp=4)},
        rounds=2,
    ),
    Experiment(
        "emulator",
        {"gateway over the emulator": Load(300, Order(150, 0.04, plain=True), ramp=2)},
        rounds=2,
    ),
)


def run(lab: Lab, results: Results, rounds: int, only: str = "") -> None:
    """Experiments with this in their names, round by round. Raises WrongAnswer."""
    wanted = [one for one in EXPERIMENTS if only in one.name]
    for subject in dict.fromkeys(name for one in wanted for name in one.loads):
        if subject != "floor":
            order = Order(5, 0.01, plain="emulator" in subject)
            lab.run(subject, Load(16, order, ramp=0.2))
    for at in range(rounds):
        for experiment in wanted:
            if at < experiment.rounds:
                _round(lab, results, experiment, at)
    if only in "memory":
        results.others.update(memory.measure(lab))
    if only in "start":
        results.others.update(startup.measure(lab, rounds))


def _round(lab: Lab, results: Results, experiment: Experiment, at: int) -> None:
    for subject, load in experiment.loads.items():
        if at and subject in experiment.once:
            continue
        done = lab.run(subject, load)
        results.records.append(record(experiment.name, subject, done))
        print(f"  {describe(subject, done)}", file=sys.stderr, flush=True)
