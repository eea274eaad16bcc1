"""From the start of the process to the first text of the first answer."""

import time

from benchmarks.answers import read
from benchmarks.client import Client, Load
from benchmarks.lab import Lab
from benchmarks.orders import Order, WrongAnswer
from benchmarks.processes import Server

_LOAD = Load(1, Order(1, 0.0))
_PATIENCE = 20.0


def measure(lab: Lab, rounds: int) -> dict[str, list[float]]:
    """Seconds, for the gateway and the naive one in turn."""
    found: dict[str, list[float]] = {"start s": [], "naive start s": []}
    for _ in range(rounds):
        for name, subject in (("start s", "gateway"), ("naive start s", "naive")):
            with lab.starting(subject) as (server, begun):
                found[name].append(_first_answer(server, begun) - begun)
    return found


def _first_answer(server: Server, begun: float) -> float:
    """When it was there."""
    while time.monotonic() < begun + _PATIENCE:
        try:
            answers = Client(server.port, _LOAD).run()
        except (OSError, WrongAnswer):  # not listening yet, or not ready
            time.sleep(0.005)
            continue
        read(answers, _LOAD)
        return answers[0].times[-1]
    raise RuntimeError(f"no answer in {_PATIENCE} s: {server.log()}")
