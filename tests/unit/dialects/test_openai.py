"""OpenAI's envelope: errors, ids, and the headers that every answer bears."""

import json
import re

import pytest
from flask import Flask, Response, g

from langfast_wsgi.conversation.events import Usage
from langfast_wsgi.dialects._openai import (
    begin,
    error_body,
    error_response,
    error_type,
    json_response,
    new_id,
    sign,
    usage_body,
)
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
    StartRefused,
    TooLarge,
    UnknownModel,
    Unsupported,
    UpstreamSilent,
)
from tests.support.builders import counted


def test_ids_are_unique_and_bear_their_prefix() -> None:
    ids = {new_id("chatcmpl-") for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"chatcmpl-[0-9a-f]{32}", one) for one in ids)


@pytest.mark.parametrize(
    ("fault", "status", "kind", "code"),
    [
        (BadRequest("x"), 400, "invalid_request_error", None),
        (BadRequest("x", code="c"), 400, "invalid_request_error", "c"),
        (UnknownModel("x"), 404, "invalid_request_error", "model_not_found"),
        (NotAuthorised("x"), 401, "invalid_request_error", "invalid_api_key"),
        (TooLarge("x"), 413, "invalid_request_error", "request_too_large"),
        (BodyTimeout("x"), 408, "invalid_request_error", "request_timeout"),
        (Unsupported("x"), 415, "invalid_request_error", "unsupported_media_type"),
        (QuotaExhausted("x"), 429, "insufficient_quota", "insufficient_quota"),
        (RateLimited("x"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (UpstreamSilent("x"), 504, "timeout_error", "upstream_timeout"),
        (RunFailed("x"), 502, "server_error", "upstream_run_failed"),
        (ShuttingDown("x"), 503, "server_error", "shutting_down"),
        (GatewayError("x"), 500, "server_error", "internal_error"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fault_as_an_answer(
    fault: GatewayError, status: int, kind: str, code: str | None
) -> None:
    response = error_response(fault)
    assert response.status_code == status
    assert response.content_type == "application/json"
    assert json.loads(response.data) == {
        "error": {"message": "x", "type": kind, "param": None, "code": code}
    }
    assert error_type(fault) == kind


def test_a_fault_names_its_parameter() -> None:
    assert error_body(BadRequest("x", param="messages[0]"))["error"]["param"] == "messages[0]"


@pytest.mark.parametrize(
    ("fault", "should", "after"),
    [
        (BadRequest("x"), "false", None),
        (QuotaExhausted("x"), "false", None),
        (NoCredentials("x", retry_after=1800, retry=False), "false", "1800"),
        (StartRefused("x", retry=False), "false", None),
        (RateLimited("x"), None, None),
        (RateLimited("x", retry_after=7), None, "7"),
        (RateLimited("x", retry_after=7.01), None, "8"),
        (RateLimited("x", retry_after=0), None, "1"),
        (NoCredentials("x", retry_after=0.2), None, "1"),
        (NoCredentials("x", retry_after=5, retry=True), "true", "5"),
    ],
    ids=repr,
)
def test_the_headers_say_whether_and_when_to_try_again(
    fault: GatewayError, should: str | None, after: str | None
) -> None:
    headers = error_response(fault).headers
    assert headers.get("x-should-retry") == should
    assert headers.get("Retry-After") == after


def test_a_refused_key_names_the_scheme() -> None:
    assert error_response(NotAuthorised("x")).headers["WWW-Authenticate"] == "Bearer"
    assert "WWW-Authenticate" not in error_response(BadRequest("x")).headers


def test_the_total_is_the_sum() -> None:
    assert usage_body(Usage(3, 4)) == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
    }


# --- the headers of every answer


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.before_request(begin)
    app.after_request(sign)

    @app.get("/there")
    def there() -> Response:
        return json_response({"id": g.request_id})

    return app


@pytest.mark.parametrize("path", ["/there", "/nowhere"])
def test_every_answer_is_signed(app: Flask, path: str) -> None:
    headers = app.test_client().get(path).headers
    assert re.fullmatch(r"req_[0-9a-f]{32}", headers["x-request-id"])
    assert headers["openai-version"] == "2020-10-01"
    assert headers["openai-processing-ms"].isdigit()


@pytest.mark.parametrize("offered", ["abc", "A-1.b_2", "x" * 64])
def test_the_callers_own_request_id_is_kept_where_it_is_a_plain_word(
    app: Flask, offered: str
) -> None:
    response = app.test_client().get("/there", headers={"X-Request-Id": offered})
    assert response.headers["x-request-id"] == offered
    assert response.json == {"id": offered}


@pytest.mark.parametrize("offered", ["", "x" * 65, "a b", "a/b", "é", "<script>"])
def test_any_other_request_id_is_replaced(app: Flask, offered: str) -> None:
    response = app.test_client().get("/there", headers={"X-Request-Id": offered})
    assert response.headers["x-request-id"].startswith("req_")


def test_an_answer_is_counted_by_route_and_status(app: Flask) -> None:
    series = "langfast_requests_total"
    with (
        counted(series, route="/there", status="200") as there,
        counted(series, route="unmatched", status="404") as nowhere,
    ):
        app.test_client().get("/there")
        app.test_client().get("/nowhere/" + "x" * 100)
        assert (there(), nowhere()) == (1, 1)


def test_a_blueprint_and_an_application_that_both_sign_do_it_once(app: Flask) -> None:
    app.before_request(begin)
    app.after_request(sign)
    with counted("langfast_requests_total", route="/there", status="200") as there:
        response = app.test_client().get("/there")
        assert there() == 1
    assert len(response.headers.getlist("x-request-id")) == 1


def test_an_answer_that_was_made_before_the_clock_began_is_signed_all_the_same() -> None:
    app = Flask(__name__)
    app.after_request(sign)
    assert "x-request-id" in app.test_client().get("/").headers
