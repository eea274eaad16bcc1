"""How the function and the platform in front of it say no."""

from collections.abc import Mapping

from langfast_wsgi.emulator.web import Answer, Problem, Request, json_answer

# What the real ones say with these statuses; anything else gets a plain sentence.
_CODES: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request is not valid."),
    401: ("UNAUTHORIZED_LEGACY_JWT", "Invalid JWT"),
    402: ("exceeded_usage_quota", "The project is restricted, its quota is used up."),
    403: ("forbidden", "This is not allowed."),
    404: ("NOT_FOUND", "Requested function was not found"),
    413: ("payload_too_large", "The prompt is too large."),
    422: ("unprocessable", "The prompt cannot be run."),
    429: ("rate_limited", "Too many runs, try again later."),
    500: ("WORKER_ERROR", "Function exited due to an error"),
    502: ("bad_gateway", "The server returned an invalid response."),
    503: ("BOOT_ERROR", "Function failed to start"),
    504: ("IDLE_TIMEOUT", "Function did not answer in time"),
    546: ("WORKER_LIMIT", "Function failed due to not having enough compute resources"),
}


class StartRefusal(Problem):
    """A start that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status)
        usual_code, usual_message = _CODES.get(status, ("error", "The run was not started."))
        self.status = status
        self.code = code or usual_code
        self.message = message or usual_message
        self.headers = headers or {}

    def answer(self, _request: Request, /) -> Answer:
        """``code`` and ``message``; a code in capitals is the platform's and is a header too."""
        platform = {"sb-error-code": self.code} if self.code.isupper() else {}
        body = {"code": self.code, "message": self.message}
        return json_answer(self.status, body, {**platform, **self.headers})


def no_bearer() -> StartRefusal:
    """No Authorization header."""
    return StartRefusal(401, "Missing authorization header", "UNAUTHORIZED_NO_AUTH_HEADER")


def bad_jwt() -> StartRefusal:
    """A token that is not good, or not any more."""
    return StartRefusal(401)
