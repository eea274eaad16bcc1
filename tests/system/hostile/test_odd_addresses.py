"""Hosts, paths and headers that want to lead somewhere else than they say."""

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.raw import RawConnection, error_of
from tests.system.hostile.conftest import AUTH

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def answered(gateway: GatewayProcess, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    with RawConnection(gateway) as raw:
        raw.send(sent)
        return raw.answer()


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/nowhere", "/v1/chat/completions"])
@pytest.mark.parametrize("host", [None, "evil.example", "evil.example/x?y#", "a b", "\xe9"])
def test_e18_no_host_and_any_host_will_do_and_none_is_ever_repeated(
    small: GatewayProcess, path: str, host: str | None
) -> None:
    head = f"GET {path} HTTP/1.1\r\n" + (f"Host: {host}\r\n" if host else "") + "\r\n"
    status, headers, body = answered(small, head.encode("latin-1"))
    assert status == {"/healthz": 200, "/v1/models": 401, "/nowhere": 404}.get(path, 405)
    assert b"evil" not in body
    assert "evil" not in str(headers)
    assert "location" not in headers


def test_e18_a_host_that_can_be_none_is_a_400_in_json(small: GatewayProcess) -> None:
    head = f"GET /healthz HTTP/1.1\r\nHost: {'a' * 4_000}\r\n\r\n"
    status, headers, body = answered(small, head.encode())
    assert (status, headers["content-type"]) == (400, "application/json")
    assert error_of(body)["type"] == "invalid_request_error"


@pytest.mark.parametrize("name", ["X_Request_Id", "X_REQUEST-ID", "X-Request_Id"])
def test_e19_headers_with_an_underscore_do_not_arrive(small: GatewayProcess, name: str) -> None:
    """Else two headers would mean one variable: what a proxy sets, and what a caller sends."""
    _, headers, _ = answered(small, HEAD + f"{name}: forged\r\n\r\n".encode())
    assert headers["x-request-id"].startswith("req_")
    both = f"X-Request-Id: mine\r\n{name}: forged\r\n\r\n"
    assert answered(small, HEAD + both.encode())[1]["x-request-id"] == "mine"


def test_e19_no_key_is_read_from_a_header_with_an_underscore(small: GatewayProcess) -> None:
    for name in ("Authorization_", "HTTP_AUTHORIZATION", "_Authorization"):
        head = f"GET /v1/models HTTP/1.1\r\nHost: x\r\n{name}: {AUTH['Authorization']}\r\n\r\n"
        assert answered(small, head.encode())[0] == 401


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "SCRIPT-NAME", "PATH_INFO", "X-Script-Name"])
def test_e20_script_name_from_outside_moves_no_route(small: GatewayProcess, name: str) -> None:
    for path, value in (("/x/healthz", "/x"), ("/x/v1/models", "/x"), ("/x", "/healthz")):
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\n\r\n"
        assert answered(small, head.encode())[0] == 404
    assert answered(small, HEAD + f"{name}: /x\r\n\r\n".encode())[0] == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("//healthz", 200),
        ("///healthz", 200),
        ("http://y/healthz", 200),
        ("https://user:word@y/healthz", 200),
        ("//v1/models", 401),
        ("http://y/v1/models", 401),
        ("//metrics", 401),
        ("http://y/metrics", 401),
        ("http://y/nowhere", 404),
        ("*", 400),
        ("/*", 404),
    ],
)
def test_e21_every_spelling_of_a_path_has_the_same_lock(
    small: GatewayProcess, target: str, status: int
) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"
    assert answered(small, head.encode())[0] == status


@pytest.mark.parametrize("target", ["/v1//models", "//v1//models", "/v1/chat//completions"])
def test_e21_e18_double_slashes_within_a_path_are_a_404_and_no_redirect(
    small: GatewayProcess, target: str
) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    status, headers, body = answered(small, head.encode())
    assert status == 404
    assert headers["content-type"] == "application/json"
    assert b"evil" not in body
    assert "location" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/..%2fhealthz",
        "/%2e%2e/healthz",
        "/%00",
        "/healthz%00",
        "/v1/%2e%2e/healthz",
        "/v1/../healthz",
        "/v1/models/../../metrics",
        "/v1%2fmodels%2f..%2f..%2fmetrics",
        "/%ff%fe",
        "/%0d%0aX-Evil:%201",
        "/%",
        "/%zz",
        "/static/..%2f..%2fapp.py",
        "/v1/models/%00",
        "/v1/models/..%2f..%2fetc%2fpasswd",
        "/v1/models/%0d%0aX-Evil:%201",
        "/v1/models/%F0%9F%98%80",
    ],
)
def test_e22_dots_slashes_and_controls_in_a_path_are_a_404_in_json(
    small: GatewayProcess, path: str
) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTH['Authorization']}\r\n\r\n"
    status, headers, body = answered(small, head.encode())
    assert status == 404
    assert headers["content-type"] == "application/json"
    assert error_of(body)["type"] == "invalid_request_error"
    assert "x-evil" not in headers
