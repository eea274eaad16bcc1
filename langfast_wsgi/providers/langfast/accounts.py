"""Supabase Auth (GoTrue): sign-up, sign-in and refresh, over requests.

The facts of this wire stand in ``docs/upstream.md``. Nothing here is on a request's path but the
one refresh after a refused start. No captcha is solved and no header is forged.
"""

import logging
import ssl
import time
from collections.abc import Callable
from typing import Any

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from langfast_wsgi.errors import (
    RateLimited,
    SignUpRefused,
    UpstreamError,
    UpstreamGarbled,
    UpstreamSilent,
    UpstreamUnreachable,
)
from langfast_wsgi.observe.logs import hide, one_line
from langfast_wsgi.providers.langfast.answer import (
    AnswerCut,
    AnswerTooLarge,
    AnswerTooSlow,
    read,
    timely,
    tls_context,
)
from langfast_wsgi.providers.langfast.grant import Grant as Grant
from langfast_wsgi.providers.langfast.grant import read_grant

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
RATE_LIMIT_PAUSE = 120.0  # GoTrue refills 30 an hour, one in 120 s, and sends no Retry-After
EMULATOR_HEADER = "x-langfast-emulator"

_FINAL = {
    "captcha_failed": (
        "upstream_captcha_required",
        "The upstream wants a captcha before it gives an account.",
    ),
    "anonymous_provider_disabled": (
        "upstream_signup_disabled",
        "The upstream does not give anonymous accounts.",
    ),
    "signup_disabled": ("upstream_signup_disabled", "The upstream does not give accounts."),
    "invalid_credentials": (
        "upstream_misconfigured",
        "The upstream does not know the configured account.",
    ),
    "email_not_confirmed": (
        "upstream_misconfigured",
        "The configured account's e-mail is not confirmed.",
    ),
}
_GONE = frozenset(
    {
        "refresh_token_not_found",
        "refresh_token_already_used",
        "session_not_found",
        "session_expired",
        "user_banned",
        "user_not_found",
        "validation_failed",
    }
)


class CredentialGone(SignUpRefused):
    """The upstream no longer knows this session: its refresh token will never serve again."""

    default_code = "upstream_auth_error"


class AuthFailed(SignUpRefused):
    """The auth service is there but ill (5xx)."""


class RefreshConflict(SignUpRefused):
    """Somebody else is refreshing this session at this moment: wait, and look again."""


class NobodyThere(UpstreamUnreachable):
    """No connection came about: nothing was asked for, so nothing can have been granted."""


OUTAGES = (UpstreamUnreachable, UpstreamSilent, UpstreamGarbled, AuthFailed)
"""The faults that speak of an upstream that is down, and not of us."""


