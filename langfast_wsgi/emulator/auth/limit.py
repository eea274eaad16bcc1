"""The limit of anonymous sign-ups: a bucket that holds an hour's worth and refills evenly."""

from collections.abc import Callable

_HOUR = 3600.0


class HourlyBucket:
    """Grants ``per_hour`` at once and then one every ``3600 / per_hour`` seconds."""

    def __init__(self, clock: Callable[[], float], per_hour: int | None) -> None:
        self._clock = clock
        self._per_hour = per_hour
        self._left = float(per_hour or 0)
        self._since = clock()

    def take(self) -> bool:
        """Whether one more is granted; always, without a limit."""
        if self._per_hour is None:
            return True
        now = self._clock()
        refilled = (now - self._since) * self._per_hour / _HOUR
        self._left = min(float(self._per_hour), self._left + refilled)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
