"""What the upstream offers: it may be an emulator, which says so and lists models of its own.

The embedded emulator is known from the start. Any other upstream is not asked, for it may be
somebody's real service: an emulator marks each of its answers, and the first answer of the auth
service settles the question.
"""

import threading
import time
from collections.abc import Callable

PATIENCE = 2.0  # seconds after the start in which a question waits for the first answer


class Offer:
    """Whether the upstream is an emulator, and its model ids."""

    def __init__(
        self, emulator: bool, models: tuple[str, ...], ask: Callable[[], tuple[str, ...]]
    ) -> None:
        self.emulator = emulator
        self._models = models
        self._ask = ask
        self._settled = threading.Event()
        self._patient_until: float | None = None
        if emulator:
            self._settled.set()

    def __repr__(self) -> str:
        return f"<Offer {'emulator' if self.emulator else 'upstream'} {len(self._models)} models>"

    def answered(self, mark: str | None) -> None:
        """The auth service answered, with this mark of an emulator, or none."""
        if self._settled.is_set():
            return
        if mark is not None:
            self._models = self._ask()
            self.emulator = True
        self._settled.set()

    def models(self) -> tuple[str, ...]:
        """The emulator's model ids. Right after the start it waits a moment to know them."""
        if not self._settled.is_set():
            now = time.monotonic()
            if self._patient_until is None:
                self._patient_until = now + PATIENCE
            self._settled.wait(max(self._patient_until - now, 0.0))
        return self._models