class Accounts:
    """The auth service. All calls block for at most ``timeout`` seconds and raise UpstreamError."""

    def __init__(self, supabase_url: str, anon_key: str, timeout: float) -> None:
        self._origin = supabase_url
        self._base = f"{supabase_url}/auth/v1"
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # no ~/.netrc, which would replace the bearer
        self._session.cookies = _NoCookies()
        self._session.mount("https://", _SharedTls())
        self._session.mount("http://", _Timely())
        self._session.headers.update(
            {
                "apikey": anon_key,
                "X-Supabase-Api-Version": "2024-01-01",
                "Content-Type": "application/json;charset=UTF-8",
            }
        )
        #: Called with the value of the emulator's header, once it was seen on an answer.
        self.on_answer: Callable[[str | None], None] = lambda _: None
        #: Called with each grant before it is used.
        self.on_grant: Callable[[Grant], None] = lambda _: None

    def __repr__(self) -> str:
        return f"<Accounts at {self._base}>"

    def sign_up(self) -> Grant:
        """A new anonymous account."""
        return self._grant("/signup", {"data": {}, "gotrue_meta_security": {}})

    def sign_in(self, email: str, password: str) -> Grant:
        """A session of the operator's own account."""
        return self._grant("/token?grant_type=password", {"email": email, "password": password})

    def refresh(self, refresh_token: str) -> Grant:
        """A new token pair. Raises CredentialGone where the session is known no more.

        An answer that was lost on the way is asked for once more: the auth service tolerates the
        direct parent of its current token.
        """
        path, body = "/token?grant_type=refresh_token", {"refresh_token": refresh_token}
        try:
            return self._grant(path, body)
        except NobodyThere:
            raise
        except (UpstreamUnreachable, UpstreamGarbled):
            return self._grant(path, body)

    def emulator_models(self) -> tuple[str, ...]:
        """The model ids that an emulator offers; none where it does not say."""
        try:
            with self._session.get(
                self._origin + "/emulator",
                timeout=CONNECT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as answer:
                found = _json(read(answer.raw, time.monotonic() + self._timeout))
            return tuple(str(model["id"]) for model in found["models"])
        except (
            requests.RequestException,
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AnswerTooLarge,
            AnswerCut,
            AnswerTooSlow,
        ):
            return ()

    def _grant(self, path: str, body: dict[str, Any]) -> Grant:
        status, headers, content = self._post(path, body)
        self.on_answer(headers.get(EMULATOR_HEADER))
        found = _json(content)
        if status == 200:
            grant = read_grant(found)
            hide(grant.refresh_token, grant.access_token)
            self.on_grant(grant)
            return grant
        # A 200 that is no session may hold tokens in any place, so its body is never logged.
        said = one_line(content.decode("utf-8", "replace"))
        log.debug("the auth service answered %d: %s", status, said)
        raise _fault(status, _error_code(found, headers))

    def _patience(self) -> Any:
        """In total: requests passes urllib3's own kind on, though its types do not say so."""
        connect = min(CONNECT_SECONDS, self._timeout)
        return urllib3.Timeout(total=self._timeout, connect=connect)

    def _post(
        self, path: str, body: dict[str, Any]
    ) -> tuple[int, "requests.structures.CaseInsensitiveDict[str]", bytes]:
        deadline = time.monotonic() + self._timeout
        try:
            with self._session.post(
                self._base + path,
                data=orjson.dumps(body),
                timeout=self._patience(),
                allow_redirects=False,
                stream=True,
            ) as answer:
                return answer.status_code, answer.headers, read(answer.raw, deadline)
        except AnswerTooLarge as error:
            raise UpstreamGarbled("The upstream's auth service answered far too much.") from error
        except (requests.RequestException, OSError, AnswerCut, AnswerTooSlow, ValueError) as error:
            kind = NobodyThere if _was_never_sent(error) else UpstreamUnreachable
            raise kind("The upstream's auth service did not answer.", retry_after=5) from error


class _NoCookies(RequestsCookieJar):
    """Keeps nothing: a cookie set for one account would be sent with the next."""

    def set_cookie(self, *_: Any, **__: Any) -> None:
        """Forget it."""


class _Timely(HTTPAdapter):
    """A deadline for the whole answer."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Have urllib3 make our own connections."""
        super().init_poolmanager(*args, **kwargs)
        timely(self.poolmanager)


class _SharedTls(_Timely):
    """The shared TLS context, which holds the certificates already."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Hand the context to urllib3."""
        super().init_poolmanager(*args, ssl_context=tls_context(), **kwargs)

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """The context verifies; a bundle loaded per connection stops all greenlets for 20 ms."""
        conn.cert_reqs = "CERT_REQUIRED"


def _was_never_sent(error: Exception) -> bool:
    """Whether it failed before there was a connection: refused, no name, no route, not trusted."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    why = error.args[0] if isinstance(error, requests.ConnectionError) and error.args else None
    reason = getattr(why, "reason", None)
    untrusted = isinstance(reason, urllib3.exceptions.SSLError) and any(
        isinstance(one, ssl.SSLCertVerificationError) for one in reason.args
    )
    return untrusted or isinstance(reason, urllib3.exceptions.NewConnectionError)


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def _error_code(found: Any, headers: Any) -> str | None:
    """The error's code word in any of the three shapes that GoTrue has."""
    if isinstance(found, dict):
        for name in ("error_code", "code", "error"):
            if isinstance(found.get(name), str):
                return str(found[name])
    code = headers.get("x-sb-error-code")
    return str(code) if code else None


def _fault(status: int, code: str | None) -> UpstreamError:
    if status == 429:
        return RateLimited(
            "The upstream gives no more accounts for now.", retry_after=RATE_LIMIT_PAUSE
        )
    if code in _FINAL:
        word, message = _FINAL[code]
        return SignUpRefused(message, code=word, retry=False)
    if code in _GONE:
        return CredentialGone("The upstream no longer knows this account.")
    if status == 409 or code == "conflict":
        return RefreshConflict("The upstream's auth service is busy with this account.")
    if status in (401, 403, 404):
        # 401 is the anon key's fault; the others may be a proxy's passing mood.
        return SignUpRefused(
            "The upstream's auth service does not take our configuration.",
            code="upstream_misconfigured",
            retry=False if status == 401 else None,
        )
    kind = AuthFailed if status >= 500 else SignUpRefused
    return kind("The upstream's auth service failed.", retry_after=5)
