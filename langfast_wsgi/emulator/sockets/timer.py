"""One thing to do later, unless it is called off before."""

from collections.abc import Callable
from typing import Any

import gevent


class Timer:
    """Calls an action once; starting it anew forgets what it was going to do."""

    def __init__(self) -> None:
        self._greenlet: Any = None

    def start(self, seconds: float, action: Callable[[], None]) -> None:
        """Call the action after so many seconds."""
        self.stop()
        self._greenlet = gevent.spawn_later(seconds, action)

    def stop(self) -> None:
        """Do not call it; stopping twice is fine."""
        greenlet, self._greenlet = self._greenlet, None
        # A timer that is just going off must not kill itself halfway.
        if greenlet is not None and greenlet is not gevent.getcurrent():
            greenlet.kill(block=False)
