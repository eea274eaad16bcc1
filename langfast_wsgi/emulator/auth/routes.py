"""The routes under ``/auth/v1``: sign-up, token, user, logout."""

from collections.abc import Callable, Mapping

import orjson

from langfast_wsgi.emulator.auth.accounts import Accounts, User
from langfast_wsgi.emulator.auth.gate import Gate, bearer
from langfast_wsgi.emulator.auth.limit import HourlyBucket
from langfast_wsgi.emulator.auth.refusals import KNOWN, AuthRefusal
from langfast_wsgi.emulator.auth.sessions import Session
from langfast_wsgi.emulator.auth.tokens import BadToken, Tokens
from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.faults.serving import served
from langfast_wsgi.emulator.faults.switchboard import HttpFault, Switchboard
from langfast_wsgi.emulator.history import History, SignUp
from langfast_wsgi.emulator.web import (
    Answer,
    BodyTooLarge,
    Problem,
    Request,
    Routes,
    json_answer,
    retry_after,
)

_BODY_LIMIT = 1024 * 1024
_SHORTEST_REFRESH_TOKEN = 12
_SCOPES = ("global", "local", "others")
_CODE_OF_STATUS = {429: "over_request_rate_limit", 504: "request_timeout", 409: "conflict"}


def _json_object(request: Request) -> Mapping[str, object]:
    try:
        read = orjson.loads(request.body(_BODY_LIMIT))
    except BodyTooLarge as error:
        raise AuthRefusal("request_entity_too_large") from error
    except orjson.JSONDecodeError as error:
        raise AuthRefusal("bad_json") from error
    if not isinstance(read, dict):
        raise AuthRefusal("bad_json")
    return read


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str):
        raise AuthRefusal("bad_json", f"{name} must be a text")
    return value


class AuthRoutes:
    """The auth service over HTTP."""

    def __init__(
        self,
        gate: Gate,
        tokens: Tokens,
        accounts: Accounts,
        counters: Counters,
        history: History,
        faults: Switchboard,
        bucket: HourlyBucket,
        sleep: Callable[[float], None],
    ) -> None:
        self._gate = gate
        self._tokens = tokens
        self._accounts = accounts
        self._counters = counters
        self._history = history
        self._faults = faults
        self._bucket = bucket
        self._sleep = sleep
        self._grants: Mapping[str, tuple[str, Callable[[Request], Answer]]] = {
            "password": ("password", self._password),
            "refresh_token": ("refresh", self._refresh),
        }

    def routes(self) -> Routes:
        """Where each handler is reached."""
        return {
            ("POST", "/auth/v1/signup"): self.sign_up,
            ("POST", "/auth/v1/token"): self.token,
            ("GET", "/auth/v1/user"): self.user,
            ("POST", "/auth/v1/logout"): self.logout,
        }

    def sign_up(self, request: Request) -> Answer:
        """A new account, anonymous unless the body names one."""
        entry = self._history.sign_up()
        try:
            self._gate.check(request)
            answer = self._faulty(
                "sign_up", lambda request: self._new_account(request, entry), request
            )
        except Problem as problem:
            answer = problem.answer(request)
        entry.status = answer.status
        self._counters.sign_ups_refused += answer.status != 200
        return answer

    def token(self, request: Request) -> Answer:
        """Sign in with a password or refresh."""
        self._gate.check(request)
        kind = request.query.get("grant_type", "")
        if kind not in self._grants:
            raise AuthRefusal("invalid_credentials", "unsupported_grant_type")
        service, grant = self._grants[kind]
        return self._faulty(service, grant, request)

    def user(self, request: Request) -> Answer:
        """Who the bearer is."""
        self._gate.check(request)
        return json_answer(200, self._accounts.of(self._session(request)).as_json())

    def logout(self, request: Request) -> Answer:
        """End this session, the user's others, or all."""
        self._gate.check(request)
        session = self._session(request)
        scope = request.query.get("scope") or "global"
        if scope not in _SCOPES:
            raise AuthRefusal("validation_failed", f"Unsupported logout scope {scope!r}")
        for other in self._accounts.sessions.of_user(session.user_id):
            if scope == "global" or (scope == "local") == (other is session):
                self._accounts.sessions.end(other)
        self._counters.logouts += 1
        return Answer(204)

    def _faulty(
        self, service: str, handler: Callable[[Request], Answer], request: Request
    ) -> Answer:
        return served(
            self._faults.http(service),
            lambda: handler(request),
            lambda fault: self._refused_on_purpose(fault, request),
            self._sleep,
        )

    def _refused_on_purpose(self, fault: HttpFault, request: Request) -> Answer:
        code = fault.code or _CODE_OF_STATUS.get(fault.status or 0, "unexpected_failure")
        status = fault.status or (KNOWN[code].status if code in KNOWN else 400)
        answer = AuthRefusal(code, fault.message, status).answer(request)
        wait = retry_after(fault.retry_after)
        return Answer(answer.status, answer.body, {**answer.headers, **wait})

    def _new_account(self, request: Request, entry: SignUp) -> Answer:
        body = _json_object(request)
        data = body.get("data")
        metadata = data if isinstance(data, dict) else {}
        email = _text(body, "email")
        if email:
            password = _text(body, "password")
            user = self._accounts.sign_up_named(email, password, metadata)
            return self._counted_sign_up(user, "password", entry)
        if not self._bucket.take():
            raise AuthRefusal("over_request_rate_limit")
        user = self._accounts.sign_up_anonymous(metadata)
        return self._counted_sign_up(user, "anonymous", entry)

    def _counted_sign_up(self, user: User, method: str, entry: SignUp) -> Answer:
        self._counters.sign_ups += 1
        entry.user_id = user.id
        return self._granted(*self._accounts.sign_in(user, method))

    def _password(self, request: Request) -> Answer:
        body = _json_object(request)
        user = self._accounts.by_password(_text(body, "email"), _text(body, "password"))
        self._counters.password_sign_ins += 1
        return self._granted(*self._accounts.sign_in(user, "password"))

    def _refresh(self, request: Request) -> Answer:
        try:
            session = self._accounts.sessions.refresh(self._refresh_token(request))
        except AuthRefusal:
            self._counters.refreshes_refused += 1
            raise
        self._counters.refreshes += 1
        return self._granted(session, self._accounts.grant(session))

    def _refresh_token(self, request: Request) -> str:
        token = _text(_json_object(request), "refresh_token")
        if not token:
            raise AuthRefusal("validation_failed", "refresh_token required")
        if len(token) < _SHORTEST_REFRESH_TOKEN:
            raise AuthRefusal("validation_failed", "Refresh token is not valid")
        return token

    def _granted(self, session: Session, grant: Mapping[str, object]) -> Answer:
        headers = {
            "sb-auth-user-id": session.user_id,
            "sb-auth-session-id": session.id,
            "sb-auth-refresh-token-prefix": session.current[:5],
        }
        return json_answer(200, grant, headers)

    def _session(self, request: Request) -> Session:
        token = bearer(request)
        if not token:
            raise AuthRefusal("no_authorization")
        try:
            claims = self._tokens.check(token)
        except BadToken as error:
            raise AuthRefusal("bad_jwt", f"{KNOWN['bad_jwt'].message}, {error}") from error
        session = self._accounts.sessions.get(str(claims.get("session_id")))
        if session is None:
            raise AuthRefusal("session_not_found")
        return session
