"""The tree of faults: what may go wrong, whose fault it is, and what a caller should do.

::

    GatewayError
    ├── CallerError                       the request is at fault: a retry changes nothing
    │   ├── BadRequest            400     code and param say which field
    │   ├── PromptTooLong         400     context_length_exceeded
    │   ├── ContentFiltered       400     content_filter
    │   ├── UnknownModel          404     model_not_found
    │   ├── NotAuthorised         401     invalid_api_key
    │   ├── TooLarge              413     request_too_large
    │   ├── BodyTimeout           408     request_timeout
    │   └── Unsupported           415     unsupported_media_type
    ├── OwnError                          the gateway cannot serve just now
    │   ├── NoCredentials         503     no_credentials_available
    │   ├── TooManyRuns           503     too_many_runs
    │   └── ShuttingDown          503     shutting_down
    └── UpstreamError                     the prompt runner failed us
        ├── SignUpRefused         503     upstream_signup_disabled, upstream_captcha_required, …
        ├── StartRefused          502     upstream_error, upstream_auth_error, upstream_forbidden, …
        ├── UpstreamUnreachable   503     upstream_unavailable
        ├── RateLimited           429     rate_limit_exceeded
        ├── QuotaExhausted        429     insufficient_quota
        ├── SessionRefused        502     upstream_auth_error
        ├── SessionLost           502     upstream_disconnected
        ├── RunFailed             502     upstream_run_failed
        ├── UpstreamSilent        504     upstream_timeout
        └── UpstreamGarbled       502     upstream_bad_response, upstream_inconsistent,
                                                upstream_no_tool_call, upstream_invalid_json,
                                                response_too_large

Each class carries the HTTP status that it suggests, a stable code word (also the metric label),
whether a retry may help (``None``: the client's own rule decides) and a message that is fit for
callers: no secret, no stack, no upstream address. The dialects render the tree; it knows none of
them. Foreign exceptions are turned into these at the door they come through, the cause kept.
"""

from typing import ClassVar, Self


class GatewayError(Exception):
    """A fault with everything that a dialect needs in order to tell the caller.

    ``retry_after`` is in seconds; ``None`` means that there is no figure to give.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"
    may_retry: ClassVar[bool | None] = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code: str | None = code or self.default_code
        self.param = param
        self.retry_after = retry_after
        self.retry = self.may_retry if retry is None else retry

    def again(self, retry_after: float | None) -> Self:
        """The same fault for another caller, without this one's traceback."""
        fault = type(self)(self.message)
        fault.code, fault.param, fault.retry = self.code, self.param, self.retry
        fault.retry_after = retry_after
        return fault


class CallerError(GatewayError):
    """The request is at fault."""

    status = 400
    may_retry = False


class BadRequest(CallerError):
    """A field is missing, of a wrong type or out of range; ``code=None`` is meant as null."""

    default_code = "invalid_value"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.code = code


class PromptTooLong(CallerError):
    """The prompt is longer than the model's context, as the upstream says."""

    default_code = "context_length_exceeded"


class ContentFiltered(CallerError):
    """The upstream's content filter refused the prompt, or what the model made of it."""

    default_code = "content_filter"


class UnknownModel(CallerError):
    """No provider serves this model."""

    status = 404
    default_code = "model_not_found"


class NotAuthorised(CallerError):
    """No key, or a wrong one."""

    status = 401
    default_code = "invalid_api_key"


class TooLarge(CallerError):
    """The body is larger than MAX_BODY_BYTES, or the prompt than what the upstream takes."""

    status = 413
    default_code = "request_too_large"


class BodyTimeout(CallerError):
    """The body did not arrive within BODY_TIMEOUT."""

    status = 408
    default_code = "request_timeout"


class Unsupported(CallerError):
    """The body comes in an encoding that is not taken."""

    status = 415
    default_code = "unsupported_media_type"


class OwnError(GatewayError):
    """The gateway itself cannot serve the request just now."""

    status = 503


class NoCredentials(OwnError):
    """No account is ready, and none became ready in time."""

    default_code = "no_credentials_available"


class TooManyRuns(OwnError):
    """All places are taken, and none became free in time."""

    default_code = "too_many_runs"


class ShuttingDown(OwnError):
    """This process is about to end; another one may serve the request."""

    default_code = "shutting_down"


class UpstreamError(GatewayError):
    """The prompt runner failed us."""

    status = 502
    default_code = "upstream_error"


class SignUpRefused(UpstreamError):
    """The upstream's auth service gives no account, or does not take ours."""

    status = 503
    default_code = "upstream_signup_refused"


class StartRefused(UpstreamError):
    """The run was not started."""


class UpstreamUnreachable(UpstreamError):
    """Nobody answered: refused, no route, no name, no TLS."""

    status = 503
    default_code = "upstream_unavailable"


class RateLimited(UpstreamError):
    """The upstream wants us to wait; so must the caller."""

    status = 429
    default_code = "rate_limit_exceeded"


class QuotaExhausted(UpstreamError):
    """The account's quota is used up: waiting a little does not cure it."""

    status = 429
    default_code = "insufficient_quota"
    may_retry = False


class SessionRefused(UpstreamError):
    """The socket service does not take our token."""

    default_code = "upstream_auth_error"


class SessionLost(UpstreamError):
    """The socket went away during a run and the rest of the text did not come."""

    default_code = "upstream_disconnected"
    may_retry = False


class RunFailed(UpstreamError):
    """The runner itself says that the run failed."""

    default_code = "upstream_run_failed"


class UpstreamSilent(UpstreamError):
    """Nothing came within the time that a setting allows."""

    status = 504
    default_code = "upstream_timeout"
    may_retry = False


class UpstreamGarbled(UpstreamError):
    """The upstream answered something that has no meaning for us."""

    default_code = "upstream_bad_response"
