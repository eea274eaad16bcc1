"""What the emulator counts, each number with its meaning."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """Totals since the start or the last ``DELETE /emulator/runs``."""

    sign_ups: int = 0  # accounts made
    sign_ups_refused: int = 0  # sign-up requests that were answered with an error
    refreshes: int = 0  # refresh requests answered with tokens
    refreshes_refused: int = 0  # for their token's sake, not by a fault
    password_sign_ins: int = 0
    logouts: int = 0
    starts: int = 0  # start requests, whatever became of them
    starts_accepted: int = 0  # runs that really began
    starts_repeated: int = 0  # start requests whose run_id was known already
    runs_max_per_user: int = 0  # the most runs in flight at once on one user
    redirects_followed: int = 0  # requests that came to where a redirect led
    connects: int = 0  # sockets that joined the namespace
    connects_refused: int = 0
    events: int = 0  # events written, counted once per socket

    def as_json(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)

    def clear(self) -> None:
        """Back to zero."""
        for name in self.as_json():
            setattr(self, name, 0)
