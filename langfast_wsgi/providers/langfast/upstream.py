"""Where the upstream is, and what it is."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Upstream:
    """Addresses without a trailing slash. ``anon_key`` is public, yet kept out of the repr."""

    supabase_url: str
    anon_key: str = field(repr=False)
    socket_url: str
    prompt_id: str
    #: Whether it is known to be the emulator, and the model ids that it offers beside the usual.
    emulator: bool = False
    models: tuple[str, ...] = ()
