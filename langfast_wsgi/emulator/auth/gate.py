"""The API gateway in front of auth and functions: it wants the anon key on every call."""

import hmac

from langfast_wsgi.emulator.auth.refusals import KeyRefused
from langfast_wsgi.emulator.web import Request


class Gate:
    """Knows the anon key and turns away who does not."""

    def __init__(self, anon_key: str) -> None:
        self.anon_key = anon_key

    def check(self, request: Request) -> None:
        """Raise :class:`KeyRefused` unless header or query carries the key."""
        given = request.header("apikey") or request.query.get("apikey", "")
        if not hmac.compare_digest(given.encode(), self.anon_key.encode()):
            raise KeyRefused(bool(given))


def bearer(request: Request) -> str:
    """The token of an ``Authorization: Bearer`` header, or the empty string."""
    kind, _, token = request.header("authorization").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
