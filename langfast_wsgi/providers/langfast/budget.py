"""The sign-up budget: at most so many within any hour, for the whole instance.

It is charged *before* the call, because a sign-up whose answer is lost may have made an account all
the same; it is given back only where not even a connection came about. All workers of an instance
share one small file, so a worker that is restarted finds what its predecessor spent; with Redis all
instances share it, and it outlives restarts. Where the store does not answer there is no proof of
budget, and so no sign-up.
"""

import fcntl
import logging
import math
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)

HOUR = 3600.0
LONGEST_AGE = 10 * 365 * 86400.0  # nothing in the file is older,
LONGEST_REST = 31 * 86400.0  # or further ahead
HELD = "the sign-up budget is used up, or all accounts rest for their quota"
"""What a charge that was not granted means, in words for an operator."""

_REST_KEY = "langfast:rest"
_WHOSE = ("langfast", "sign-ups")


class BudgetUnknown(Exception):
    """The store of the budget did not answer."""


class Budget(Protocol):
    """Charges one sign-up."""

    def charge(self) -> float:
        """0 when granted, else the seconds until the next one is. Raises BudgetUnknown."""
        ...

    def give_back(self) -> None:
        """The last one was not spent: nothing can have been made. Raises BudgetUnknown."""
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
            rest_until, *spent = self._read(file)
            spent = [when for when in spent if when > now - HOUR]
            wait = max(self._wait(spent, now), rest_until - now)
            if wait <= 0:
                _write(file, [rest_until, *spent, now])
            return max(wait, 0.0)

    def give_back(self) -> None:
        """See Budget."""
        with self._locked() as file:
            rest_until, *spent = self._read(file)
            _write(file, [rest_until, *sorted(spent)[:-1]])

    def rest(self, seconds: float) -> None:
        """See Budget."""
        with self._locked() as file:
            rest_until, *spent = self._read(file)
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

    def _read(self, file: int) -> list[float]:
        """The end of the rest, then the times of sign-ups. A broken last record is left out.

        A file of something else is set aside as a copy: others may be waiting for its lock.
        """
        content = os.pread(file, 1 << 20, 0)
        whole = content[: len(content) - len(content) % 8]
        values = [value for (value,) in struct.iter_unpack("<d", whole)] or [0.0]
        now = self._clock()
        if all(value == 0.0 or _is_likely(value - now) for value in values):
            return values
        log.warning("the sign-up budget's file is of no use; it is set aside")
        self._path.with_name(f"{self._path.name}.broken").write_bytes(content)
        return [0.0]


def _is_likely(ahead: float) -> bool:
    return math.isfinite(ahead) and -LONGEST_AGE < ahead < LONGEST_REST


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
        self._storage = storage
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
            if self._limiter.hit(self._item, *_WHOSE):
                return 0.0
            window = self._limiter.get_window_stats(self._item, *_WHOSE)
        except Exception as error:  # whatever its client raises means the same: no proof of budget
            raise BudgetUnknown from error
        return float(max(window.reset_time - time.time(), 1.0))

    def give_back(self) -> None:
        """See Budget. The library has no word for it: its list begins with the newest."""
        if self._item is None:
            return
        try:
            self._redis.lpop(self._storage.prefixed_key(self._item.key_for(*_WHOSE)))
        except Exception as error:
            raise BudgetUnknown from error

    def rest(self, seconds: float) -> None:
        """See Budget."""
        try:
            self._redis.set(_REST_KEY, "1", px=max(int(seconds * 1000), 1))
        except Exception as error:
            raise BudgetUnknown from error
