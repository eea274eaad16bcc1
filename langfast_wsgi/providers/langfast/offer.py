"""What the upstream offers: it may be an emulator, which says so and lists models of its own.

The embedded emulator is known from the start. Any other upstream is not asked, for it may be
somebody's real service: an emulator marks each of its answers, and the first answer of the auth
service settles the question.
"""

import threading
import time
from collections.abc import Callable


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
            self.emulator = True
            self._models = self._ask()
        if self._models or mark is None:  # one that did not say is asked again
            self._settled.set()

    def models(self, patience: float) -> tuple[str, ...]:
        """The emulator's model ids. While they are not known, a question waits to know them: for
        ``patience`` seconds after the first one, as a run would wait for an account.
        """
        if not self._settled.is_set():
            now = time.monotonic()
            if self._patient_until is None:
                self._patient_until = now + patience
            self._settled.wait(max(self._patient_until - now, 0.0))
        return self._models
