"""How fast things get done, so that whoever is turned away hears when to come again."""

import math
import threading
import time
from collections.abc import Callable

WINDOW = 10.0
SHORTEST, LONGEST = 1.0, 30.0


class Pace:
    """Counts what was done in this window of ten seconds and in the one before it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = clock()
        self._now = self._before = 0

    def __repr__(self) -> str:
        return f"<Pace {self.rate():.2f}/s>"

    def done(self) -> None:
        """One more."""
        with self._lock:
            self._turn()
            self._now += 1

    def rate(self) -> float:
        """Per second, over the last ten to twenty seconds."""
        with self._lock:
            self._turn()
            return (self._now + self._before) / (WINDOW + self._clock() - self._begun)

    def wait_for(self, ahead: int) -> float:
        """Whole seconds until ``ahead`` more will be done, if it goes on like this: 1 to 30.

        Where nothing was done lately nobody knows; a second is what costs a caller least.
        """
        rate = self.rate()
        if not rate:
            return SHORTEST
        return float(min(max(math.ceil(ahead / rate), SHORTEST), LONGEST))

    def _turn(self) -> None:
        """To the window of this moment."""
        passed = int((self._clock() - self._begun) / WINDOW)
        if passed:
            self._before = self._now if passed == 1 else 0
            self._now = 0
            self._begun += passed * WINDOW
