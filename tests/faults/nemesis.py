"""What goes wrong in a history: one thing after the other, by the dice, the same for the same seed.

The moments are not the same: they follow the machine. So a seed repeats the kind of trouble, not
the trouble.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.faults.processes import workers
from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess

BETWEEN_KILLS = 6.0
"""Seconds: a worker that is killed while it starts shows nothing new."""


class Nemesis:
    """Makes trouble in a thread of its own until told to stop; then all is well again."""

    def __init__(
        self,
        gateway: GatewayProcess,
        upstream: EmulatorProcess,
        dice: random.Random,
        pause: float,
        most_kills: int,
    ) -> None:
        self._gateway = gateway
        self._upstream = upstream
        self._dice = dice
        self._pause = pause
        self._most_kills = most_kills
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._rage, daemon=True)
        self.done: Counter[str] = Counter()
        self.kills: list[float] = []
        self.failed: list[str] = []
        self._deeds: dict[str, tuple[int, Callable[[], object]]] = {
            "sockets dropped": (4, lambda: upstream.drop_sockets("abort")),
            "sockets kicked": (2, lambda: upstream.drop_sockets("kick")),
            "tokens expired": (1, upstream.expire_tokens),
            "starts answer 429": (2, lambda: self._starts(status=429, retry_after=1)),
            "starts answer 500": (2, lambda: self._starts(status=500)),
            "starts answer 503": (1, lambda: self._starts(status=503)),
            "starts answer 401": (1, lambda: self._starts(status=401)),
            "starts lost": (1, lambda: self._starts(body="lost")),
            "refreshes lost": (1, lambda: upstream.faults(refresh={"body": "lost", "times": 1})),
            "connects refused": (1, lambda: upstream.faults(connect={"refuse": True, "times": 1})),
            "a worker killed": (3, self._kill),
        }

    def __enter__(self) -> "Nemesis":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)
        self._upstream.clear_faults()

    def add(self, name: str, weight: int, deed: Callable[[], object]) -> None:
        """One more kind of trouble; before it begins."""
        self._deeds[name] = (weight, deed)

    def _rage(self) -> None:
        names = list(self._deeds)
        weights = [weight for weight, _ in self._deeds.values()]
        while not self._ended.wait(self._dice.expovariate(1 / self._pause)):
            name = self._dice.choices(names, weights)[0]
            try:
                if self._deeds[name][1]() is not False:
                    self.done[name] += 1
            except Exception as error:
                self.failed.append(f"{name}: {error!r}")

    def _starts(self, **fault: object) -> None:
        self._upstream.faults(start={**fault, "times": self._dice.randint(1, 6)})

    def _kill(self) -> bool:
        """Kill a worker; not too often, for each one's accounts are lost with it."""
        now = time.time()
        too_soon = bool(self.kills) and now - self.kills[-1] < BETWEEN_KILLS
        if too_soon or len(self.kills) >= self._most_kills:
            return False
        victim = self._dice.choice(workers(self._gateway.process.pid))
        self.kills.append(now)
        os.kill(victim.pid, signal.SIGKILL)
        return True
