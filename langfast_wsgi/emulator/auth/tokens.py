"""Access tokens: signed, checked, and refused from a moment on."""

import secrets
from collections.abc import Callable, Mapping

import jwt

AUDIENCE = "authenticated"


class BadToken(Exception):
    """The token is not ours, is over its time, or was declared bad."""


class Tokens:
    """Signs and checks access tokens with a secret that only this process knows."""

    def __init__(self, clock: Callable[[], float], lifetime: int) -> None:
        self._clock = clock
        self.lifetime = lifetime
        self._secret = secrets.token_hex(32)
        self._refused: set[str] = set()

    def sign(self, claims: Mapping[str, object]) -> str:
        """A token with the given claims, valid for the lifetime from now."""
        now = int(self._clock())
        # ``jti`` keeps two tokens of the same second apart, as start-401 must refuse only one.
        times = {"iat": now, "exp": now + self.lifetime, "jti": secrets.token_hex(8)}
        return jwt.encode({**claims, "aud": AUDIENCE, **times}, self._secret, algorithm="HS256")

    def check(self, token: str) -> Mapping[str, object]:
        """The claims of a good token; raises :class:`BadToken`."""
        if token in self._refused:
            raise BadToken("refused")
        try:
            # Expiry is checked below with the emulator's own clock.
            claims: Mapping[str, object] = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=AUDIENCE,
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise BadToken(str(error)) from error
        expires = claims.get("exp")
        if not isinstance(expires, int) or expires <= self._clock():
            raise BadToken("token is expired")
        return claims

    def refuse(self, token: str) -> None:
        """Declare one token bad."""
        self._refused.add(token)

    def expire_all(self) -> None:
        """Declare every token issued so far bad: none of them is signed with the new secret."""
        self._secret = secrets.token_hex(32)
        self._refused.clear()
