"""What a caller is told where a store cannot answer."""

from langfast_wsgi.errors import OwnError


class StoreUnavailable(OwnError):
    """Kept responses cannot be reached just now."""

    default_code = "store_unavailable"
    may_retry = True


def unavailable() -> StoreUnavailable:
    """The fault with its one sentence; a store that failed rests for about so long."""
    return StoreUnavailable("Kept responses cannot be reached just now.", retry_after=1.0)
