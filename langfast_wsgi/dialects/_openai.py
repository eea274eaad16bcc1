"""OpenAI's envelope: errors, ids and the headers that every answer bears."""

import logging
import math
import re
import time
from typing import Any
from uuid import uuid4

import orjson
from flask import Response, g, request

from langfast_wsgi.conversation.events import Usage
from langfast_wsgi.errors import CallerError, GatewayError, QuotaExhausted
from langfast_wsgi.observe import metrics

log = logging.getLogger(__name__)

API_VERSION = "2020-10-01"
PIECE = 65536  # bytes of a body per write
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id(prefix: str) -> str:
    """A unique id, as in ``chatcmpl-…``."""
    return f"{prefix}{uuid4().hex}"


def json_response(body: object, status: int = 200) -> Response:
    """A JSON answer. A long one is written piecewise, so that each piece has its own deadline."""
    content = orjson.dumps(body)
    response = Response(_pieces(content), status, content_type="application/json")
    response.content_length = len(content)
    return response


def _pieces(content: bytes) -> list[bytes]:
    return [content[at : at + PIECE] for at in range(0, len(content), PIECE)]


def error_body(fault: GatewayError) -> dict[str, Any]:
    """The envelope of a fault, for a JSON answer or an event in a stream."""
    return {
        "error": {
            "message": fault.message,
            "type": error_type(fault),
            "param": fault.param,
            "code": fault.code,
        }
    }


def error_type(fault: GatewayError) -> str:
    """OpenAI's word for the kind of fault."""
    if isinstance(fault, QuotaExhausted):
        return "insufficient_quota"
    if fault.status == 429:
        return "rate_limit_error"
    if isinstance(fault, CallerError):
        return "invalid_request_error"
    return "timeout_error" if fault.status == 504 else "server_error"


def note(fault: GatewayError, request_id: str) -> None:
    """A log line for what was not the caller's own fault: the access log tells no reasons."""
    if not isinstance(fault, CallerError):
        log.warning("%s failed: %s (%s)", request_id, fault.code, fault.message)


def error_response(fault: GatewayError, status: int | None = None) -> Response:
    """A fault as an answer. ``status``: where it is not the fault's own."""
    return advised(json_response(error_body(fault), status or fault.status), fault)


def advised(response: Response, fault: GatewayError) -> Response:
    """The answer, with the headers that tell an SDK whether and when to try again."""
    if fault.retry is not None:
        response.headers["x-should-retry"] = "true" if fault.retry else "false"
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(fault.retry_after)))
    if fault.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def usage_body(usage: Usage) -> dict[str, int]:
    """Token counts as OpenAI names them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def begin() -> None:
    """At a request's arrival: its clock and its id (the caller's own, where it is a plain word)."""
    if "arrived" in g:  # a blueprint's own hook, behind the application's
        return
    g.arrived = time.monotonic()
    offered = request.headers.get("X-Request-Id", "")
    g.request_id = offered if _REQUEST_ID.fullmatch(offered) else new_id("req_")


def sign(response: Response) -> Response:
    """At its end: the headers that every answer of this API bears."""
    if "arrived" not in g:
        begin()
    if "x-request-id" not in response.headers:
        response.headers["x-request-id"] = g.request_id
        response.headers["openai-version"] = API_VERSION
        spent = time.monotonic() - g.arrived
        response.headers["openai-processing-ms"] = str(round(spent * 1000))
        route = request.url_rule.rule if request.url_rule else "unmatched"
        metrics.REQUESTS.labels(route, str(response.status_code)).inc()
    return response
