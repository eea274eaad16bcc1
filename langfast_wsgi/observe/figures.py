"""The files in which prometheus-client keeps what a worker counted.

They are mapped into memory, and grow as they are written. A write to a page for which a full disk
has no room kills the process, so the room is taken when the file is made. Where there is none, or
the folder cannot be written, this process counts for itself: serving comes before counting.
"""

import contextlib
import logging
import os

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

log = logging.getLogger(__name__)

ROOM = 256 * 1024  # a thousand series; we have some two hundred


class Unshown:
    """Figures that no file could be made for: kept, but not added to those of other workers."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[float, float]] = {}

    def read_value(self, key: str) -> tuple[float, float]:
        """Value and time."""
        return self._values.get(key, (0.0, 0.0))

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Replace it."""
        self._values[key] = (value, timestamp)

    def close(self) -> None:
        """Nothing to let go of."""


def opened(filename: str) -> MmapedDict | Unshown:
    """The figures in this file, or in memory alone where that cannot be."""
    try:
        with open(filename, "ab") as file:
            _take_room(file.fileno())
        return MmapedDict(filename)  # type: ignore[no-untyped-call]
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(filename)  # half a file would break the sum over all workers
        log.warning("no file for metrics: %s. Those of this worker are not shown.", error.strerror)
        return Unshown()


def _take_room(descriptor: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, ROOM)


def use() -> None:
    """Let prometheus-client open its files so, before the first metric is declared."""
    values.MmapedDict = opened  # type: ignore[attr-defined,assignment]
