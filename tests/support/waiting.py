"""What a busy machine takes from a measurement: how long processes waited for a processor.

Where a test asks how long one piece of work blocks all others, the time in which the kernel ran
somebody else is not the product's. Linux counts it for each thread.
"""

import time
from pathlib import Path


class Stopwatch:
    """The monotonic clock without the time that these processes, and the test, were kept waiting.

    Of each process the main thread counts, in which greenlets run.
    """

    def __init__(self, *pids: int) -> None:
        self._files = [Path("/proc/thread-self/schedstat")]
        self._files += [Path(f"/proc/{pid}/schedstat") for pid in pids]

    def __call__(self) -> float:
        """Seconds."""
        return time.monotonic() - sum(map(_waited, self._files))


def _waited(file: Path) -> float:
    try:
        return int(file.read_text().split()[1]) / 1e9
    except (OSError, IndexError):  # another system, or a process that ended
        return 0.0
