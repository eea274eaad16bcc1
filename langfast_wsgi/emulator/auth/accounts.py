"""Users: anonymous ones, named ones, and how a user and a sign-in look as JSON."""

import hmac
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from langfast_wsgi.emulator.auth.refusals import AuthRefusal
from langfast_wsgi.emulator.auth.sessions import Session, Sessions
from langfast_wsgi.emulator.auth.tokens import AUDIENCE, Tokens

DEMO_EMAIL = "demo@example.com"
DEMO_PASSWORD = "demo-password"  # noqa: S105 - published, it protects nothing
_SHORTEST_PASSWORD = 6


def _moment(clock: float) -> str:
    return datetime.fromtimestamp(clock, UTC).isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class User:
    """One account."""

    created: float
    email: str = ""
    password: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    signed_in: float = 0.0

    def app_metadata(self) -> dict[str, object]:
        """Empty for an anonymous user, as the real service has no provider to name."""
        return {"provider": "email", "providers": ["email"]} if self.email else {}

    def as_json(self) -> dict[str, object]:
        """The user as the service shows it; empty strings, never null."""
        shown: dict[str, object] = {
            "id": self.id,
            "aud": AUDIENCE,
            "role": "authenticated",
            "email": self.email,
            "phone": "",
            "app_metadata": self.app_metadata(),
            "user_metadata": self.metadata,
            "identities": self._identities(),
            "created_at": _moment(self.created),
            "updated_at": _moment(self.signed_in or self.created),
            "last_sign_in_at": _moment(self.signed_in or self.created),
            "is_anonymous": not self.email,
        }
        if self.email:
            shown["email_confirmed_at"] = _moment(self.created)
        return shown

    def _identities(self) -> list[dict[str, object]]:
        if not self.email:
            return []
        data = {"email": self.email, "sub": self.id}
        return [{"identity_id": self.id, "provider": "email", "identity_data": data}]


class Accounts:
    """Makes users, signs them in and says who a token belongs to."""

    def __init__(self, clock: Callable[[], float], tokens: Tokens, sessions: Sessions) -> None:
        self._clock = clock
        self._tokens = tokens
        self.sessions = sessions
        self._users: dict[str, User] = {}
        self._named: dict[str, User] = {}
        self.sign_up_named(DEMO_EMAIL, DEMO_PASSWORD, {})

    def sign_up_anonymous(self, metadata: Mapping[str, object]) -> User:
        """A new user without a name."""
        return self._add(User(self._clock(), metadata=metadata))

    def sign_up_named(self, email: str, password: str, metadata: Mapping[str, object]) -> User:
        """A new user with email and password, confirmed at once."""
        if email.lower() in self._named:
            raise AuthRefusal("user_already_exists")
        if len(password) < _SHORTEST_PASSWORD:
            raise AuthRefusal("weak_password")
        user = self._add(User(self._clock(), email.lower(), password, metadata))
        self._named[user.email] = user
        return user

    def by_password(self, email: str, password: str) -> User:
        """The user whom email and password name."""
        user = self._named.get(email.lower())
        if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
            raise AuthRefusal("invalid_credentials")
        return user

    def of(self, session: Session) -> User:
        """The user of a session."""
        return self._users[session.user_id]

    def sign_in(self, user: User, method: str) -> tuple[Session, dict[str, object]]:
        """Open a session; gives it with the JSON of the answer."""
        user.signed_in = self._clock()
        session = self.sessions.open(user.id, method)
        return session, self.grant(session)

    def grant(self, session: Session) -> dict[str, object]:
        """A fresh access token and the session's current refresh token, as an answer's JSON."""
        user = self.of(session)
        lifetime = self._tokens.lifetime
        return {
            "access_token": self._tokens.sign(self._claims(user, session)),
            "token_type": "bearer",
            "expires_in": lifetime,
            "expires_at": int(self._clock()) + lifetime,
            "refresh_token": session.current,
            "user": user.as_json(),
        }

    def _claims(self, user: User, session: Session) -> dict[str, object]:
        return {
            "iss": "langfast-emulator/auth/v1",
            "sub": user.id,
            "email": user.email,
            "phone": "",
            "app_metadata": user.app_metadata(),
            "user_metadata": user.metadata,
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": session.method, "timestamp": int(user.signed_in)}],
            "session_id": session.id,
            "is_anonymous": not user.email,
        }

    def _add(self, user: User) -> User:
        self._users[user.id] = user
        return user
