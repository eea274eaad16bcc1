"""The retry budget: second attempts may not become the load that keeps an upstream down.

A bucket of TOKENS. Each request pays a tenth of a token in, and a second attempt at a start costs
one, and the tenth that its own request paid in: so over a thousand requests or more there is never
more than one second attempt to ten requests, whatever fails, the full bucket at the beginning
included.
"""

import threading

TOKENS = 10
_WHOLE = 10  # the bucket is counted in tenths of a token


class RetryBudget:
    """One worker's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tenths = TOKENS * _WHOLE

    def __repr__(self) -> str:
        return f"<RetryBudget {self._tenths / _WHOLE} of {TOKENS}>"

    def pay_in(self) -> None:
        """For each request, before its first attempt."""
        with self._lock:
            self._tenths = min(self._tenths + 1, TOKENS * _WHOLE)

    def take(self) -> bool:
        """Whether there may be a second attempt; it is charged."""
        with self._lock:
            if self._tenths <= _WHOLE:
                return False
            self._tenths -= _WHOLE + 1
            return True
