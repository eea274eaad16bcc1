"""A store that failed is left alone for a moment: no request waits for what fails anyway."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

TOLD_EVERY = 60.0


class Rest:
    """Begins with a failure. The log hears of the first within a minute."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until = float("-inf")
        self._told = float("-inf")

    def __repr__(self) -> str:
        return f"<Rest {'on' if self else 'off'}>"

    def __bool__(self) -> bool:
        return self._clock() < self._until

    def begin(self, why: str) -> None:
        """Something failed: ``why`` holds no words of the caller's or of the store's."""
        now = self._clock()
        self._until = now + self._seconds
        if now - self._told >= TOLD_EVERY:
            self._told = now
            log.warning("responses are not kept at the moment: %s", why)
