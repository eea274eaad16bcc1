"""Where log lines go: a file descriptor that nobody ever waits for.

A pipe whose reader stands still fills up after 64 KiB. A process that then waits in ``write`` waits
with all its callers, until it is killed for it. So a line is written at once where the descriptor
takes it (the ordinary case: nothing is kept, so nothing can be lost when the process ends), is kept
for a while where it does not, and is dropped and counted once too many are kept.

House rule: nothing here waits, and nothing raises.
"""

import _socket  # not socket: gevent's would change a trait that all who inherited it share
import contextlib
import os
import stat
from collections import deque
from collections.abc import Callable

KEPT_BYTES = 1024 * 1024


class Sink:
    """Lines on their way to a descriptor, each in its turn. Not thread-safe."""

    def __init__(self, descriptor: int, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._write, self._release = _opened(descriptor)
        self._kept_bytes = kept_bytes
        self._kept: deque[bytes] = deque()
        self._process = os.getpid()
        #: Bytes that are kept.
        self.kept = 0
        #: Lines that were lost, in all.
        self.dropped = 0

    def __repr__(self) -> str:
        return f"<Sink {len(self._kept)} lines kept, {self.dropped} dropped>"

    def put(self, line: bytes) -> None:
        """Write the line behind those that are kept; keep it or drop it where that cannot be."""
        self.push()
        if self.kept + len(line) > self._kept_bytes:
            self.dropped += 1
            return
        self._kept.append(line)
        self.kept += len(line)
        self.push()

    def push(self) -> None:
        """Write what is kept, as far as the descriptor takes it."""
        self._leave_to_parent()
        while self._kept:
            line = self._kept.popleft()  # at once: a signal's handler may log, too
            try:
                written = self._write(line)
            except BlockingIOError:
                self._kept.appendleft(line)
                return
            except OSError:  # nobody reads any more, or the disk is full: waiting will not help
                self.dropped += 1
                written = len(line)
            self.kept -= written
            if written < len(line):  # longer than what a pipe takes in one piece
                self._kept.appendleft(line[written:])

    def close(self) -> None:
        """Let go of what was opened here; later lines are dropped. Twice is fine."""
        self._write = _nowhere
        release, self._release = self._release, _nothing
        release()

    def _leave_to_parent(self) -> None:
        """After a fork the lines that were kept are the parent's to write."""
        if os.getpid() != self._process:
            self._process = os.getpid()
            self._kept.clear()
            self.kept = 0


def _opened(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """How to write to a descriptor without waiting, and how to let go of what that took.

    Whether a write waits is a trait of the open file, shared by all who inherited it: a shell, a
    platform, other workers. So pipes and terminals are opened once more, for us alone. A regular
    file is written as it is: it makes nobody wait, and a second opening would overwrite its start.
    """
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(kind):  # journald's, for one; here every single write can be told not to wait
        connection = _socket.socket(fileno=os.dup(descriptor))
        return lambda line: connection.send(line, _socket.MSG_DONTWAIT), connection.close
    if stat.S_ISFIFO(kind) or stat.S_ISCHR(kind):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        with contextlib.suppress(OSError):  # a pipe that another user made, or no /proc
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
            return lambda line: os.write(own, line), lambda: os.close(own)
        if stat.S_ISFIFO(kind):
            os.set_blocking(descriptor, False)  # the lesser evil
    return lambda line: os.write(descriptor, line), _nothing


def _nowhere(_: bytes) -> int:
    raise BrokenPipeError


def _nothing() -> None:
    pass
