"""The sign-up budget: at most so many within any hour, for the whole instance.

It is charged *before* the call, because a sign-up whose answer is lost may have made an account all
the same. All workers of an instance share one small file, so a worker that is restarted finds what
its predecessor spent; with Redis all instances share it, and it outlives restarts. Where the store
does not answer there is no proof of budget, and so no sign-up.
"""

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

HOUR = 3600.0
_REST_KEY = "langfast:rest"


class BudgetUnknown(Exception):
    """The store of the budget did not answer."""


class Budget(Protocol):
    """Charges one sign-up."""

    def charge(self) -> float:
        """0 when granted, else the seconds until the next one is. Raises BudgetUnknown."""
        ...

    def rest(self, seconds: float) -> None:
        """No sign-up for so long: all accounts rest for their quota. Raises BudgetUnknown."""
        ...


class FileBudget:
    """Times of the last sign-ups in a file that is locked while it is read and written.

    Wall-clock times: the file is shared by processes. A clock that jumps back grants nothing early.
    """

    def __init__(self, path: Path, per_hour: int, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._per_hour = per_hour
        self._clock = clock

    def __repr__(self) -> str:
        return f"<FileBudget of {self._per_hour} an hour>"

    def charge(self) -> float:
        """See Budget."""
        with self._locked() as file:
            now = self._clock()
            rest_until, *spent = _read(file)
            spent = [when for when in spent if when > now - HOUR]
            wait = max(self._wait(spent, now), rest_until - now)
            if wait <= 0:
                _write(file, [rest_until, *spent, now])
            return max(wait, 0.0)

    def rest(self, seconds: float) -> None:
        """See Budget."""
        with self._locked() as file:
            rest_until, *spent = _read(file)
            _write(file, [max(rest_until, self._clock() + seconds), *spent])

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
            finally:
                os.close(file)
        except OSError as error:
            raise BudgetUnknown from error

    def _wait(self, spent: list[float], now: float) -> float:
        if self._per_hour == 0:
            return HOUR
        if len(spent) < self._per_hour:
            return 0.0
        return max(sorted(spent)[-self._per_hour] + HOUR - now, 1.0)


def _read(file: int) -> list[float]:
    """The end of the rest, then the times of sign-ups. A broken last record is left out."""
    content = os.pread(file, 1 << 20, 0)
    content = content[: len(content) - len(content) % 8]
    return [value for (value,) in struct.iter_unpack("<d", content)] or [0.0]


def _write(file: int, values: list[float]) -> None:
    """In place, and cut behind: a crash in between leaves more than there was, never less."""
    content = struct.pack(f"<{len(values)}d", *values)
    os.pwrite(file, content, 0)
    os.ftruncate(file, len(content))


class RedisBudget:
    """The same in Redis or Valkey, as a moving window that the server keeps."""

    def __init__(self, url: str, per_hour: int) -> None:
        from limits import RateLimitItemPerHour
        from limits.storage import RedisStorage
        from limits.strategies import MovingWindowRateLimiter

        # The library's own defaults wait for 59 s on a server that hangs.
        storage = RedisStorage(url, socket_timeout=0.25, socket_connect_timeout=0.25)
        self._limiter = MovingWindowRateLimiter(storage)
        self._redis: Any = storage.get_connection()
        self._item = RateLimitItemPerHour(per_hour) if per_hour else None

    def __repr__(self) -> str:
        return "<RedisBudget>"

    def charge(self) -> float:
        """See Budget."""
        if self._item is None:
            return HOUR
        try:
            rest = self._redis.pttl(_REST_KEY)
            if rest > 0:
                return float(rest) / 1000
            if self._limiter.hit(self._item, "langfast", "sign-ups"):
                return 0.0
            window = self._limiter.get_window_stats(self._item, "langfast", "sign-ups")
        except Exception as error:  # whatever its client raises means the same: no proof of budget
            raise BudgetUnknown from error
        return float(max(window.reset_time - time.time(), 1.0))

    def rest(self, seconds: float) -> None:
        """See Budget."""
        try:
            self._redis.set(_REST_KEY, "1", px=max(int(seconds * 1000), 1))
        except Exception as error:
            raise BudgetUnknown from error
