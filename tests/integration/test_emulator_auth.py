"""The auth service over HTTP, row by row."""

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.emulator_client import Client, client_of

_NEW = {"x-supabase-api-version": "2024-01-01"}
_REFRESH = "/auth/v1/token?grant_type=refresh_token"
_PASSWORD = "/auth/v1/token?grant_type=password"
_DEMO = {"email": "demo@example.com", "password": "demo-password"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--reuse-interval", "0", "--token-lifetime", "600") as running:
        yield running


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[Client]:
    with client_of(emulator) as made:
        yield made
    emulator.clear_faults()


def _raw(client: Client, path: str, body: bytes, **headers: str) -> requests.Response:
    return client.http.post(client.emulator.url + path, data=body, headers=headers, timeout=5)


def _code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"data":{},"gotrue_meta_security":{}}', b'{"email":"","anything":[1]}'],
)
def test_an_anonymous_sign_up_answers_with_a_whole_session(client: Client, body: bytes) -> None:
    answer = _raw(client, "/auth/v1/signup", body)
    given = answer.json()
    assert answer.status_code == 200
    assert given["token_type"] == "bearer"
    assert given["expires_in"] == 600
    assert given["expires_at"] > 600
    assert len(given["refresh_token"]) == 12
    assert answer.headers["sb-auth-user-id"] == given["user"]["id"]


def test_an_anonymous_user_has_empty_texts_and_no_identities(client: Client) -> None:
    user = client.post("/auth/v1/signup", {"data": {"from": "test"}}).json()["user"]
    assert (user["email"], user["phone"], user["identities"]) == ("", "", [])
    assert (user["is_anonymous"], user["app_metadata"]) == (True, {})
    assert user["user_metadata"] == {"from": "test"}


def test_the_access_token_has_the_claims_of_the_real_one(client: Client) -> None:
    given = client.post("/auth/v1/signup", {}).json()
    claims = jwt.decode(given["access_token"], options={"verify_signature": False})
    assert claims["sub"] == given["user"]["id"]
    assert claims["exp"] - claims["iat"] == 600
    assert claims["amr"][0]["method"] == "anonymous"
    expected = {"aud", "iss", "email", "phone", "role", "aal", "session_id", "is_anonymous"}
    assert expected < set(claims)


@pytest.mark.parametrize(
    ("key", "message"),
    [(None, "No API key found in request"), ("wrong", "Invalid API key"), ("ä", "Invalid API key")],
)
@pytest.mark.parametrize("path", ["/auth/v1/signup", _REFRESH, _PASSWORD])
def test_without_the_right_key_the_gateway_answers(
    emulator: EmulatorProcess, path: str, key: str | None, message: str
) -> None:
    headers = {} if key is None else {"apikey": key.encode()}
    answer = requests.post(emulator.url + path, json={}, headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["message"]) == (401, message)
    assert "hint" in answer.json()


def test_the_key_may_come_in_the_query(emulator: EmulatorProcess) -> None:
    url = f"{emulator.url}/auth/v1/signup?apikey={emulator.anon_key}"
    assert requests.post(url, json={}, timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/auth/v1/signup", b"", (400, "bad_json")),
        ("/auth/v1/signup", b"[]", (400, "bad_json")),
        ("/auth/v1/signup", b"{", (400, "bad_json")),
        ("/auth/v1/signup", b'{"email":5}', (400, "bad_json")),
        ("/auth/v1/signup", b'{"email":"a@b.c","password":"short"}', (422, "weak_password")),
        ("/auth/v1/signup", b"x" * 1_048_577, (413, "request_entity_too_large")),
        ("/auth/v1/token?grant_type=web3", b"{}", (400, "invalid_credentials")),
        ("/auth/v1/token", b"{}", (400, "invalid_credentials")),
        (_PASSWORD, b'{"email":"demo@example.com"}', (400, "invalid_credentials")),
        (_REFRESH, b"{}", (400, "validation_failed")),
        (_REFRESH, b'{"refresh_token":"short"}', (400, "validation_failed")),
        (_REFRESH, b'{"refresh_token":"abcdefghijkl"}', (400, "refresh_token_not_found")),
    ],
)
def test_a_bad_request_has_its_code(
    client: Client, path: str, body: bytes, expected: tuple[int, str]
) -> None:
    answer = _raw(client, path, body)
    assert _code(answer) == expected
    assert answer.headers["x-sb-error-code"] == expected[1]


def test_the_old_error_shape_has_the_status_as_its_code(client: Client) -> None:
    answer = _raw(client, "/auth/v1/signup", b"")
    assert set(answer.json()) == {"code", "error_code", "msg"}
    assert answer.json()["code"] == 400
    assert "x-supabase-api-version" not in answer.headers


def test_the_new_error_shape_has_a_word_as_its_code_and_echoes_the_version(client: Client) -> None:
    answer = _raw(client, "/auth/v1/signup", b"", **_NEW)
    assert answer.json() == {"code": "bad_json", "message": answer.json()["message"]}
    assert answer.headers["x-supabase-api-version"] == "2024-01-01"
    assert answer.headers["x-sb-error-code"] == "bad_json"


def test_a_server_error_in_the_old_shape_has_an_id(client: Client) -> None:
    client.emulator.faults(sign_up={"status": 500})
    answer = client.post("/auth/v1/signup", {})
    assert _code(answer) == (500, "unexpected_failure")
    assert answer.json()["error_id"]


def test_refreshing_rotates_both_tokens_and_keeps_the_user(client: Client) -> None:
    first = client.sign_up()
    second = client.refresh(first)
    assert second.user_id == first.user_id
    assert second.refresh_token != first.refresh_token
    assert second.access_token != first.access_token


