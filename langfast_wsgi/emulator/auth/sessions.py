"""Refresh tokens: rotation, the reuse interval, the parent rule, revoked families.

A session has one current refresh token. Using it rotates it. A token that was rotated away is still
answered (with the current one) when it is the direct parent of the current token, as its client may
have failed to save the answer, or when it was rotated within the reuse interval. Any older one is a
sign of theft: the whole family is revoked.
"""

import secrets
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from langfast_wsgi.emulator.auth.refusals import AuthRefusal

_LETTERS = string.ascii_lowercase + string.digits
_LENGTH = 12
MARK = "rfsh"
"""What each refresh token begins with, so that one is known for what it is wherever it turns up."""


def _refresh_token() -> str:
    return MARK + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH - len(MARK)))


@dataclass(slots=True)
class Session:
    """One signed-in client of a user and its family of refresh tokens."""

    user_id: str
    method: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    current: str = field(default_factory=_refresh_token)
    parent: str | None = None
    # The tokens before the current one, oldest first, and when each was rotated away.
    rotated: dict[str, float] = field(default_factory=dict)
    revoked: bool = False


class Sessions:
    """All sessions, by id and by every refresh token that they ever had."""

    def __init__(
        self,
        clock: Callable[[], float],
        reuse_interval: float,
        used: Callable[[Session, int], None] = lambda _session, _place: None,
    ) -> None:
        self._clock = clock
        self._reuse_interval = reuse_interval
        self._used = used  # is told of each use of a token, by its place among the session's
        self._by_id: dict[str, Session] = {}
        self._by_token: dict[str, Session] = {}

    def open(self, user_id: str, method: str) -> Session:
        """A new session of a user."""
        session = Session(user_id, method)
        self._by_id[session.id] = session
        self._by_token[session.current] = session
        return session

    def get(self, session_id: str) -> Session | None:
        """The session, unless it was ended."""
        return self._by_id.get(session_id)

    def refresh(self, token: str) -> Session:
        """Use a refresh token; the session's ``current`` is the one to answer with."""
        session = self._by_token.get(token)
        if session is None:
            raise AuthRefusal("refresh_token_not_found")
        self._used(session, _place(session, token))
        if session.revoked:
            raise AuthRefusal("refresh_token_already_used")
        if token == session.current:
            self._rotate(session)
        elif token != session.parent and not self._just_rotated(session, token):
            session.revoked = True
            raise AuthRefusal("refresh_token_already_used")
        return session

    def end(self, session: Session) -> None:
        """Forget a session with all its tokens, as a logout does."""
        self._by_id.pop(session.id, None)
        for token in (session.current, *session.rotated):
            self._by_token.pop(token, None)

    def of_user(self, user_id: str) -> list[Session]:
        """The user's sessions."""
        return [session for session in self._by_id.values() if session.user_id == user_id]

    def forget_refresh_tokens(self) -> None:
        """No refresh token issued so far is known any more; the sessions go on."""
        self._by_token.clear()

    def _rotate(self, session: Session) -> None:
        session.rotated[session.current] = self._clock()
        session.parent = session.current
        session.current = _refresh_token()
        self._by_token[session.current] = session

    def _just_rotated(self, session: Session, token: str) -> bool:
        return self._clock() - session.rotated[token] < self._reuse_interval


def _place(session: Session, token: str) -> int:
    if token == session.current:
        return len(session.rotated)
    return list(session.rotated).index(token)
