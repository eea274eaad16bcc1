"""A clock that a test turns."""


class FakeClock:
    """Stands wherever a ``Callable[[], float]`` is asked for; time passes by ``advance`` only."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __repr__(self) -> str:
        return f"<FakeClock {self.now}>"

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += seconds