def test_the_parent_is_forgiven_and_the_grandparent_ends_the_family(client: Client) -> None:
    first = client.sign_up()
    second = client.refresh(first)
    third = client.refresh(second)
    assert client.refresh(second).refresh_token == third.refresh_token
    used = (400, "refresh_token_already_used")
    for account in (first, third):
        body = {"refresh_token": account.refresh_token}
        assert _code(client.post(_REFRESH, body)) == used


def test_the_demo_account_signs_in_by_password_as_the_same_user(client: Client) -> None:
    users = [client.post(_PASSWORD, _DEMO).json()["user"] for _ in range(2)]
    assert users[0]["id"] == users[1]["id"]
    assert (users[0]["email"], users[0]["is_anonymous"]) == ("demo@example.com", False)


def test_a_named_account_is_made_once(client: Client) -> None:
    named = {"email": "Someone@example.com", "password": "long enough"}
    made = client.post("/auth/v1/signup", named).json()
    again = client.post("/auth/v1/signup", named)
    assert _code(again) == (422, "user_already_exists")
    signed_in = client.post(_PASSWORD, {**named, "email": "someone@EXAMPLE.com"}).json()
    assert signed_in["user"]["id"] == made["user"]["id"]


def _user(client: Client, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.http.get(client.emulator.url + "/auth/v1/user", headers=headers, timeout=5)


def _logout(client: Client, token: str, scope: str) -> requests.Response:
    bearer = {"Authorization": f"Bearer {token}"}
    return client.post(f"/auth/v1/logout?scope={scope}", None, bearer)


def test_a_user_is_shown_to_its_bearer_only(client: Client) -> None:
    account = client.sign_up()
    assert _user(client, account.access_token).json()["id"] == account.user_id
    assert _code(_user(client, "")) == (401, "no_authorization")
    assert _code(_user(client, "not.a.token")) == (403, "bad_jwt")


@pytest.mark.parametrize(
    ("scope", "mine", "other"),
    [("", 403, 403), ("global", 403, 403), ("local", 403, 200), ("others", 200, 403)],
)
def test_logging_out_ends_the_sessions_of_its_scope(
    client: Client, scope: str, mine: int, other: int
) -> None:
    tokens = [client.post(_PASSWORD, _DEMO).json()["access_token"] for _ in range(2)]
    answer = _logout(client, tokens[0], scope)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [_user(client, token).status_code for token in tokens] == [mine, other]


def test_logging_out_with_an_unknown_scope_is_refused(client: Client) -> None:
    answer = _logout(client, client.sign_up().access_token, "everywhere")
    assert _code(answer) == (400, "validation_failed")


def test_after_a_logout_the_refresh_token_is_unknown(client: Client) -> None:
    account = client.sign_up()
    _logout(client, account.access_token, "local")
    body = {"refresh_token": account.refresh_token}
    assert _code(client.post(_REFRESH, body)) == (400, "refresh_token_not_found")


def test_expired_by_control_a_token_is_refused_and_its_refresh_token_is_not(client: Client) -> None:
    account = client.sign_up()
    client.emulator.expire_tokens()
    assert _code(_user(client, account.access_token)) == (403, "bad_jwt")
    renewed = client.refresh(account)
    assert _user(client, renewed.access_token).status_code == 200


def test_revoked_by_control_the_refresh_token_is_unknown_too(client: Client) -> None:
    account = client.sign_up()
    client.emulator.revoke_tokens()
    body = {"refresh_token": account.refresh_token}
    assert _code(client.post(_REFRESH, body)) == (400, "refresh_token_not_found")


def test_anonymous_sign_ups_can_be_limited_and_named_ones_are_not() -> None:
    with running_emulator("--signups-per-hour", "2") as emulator, client_of(emulator) as client:
        answers = [client.post("/auth/v1/signup", {}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert _code(answers[2]) == (429, "over_request_rate_limit")
        assert "retry-after" not in answers[2].headers
        named = {"email": "a@example.com", "password": "long enough"}
        assert client.post("/auth/v1/signup", named).status_code == 200
        stats = emulator.stats()
        assert (stats["sign_ups"], stats["sign_ups_refused"]) == (3, 1)


def test_a_token_expires_after_its_lifetime() -> None:
    with running_emulator("--token-lifetime", "0") as emulator, client_of(emulator) as client:
        assert _code(_user(client, client.sign_up().access_token)) == (403, "bad_jwt")


@pytest.mark.parametrize(
    ("service", "path", "body"),
    [
        ("sign_up", "/auth/v1/signup", {}),
        ("password", _PASSWORD, _DEMO),
        ("refresh", _REFRESH, {"refresh_token": "abcdefghijkl"}),
    ],
)
def test_a_service_fault_hits_its_service_so_often(
    client: Client, service: str, path: str, body: dict[str, Any]
) -> None:
    client.emulator.faults(**{service: {"status": 503, "retry_after": 7, "times": 1}})
    answer = client.post(path, body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert client.post(path, body).status_code != 503


def test_a_lost_answer_leaves_the_account_made_and_the_connection_cut(client: Client) -> None:
    before = client.emulator.stats()["sign_ups"]
    client.emulator.faults(sign_up={"body": "lost"})
    with pytest.raises(requests.ConnectionError):
        client.post("/auth/v1/signup", {})
    assert client.emulator.stats()["sign_ups"] == before + 1
    assert client.emulator.log() == ""


def test_a_bad_fault_is_refused_with_a_sentence(emulator: EmulatorProcess) -> None:
    url = emulator.url + "/emulator/faults"
    answer = requests.put(url, json={"sign_up": {"status": "bad"}}, timeout=5)
    assert answer.status_code == 400
    assert answer.json() == {"error": "sign_up: 'status' must be an HTTP status from 200 to 599"}
    assert requests.put(url, data=b"{", timeout=5).status_code == 400
