"""A private folder in memory that the processes of an instance share, gone with the instance.

For what several workers read and write and no disk should see: what callers say. The gunicorn
master makes it before it forks and removes it at its end. As long as a process of the instance
lives, the folder's lock is held (it is inherited over the fork), so what a master left that was
killed is known as such, and the next one removes it.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made there is private
_PREFIX = "langfast-memory-"
_LOCK = "lock"


class MemoryFolder:
    """One folder, and the lock that says that somebody needs it."""

    def __init__(self, root: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.stat(self.path / _LOCK)  # else somebody swept it away before the lock was ours

    def __repr__(self) -> str:
        return f"<MemoryFolder {self.path}>"

    def close(self) -> None:
        """Remove it with all that is in it; may be called twice."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


_shared: MemoryFolder | None = None


def make(root: Path = MEMORY) -> None:
    """Make the instance's folder, which a master does before it forks; what is dead is removed.

    Where there is no memory to be had as a folder, it is one below the temporary folder.
    """
    global _shared
    if _shared is None:
        _sweep(root)
        try:
            _shared = MemoryFolder(root)
        except OSError:
            _shared = MemoryFolder(Path(tempfile.gettempdir()))


def shared() -> Path | None:
    """The instance's folder; None where no master made one."""
    return _shared.path if _shared else None


def remove() -> None:
    """At the master's end."""
    global _shared
    if _shared is not None:
        _shared.close()
        _shared = None


def _sweep(root: Path) -> None:
    """Remove the folders of instances that are no more. Those of others are not ours to touch."""
    for folder in root.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue  # somebody else's, or just being made
        try:
            if folder.stat().st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # it is alive
        finally:
            os.close(lock)
