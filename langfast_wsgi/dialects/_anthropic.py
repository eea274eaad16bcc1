"""Anthropic's envelope: errors, the id of a request, and which requests are answered in it."""

from typing import Any

from flask import Response, g, request

from langfast_wsgi.dialects._openai import advised, json_response
from langfast_wsgi.errors import GatewayError, QuotaExhausted

MESSAGES = "/v1/messages"
MODELS = "/v1/models"
VERSION = "anthropic-version"  # the header that every client of this API sends
TOO_LONG = "prompt is too long"  # Anthropic's words, at which agents shorten the conversation

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def is_spoken() -> bool:
    """Whether the request at hand is one to this API.

    Its own paths tell; where a path is another API's as well, or nobody's, the header does.
    """
    path = request.path
    if path == MESSAGES or path.startswith(f"{MESSAGES}/"):
        return True
    is_open = request.url_rule is None or path == MODELS or path.startswith(f"{MODELS}/")
    return is_open and VERSION in request.headers


def error_body(fault: GatewayError, request_id: str, status: int | None = None) -> dict[str, Any]:
    """The envelope of a fault, for a JSON answer or an event in a stream.

    It has no room for the field that is at fault, so the sentence names it, as Anthropic's do. Our
    stable code word stands where its SDKs look for one.
    """
    error: dict[str, Any] = {
        "type": error_type(fault, status or fault.status),
        "message": _sentence(fault),
    }
    if fault.code is not None:
        error["details"] = {"error_code": fault.code}
    return {"type": "error", "error": error, "request_id": request_id}


def error_type(fault: GatewayError, status: int) -> str:
    """Anthropic's word for the kind of fault."""
    if isinstance(fault, QuotaExhausted):
        return "billing_error"  # waiting a little does not cure it, as it would a rate limit
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def error_response(fault: GatewayError, status: int | None = None) -> Response:
    """A fault as an answer. ``status``: where it is not the fault's own."""
    body = error_body(fault, g.request_id, status)
    return signed(advised(json_response(body, status or fault.status), fault))


def signed(response: Response) -> Response:
    """The answer, with the request's id where Anthropic's SDKs look for it."""
    response.headers["request-id"] = g.request_id
    return response


def _sentence(fault: GatewayError) -> str:
    if fault.code == "context_length_exceeded":
        return f"{TOO_LONG}: {fault.message}"
    if fault.param is None or fault.param in fault.message:
        return fault.message
    return f"{fault.param}: {fault.message}"
