"""Why the auth service says no, and the two shapes in which it says so.

A client that sends ``X-Supabase-Api-Version: 2024-01-01`` (or later) gets ``code`` as a word and
the version echoed; anyone else gets ``code`` as the HTTP status and the word as ``error_code``. The
API gateway in front of the service has a third shape for a missing or wrong key.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from langfast_wsgi.emulator.web import Answer, Problem, Request, json_answer

NEW_SHAPE = "2024-01-01"


@dataclass(frozen=True, slots=True)
class Known:
    """An error code of the service with the status and the words it comes with."""

    status: int
    message: str


_REUSED = "Invalid Refresh Token: Already Used"
_CAPTCHA = "captcha protection: request disallowed (no captcha_token found)"

KNOWN: Mapping[str, Known] = {
    "bad_json": Known(400, "Could not parse request body as JSON"),
    "validation_failed": Known(400, "Invalid request"),
    "invalid_credentials": Known(400, "Invalid login credentials"),
    "captcha_failed": Known(400, _CAPTCHA),
    "refresh_token_not_found": Known(400, "Invalid Refresh Token: Refresh Token Not Found"),
    "refresh_token_already_used": Known(400, _REUSED),
    "session_expired": Known(400, "Invalid Refresh Token: Session Expired"),
    "user_banned": Known(400, "Invalid Refresh Token: User Banned"),
    "no_authorization": Known(401, "This endpoint requires a valid Bearer token"),
    "bad_jwt": Known(403, "invalid JWT: unable to parse or verify signature"),
    "session_not_found": Known(403, "Session from session_id claim in JWT does not exist"),
    "user_not_found": Known(403, "User from sub claim in JWT does not exist"),
    "conflict": Known(409, "Too many concurrent token refresh requests on the same session"),
    "request_entity_too_large": Known(413, "Request body is too large"),
    "anonymous_provider_disabled": Known(422, "Anonymous sign-ins are disabled"),
    "signup_disabled": Known(422, "Signups not allowed for this instance"),
    "user_already_exists": Known(422, "User already registered"),
    "weak_password": Known(422, "Password should be at least 6 characters."),
    "over_request_rate_limit": Known(429, "Request rate limit reached"),
    "unexpected_failure": Known(500, "Unexpected failure, please check server logs"),
    "request_timeout": Known(504, "Processing this request timed out"),
}


class AuthRefusal(Problem):
    """The auth service turns a request down."""

    def __init__(self, code: str, message: str | None = None, status: int | None = None) -> None:
        super().__init__(code)
        known = KNOWN.get(code, KNOWN["unexpected_failure"])
        self.code = code
        self.message = message or known.message
        self.status = status or known.status

    def answer(self, request: Request, /) -> Answer:
        """The error in the shape that the client's API version asks for."""
        headers = {"x-sb-error-code": self.code}
        # Versions are dates, so they compare as text.
        if request.header("x-supabase-api-version") >= NEW_SHAPE:
            headers["x-supabase-api-version"] = NEW_SHAPE
            body = {"code": self.code, "message": self.message}
            return json_answer(self.status, body, headers)
        old = {"code": self.status, "error_code": self.code, "msg": self.message}
        if self.status >= 500:
            old["error_id"] = uuid.uuid4().hex
        return json_answer(self.status, old, headers)


class KeyRefused(Problem):
    """The API gateway's answer to a request without the right ``apikey``."""

    def __init__(self, given: bool) -> None:
        super().__init__(given)
        self.given = given

    def answer(self, _request: Request, /) -> Answer:
        """401 with ``message`` and ``hint``."""
        if self.given:
            hint = "Double check your Supabase `anon` or `service_role` API key."
            return json_answer(401, {"message": "Invalid API key", "hint": hint})
        hint = "No `apikey` request header or url param was found."
        return json_answer(401, {"message": "No API key found in request", "hint": hint})
