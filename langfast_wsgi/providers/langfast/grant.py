"""Pure: the session in an answer of the auth service, if it is one."""

import base64
import re
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import orjson

from langfast_wsgi.errors import UpstreamGarbled

LONGEST_LIFETIME = 24 * 3600.0

_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Grant:
    """What the auth service gave. ``lifetime`` is in seconds from receipt."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    user_id: str
    lifetime: float


def read_grant(found: Any) -> Grant:
    """All three fields, or the answer is malformed: auth-js would make a null session of it."""
    if not isinstance(found, dict):
        raise UpstreamGarbled("The upstream's auth service answered without a session.")
    access, refresh = found.get("access_token"), found.get("refresh_token")
    lifetime = found.get("expires_in")
    user = found.get("user")
    if not (_is_token(access) and _is_token(refresh)):
        raise UpstreamGarbled("The upstream's auth service answered without a session.")
    if not isinstance(lifetime, int | float) or isinstance(lifetime, bool) or lifetime <= 0:
        raise UpstreamGarbled("The upstream's auth service answered without a session.")
    user_id = _subject(access) or (user.get("id") if isinstance(user, dict) else None)
    if not isinstance(user_id, str):
        raise UpstreamGarbled("The upstream's auth service answered without a user.")
    return Grant(access, refresh, user_id, min(float(lifetime), LONGEST_LIFETIME))


def _is_token(value: object) -> TypeGuard[str]:
    """Whether it can travel in a header."""
    return isinstance(value, str) and bool(_TOKEN.fullmatch(value))


def _subject(token: str) -> str | None:
    """The ``sub`` of a JWT, without any check: whether the token is good the upstream decides."""
    try:
        middle = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        return None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) and subject else None
