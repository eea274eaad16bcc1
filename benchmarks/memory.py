"""What a worker holds: with the tokenizer loaded, and for each stream that waits."""

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks import accounting
from benchmarks.client import Load
from benchmarks.lab import Lab
from benchmarks.orders import Order

STREAMS = 1000
_QUIET = 6.0


def measure(lab: Lab) -> dict[str, list[float]]:
    """PSS of a fresh gateway's processes in MB, and KB for each of many idle streams.

    Raises WrongAnswer: streams that are refused cost nothing.
    """
    gateway = lab.gateway(callers=STREAMS)
    lab.adopt("gateway, fresh", gateway)
    lab.run("gateway, fresh", Load(4, Order(20, 0.0), stream=False))
    master, worker = accounting.tree(gateway.pid)[:2]
    before = accounting.pss(worker)
    load = Load(STREAMS, Order(2, _QUIET), ramp=3.0)
    with ThreadPoolExecutor() as beside:
        streams = beside.submit(lab.run, "gateway, fresh", load)
        time.sleep(load.ramp + 1.0)  # by now all have their first chunk
        during = accounting.pss(worker)
        streams.result()
    return {
        "worker MB": [before / 1e6],
        "master MB": [accounting.pss(master) / 1e6],
        "KB per idle stream": [(during - before) / STREAMS / 1e3],
    }
