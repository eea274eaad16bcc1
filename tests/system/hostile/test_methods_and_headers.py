"""Methods that no route has, headers that come back, expectations, and callers from other pages."""

import re

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.raw import RawConnection, error_of, post
from tests.system.hostile.conftest import AUTH

GOOD = b'{"messages":[{"role":"user","content":"x"}]}'
ORIGIN = "https://elsewhere.example"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/v1/models/echo", "GET, HEAD, OPTIONS"),
        ("/v1/chat/completions", "OPTIONS, POST"),
    ],
)
@pytest.mark.parametrize("method", ["TRACE", "PUT", "PATCH", "DELETE", "PROPFIND", "BREW"])
def test_e24_other_methods_are_a_405_in_json_that_names_those_allowed(
    small: GatewayProcess, method: str, path: str, allowed: str
) -> None:
    response = small.http.request(method, small.url + path, timeout=10)
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["message"].startswith(f"Not allowed to {method} on {path}")
    assert sorted(re.split(", *", response.headers["allow"])) == allowed.split(", ")


def test_e24_trace_sends_no_header_back(small: GatewayProcess) -> None:
    response = small.http.request("TRACE", f"{small.url}/v1/models", timeout=10)
    assert AUTH["Authorization"] not in response.text
    assert "Bearer" not in response.text


def test_e24_head_is_a_get_without_a_body(small: GatewayProcess) -> None:
    for path in ("/healthz", "/v1/models"):
        with RawConnection(small) as raw:
            key = AUTH["Authorization"]
            raw.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
            head = raw.socket.recv(65_536)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert head.endswith(b"\r\n\r\n")
    assert small.http.head(f"{small.api}/chat/completions", timeout=10).status_code == 405
    assert small.http.head(f"{small.api}/models", headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/v1/chat/completions", "/nowhere"])
@pytest.mark.parametrize("key", ["", AUTH["Authorization"]])
@pytest.mark.parametrize("origin", [ORIGIN, "null", "http://localhost:3000"])
def test_e34_e24_a_preflight_from_elsewhere_is_told_of_no_origin(
    small: GatewayProcess, path: str, key: str, origin: str
) -> None:
    """No origin is listed: there is no setting for it. So the header never stands anywhere."""
    response = small.http.options(
        small.url + path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type",
            "Authorization": key,
        },
        timeout=10,
    )
    assert response.status_code in (200, 401, 404)
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_e34_no_answer_to_another_page_may_be_read_by_it(small: GatewayProcess) -> None:
    origin = {"Origin": ORIGIN, "Cookie": f"key={AUTH['Authorization']}"}
    answers = [
        small.get("/healthz", headers=origin),
        small.get("/v1/models", headers=origin),
        small.get("/nowhere", headers=origin),
        small.chat("x", headers=origin),
        small.chat("x", headers=origin, stream=True),
        small.chat("x", headers={**origin, "Authorization": ""}),
    ]
    assert [one.status_code for one in answers] == [200, 200, 404, 200, 200, 401]
    for one in answers:
        assert not [name for name in one.headers if name.lower().startswith("access-control")]
        one.close()


def test_e23_what_a_caller_sends_breaks_no_header(small: GatewayProcess) -> None:
    fields = {"bad\r\nX-Evil: 1": 1, "ключ": 2, "a" * 300: 3, "\x00\x1b": 4, "b\ud7ff": 5}
    response = small.chat(**fields)
    assert response.status_code == 200
    assert "x-evil" not in response.headers
    assert re.fullmatch(r"[A-Za-z0-9_.?, -]+", response.headers["x-langfast-ignored-params"])


@pytest.mark.parametrize(
    "offered",
    ["a b", "a\tb", "x" * 65, '"', "é", "\x85", "a,b", "a;b", "../a", "<script>", "%0d%0aX: 1"],
    ids=ascii,
)
def test_e23_a_request_id_that_is_no_plain_word_is_replaced(
    small: GatewayProcess, offered: str
) -> None:
    with RawConnection(small) as raw:
        raw.send(f"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: {offered}\r\n\r\n".encode())
        assert re.fullmatch(r"req_[0-9a-f]{32}", raw.answer()[1]["x-request-id"])


def test_e23_two_request_ids_are_replaced_as_well(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n")
        assert raw.answer()[1]["x-request-id"].startswith("req_")


def said_after(gateway: GatewayProcess, head: bytes, body: bytes) -> bytes:
    """All that comes before the connection closes. The body is sent when it is asked for."""
    with RawConnection(gateway) as raw:
        raw.send(head)
        said = b""
        while piece := raw.socket.recv(65_536):
            said += piece
            if said == b"HTTP/1.1 100 Continue\r\n\r\n":
                raw.send(body)
    return said


EXPECTING = {"Expect": "100-continue", "Content-Length": len(GOOD), "Connection": "close"}


def test_e25_a_caller_that_waits_to_be_asked_for_its_body_is_asked(small: GatewayProcess) -> None:
    said = said_after(small, post({**AUTH, **EXPECTING}), GOOD)
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


def test_e25_one_that_sends_its_body_unasked_is_answered_as_well(small: GatewayProcess) -> None:
    said = said_after(small, post({**AUTH, **EXPECTING}) + GOOD, b"")
    assert b"HTTP/1.1 200 OK" in said


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, b"401"),
        ({"Authorization": "Bearer wrong"}, b"401"),
        ({**AUTH, "Content-Length": 50_000_000}, b"413"),
        ({**AUTH, "Content-Encoding": "gzip"}, b"415"),
    ],
    ids=["no key", "wrong key", "too large", "compressed"],
)
def test_e25_nobody_is_asked_for_a_body_that_will_be_refused(
    small: GatewayProcess, headers: dict[str, object], status: bytes
) -> None:
    said = said_after(small, post({**EXPECTING, **headers}), b"")
    assert said.startswith(b"HTTP/1.1 " + status)


def test_e25_any_other_expectation_is_a_417(small: GatewayProcess) -> None:
    said = said_after(small, post({**AUTH, **EXPECTING, "Expect": "magic"}), b"")
    assert said.startswith(b"HTTP/1.1 417 ")


def test_e25_an_http_1_0_caller_is_not_asked(small: GatewayProcess) -> None:
    head = post({**AUTH, **EXPECTING}).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert said_after(small, head + GOOD, b"").startswith(b"HTTP/1.0 200 ")


def test_a_refusal_of_a_body_is_in_the_apis_own_shape(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(post({"Content-Length": 2}) + b"{}")
        assert set(error_of(raw.answer()[2])) == {"message", "type", "param", "code"}
