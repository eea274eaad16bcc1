"""Pure: what the answer to a start call means. The table stands in ``docs/upstream.md``.

Our caller's key is not at fault when the upstream refuses ours, so no 401 or 403 is ever passed on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeAlias

import orjson

from langfast_wsgi.errors import (
    BadRequest,
    GatewayError,
    QuotaExhausted,
    RateLimited,
    StartRefused,
    TooLarge,
    UpstreamGarbled,
    UpstreamSilent,
    UpstreamUnreachable,
)
from langfast_wsgi.providers.langfast.refused_prompt import message_of, refused_prompt
from langfast_wsgi.providers.langfast.translate import clean

Blame: TypeAlias = Literal["", "upstream", "account", "project", "setup", "unclear"]
"""What a refusal speaks against: the upstream's health (unreachable, 5xx, no answer in time), our
account, the whole project, our configuration. "": nobody, the upstream is well; "unclear": its
answer has no meaning.
"""

QUOTA_REST = 3600.0
RESTRICTED_REST = 300.0
REFUSED_REST = 60.0
RATE_REST = 5.0
LONGEST_RATE_LIMIT = 60.0
LONGEST_REST = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A start that was refused: the fault, whether to try again at once, how long to rest.

    ``again`` is "refreshed" (with a new token), "same" (the same run id) or "" (no second try).
    ``spent``: the run may be going on all the same. ``blame`` is for the breaker.
    """

    fault: GatewayError
    again: str = ""
    rest: float = 0.0
    spent: bool = False
    blame: Blame = ""


def accepted(content: bytes) -> str | None:
    """The job id in the answer; None where the upstream gives none. Raises UpstreamGarbled."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UpstreamGarbled("The upstream answered the start with something else.") from error
    if not isinstance(found, dict):
        raise UpstreamGarbled("The upstream answered the start with something else.")
    jobs = found.get("jobs")
    if jobs is None and isinstance(found.get("run_id"), str):
        return None
    first = jobs[0] if isinstance(jobs, list) and jobs else None
    job_id = first.get("job_id") if isinstance(first, dict) else None
    if not isinstance(job_id, str) or not job_id:
        raise UpstreamGarbled("The upstream's answer to the start names no job.")
    return job_id


def refused(status: int, headers: Mapping[str, str], content: bytes) -> Refusal:
    """What any answer but 200 means."""
    if status == 401:
        not_us = _not_us("upstream_auth_error")
        return Refusal(not_us, again="refreshed", rest=REFUSED_REST, blame="account")
    if status == 403:
        return Refusal(_not_us("upstream_forbidden"), rest=REFUSED_REST, blame="account")
    if status in (400, 413, 422):
        return Refusal(_prompt_refused(status, content))
    if status in (402, 429):
        return _limited(status, _seconds(headers.get("retry-after")), content)
    if status == 404:
        return _missing(content)
    if status < 400:
        redirect = UpstreamGarbled("The upstream answered the start with a redirect.")
        return Refusal(redirect, blame="unclear")
    if status in (500, 502):
        # A function that does not look at its model's error hands it on as a failure of its own.
        found = _body(content)
        fault = refused_prompt(found, clean(message_of(found)))
        if fault is not None:
            return Refusal(fault)
    return _failed(status)


def unreachable() -> Refusal:
    """Nothing was asked for: refused, no name, no TLS."""
    fault = UpstreamUnreachable("The upstream cannot be reached.", retry_after=5)
    return Refusal(fault, again="same", blame="upstream")


def garbled() -> Refusal:
    """Accepted, but nobody can say what."""
    fault = UpstreamGarbled("The upstream's answer to the start is no good.")
    return Refusal(fault, spent=True, blame="unclear")


def cut() -> Refusal:
    """Cut after the body was sent: the run may be going on, so no second one."""
    fault = StartRefused("The upstream cut the connection.", retry=False)
    return Refusal(fault, spent=True, blame="upstream")


def _missing(content: bytes) -> Refusal:
    fault = StartRefused(
        "The upstream has no function that starts a run.",
        code="upstream_misconfigured",
        retry=False,
    )
    # The platform knows the function but has not got its code at hand: that may pass.
    again = "same" if _code(content) == "NOT_FOUND_FUNCTION_BLOB" else ""
    return Refusal(fault, again=again, blame="setup")


def _prompt_refused(status: int, content: bytes) -> GatewayError:
    """The caller's prompt is at fault; the upstream is well, and so is our account."""
    found = _body(content)
    words = clean(message_of(found))
    fault = refused_prompt(found or content.decode("utf-8", "replace"), words)
    if fault is not None:
        return fault
    if status == 413:
        return TooLarge(words or "The prompt is larger than what the upstream takes.")
    return BadRequest(words or "The upstream refused the prompt.", code=None)


def _not_us(code: str) -> StartRefused:
    return StartRefused("The upstream refused the gateway's own account.", code=code, retry=False)


def _limited(status: int, retry_after: float | None, content: bytes) -> Refusal:
    wait = retry_after or 0.0
    if status == 402 and _is_of_the_project(_code(content).lower()):
        fault = QuotaExhausted("The upstream has restricted the whole project.")
        return Refusal(fault, rest=max(wait, RESTRICTED_REST), blame="project")
    if status == 402 or wait > LONGEST_RATE_LIMIT or "quota" in _code(content).lower():
        return Refusal(
            QuotaExhausted("The upstream's quota is used up."), rest=retry_after or QUOTA_REST
        )
    wait = max(wait, 1.0) if retry_after is not None else RATE_REST
    return Refusal(
        RateLimited("The upstream's rate limit is reached.", retry_after=wait), rest=wait
    )


def _is_of_the_project(code: str) -> bool:
    """Whether the platform in front of the function says so: nobody of the project is served."""
    return code.startswith("exceeded_") or code == "overdue_payment"


def _failed(status: int) -> Refusal:
    if status == 503:
        fault: GatewayError = UpstreamUnreachable(
            "The upstream is not available just now.", retry_after=5
        )
        return Refusal(fault, again="same", blame="upstream")
    if status in (504, 522, 524):
        return too_late()
    return Refusal(
        StartRefused("The upstream failed to start the run."),
        again="same" if status in (500, 502) else "",
        spent=True,
        blame="upstream" if status >= 500 else "",
    )


def too_late() -> Refusal:
    """No answer in time."""
    fault = UpstreamSilent("The upstream took too long to start the run.")
    return Refusal(fault, spent=True, blame="upstream")


def _seconds(value: str | None) -> float | None:
    """Retry-After in seconds, given as a number or a date; None where it is neither."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):  # no date, or one without a (real) zone
            return None
        return min(max(seconds, 0.0), LONGEST_REST)  # a date may be past
    return min(seconds, LONGEST_REST) if seconds >= 0 else None


def _body(content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(content: bytes) -> str:
    found = _body(content)
    inner = found.get("error")
    code = found.get("code") or (inner.get("code") if isinstance(inner, dict) else inner)
    return code if isinstance(code, str) else ""
