"""gunicorn's configuration for a gateway that is counted: the product's own, and counters around.

Read by ``gunicorn -c python:benchmarks.instrumented``, in the folder of the checkout.
"""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
from pathlib import Path  # noqa: E402

from benchmarks import counting  # noqa: E402

counting.count_decoders()
exec(compile(Path("gunicorn.conf.py").read_text(), "gunicorn.conf.py", "exec"))

_start = globals()["post_worker_init"]


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """The product's hook, then the counters."""
    _start(worker)
    worker.wsgi = counting.Counted(worker.wsgi)
    counting.count_calls()  # here, as prometheus-client must not be imported earlier
    counting.start(int(os.environ["BENCH_PORT"]))
