"""Anthropic's envelope: which requests are answered in it, and what it says of a fault."""

import json

import pytest
from anthropic._error_classes import ERROR_CLASSES
from flask import Flask, g

from langfast_wsgi.dialects._anthropic import error_body, error_response, is_spoken, signed
from langfast_wsgi.dialects._openai import json_response
from langfast_wsgi.dialects.openapi.answers import every_fault
from langfast_wsgi.errors import (
    BadRequest,
    BodyTimeout,
    GatewayError,
    NoCredentials,
    NotAuthorised,
    QuotaExhausted,
    RateLimited,
    RunFailed,
    ShuttingDown,
    TooLarge,
    UnknownModel,
    Unsupported,
    UpstreamSilent,
)

VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/v1/chat/completions", "chat", lambda: "", methods=["POST"])
    app.add_url_rule("/v1/models/<path:name>", "model", lambda name: "")
    return app


@pytest.mark.parametrize(
    ("method", "path", "plain", "with_header"),
    [
        ("POST", "/v1/messages", True, True),
        ("POST", "/v1/messages/count_tokens", True, True),
        ("GET", "/v1/messages/batches", True, True),
        ("GET", "/v1/messagesque", False, True),
        ("POST", "/v1/chat/completions", False, False),
        ("GET", "/v1/chat/completions", False, True),
        ("GET", "/v1/models", False, True),
        ("GET", "/v1/models/gpt-5", False, True),
        ("GET", "/v1/nowhere", False, True),
        ("GET", "/", False, True),
    ],
)
def test_its_paths_tell_and_where_they_are_anybodys_its_header(
    app: Flask, method: str, path: str, plain: bool, with_header: bool
) -> None:
    with app.test_request_context(path, method=method):
        assert is_spoken() is plain
    with app.test_request_context(path, method=method, headers=VERSION):
        assert is_spoken() is with_header


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (BadRequest("x", code="c"), 400, "invalid_request_error"),
        (NotAuthorised("x"), 401, "authentication_error"),
        (UnknownModel("x"), 404, "not_found_error"),
        (BodyTimeout("x"), 408, "timeout_error"),
        (TooLarge("x"), 413, "request_too_large"),
        (Unsupported("x"), 415, "invalid_request_error"),
        (RateLimited("x"), 429, "rate_limit_error"),
        (QuotaExhausted("x"), 429, "billing_error"),
        (GatewayError("x"), 500, "api_error"),
        (RunFailed("x"), 502, "api_error"),
        (ShuttingDown("x"), 503, "overloaded_error"),
        (UpstreamSilent("x"), 504, "timeout_error"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fault_as_an_answer(app: Flask, fault: GatewayError, status: int, kind: str) -> None:
    with app.test_request_context("/"):
        g.request_id = "req_1"
        response = error_response(fault)
    assert response.status_code == status
    assert response.headers["request-id"] == "req_1"
    assert json.loads(response.data) == {
        "type": "error",
        "error": {"type": kind, "message": "x", "details": {"error_code": fault.code}},
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("fault", "should", "after"),
    [
        (BadRequest("x"), "false", None),
        (QuotaExhausted("x"), "false", None),
        (RateLimited("x", retry_after=7), None, "7"),
        (NoCredentials("x", retry_after=5, retry=True), "true", "5"),
    ],
    ids=repr,
)
def test_its_headers_say_whether_and_when_to_try_again(
    app: Flask, fault: GatewayError, should: str | None, after: str | None
) -> None:
    with app.test_request_context("/"):
        g.request_id = "req_1"
        headers = error_response(fault).headers
    assert headers.get("x-should-retry") == should
    assert headers.get("Retry-After") == after


def test_a_status_that_is_not_the_faults_own_tells_the_kind(app: Flask) -> None:
    with app.test_request_context("/"):
        g.request_id = "req_1"
        response = error_response(BadRequest("x"), 404)
    assert response.status_code == 404
    assert json.loads(response.data)["error"] == {"type": "not_found_error", "message": "x"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (BadRequest("Too long.", param="a[0].b"), "a[0].b: Too long."),
        (BadRequest("Missing 'a[0].b'.", param="a[0].b"), "Missing 'a[0].b'."),
        (BadRequest("No."), "No."),
        (
            BadRequest("9 tokens.", code="context_length_exceeded", param="messages"),
            "prompt is too long: 9 tokens.",
        ),
    ],
)
def test_the_sentence_names_the_field_that_is_at_fault(fault: BadRequest, message: str) -> None:
    assert error_body(fault, "req_1")["error"]["message"] == message


def test_no_fault_of_ours_is_taken_for_another_by_the_sdk() -> None:
    """It chooses some exception classes by status and code word."""
    ours = {(fault.status, fault.default_code) for fault in every_fault()}
    assert not ours & set(ERROR_CLASSES)


def test_an_answer_is_signed_with_the_requests_id(app: Flask) -> None:
    with app.test_request_context("/"):
        g.request_id = "req_1"
        assert signed(json_response({})).headers["request-id"] == "req_1"
