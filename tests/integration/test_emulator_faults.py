"""Faults of the HTTP services from outside: each that rows A and B of the catalogue ask for.

What ``test_emulator_auth.py`` and ``test_emulator_runs.py`` show already is not repeated here.
"""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.emulator_client import Account, Client, client_of, listening

_REFRESH = "/auth/v1/token?grant_type=refresh_token"


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.005", "--reuse-interval", "0") as running:
        yield running


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[Client]:
    with client_of(emulator) as made:
        yield made
    emulator.clear_faults()


@pytest.fixture
def account(client: Client) -> Account:
    return client.sign_up()


def _steering(**given: object) -> str:
    return json.dumps({"text": "abcdef", "chunks": 3, "nonce": str(uuid.uuid4()), **given})


# --- A: sign-up and credentials ------------------------------------------------------------------


def _said(answer: requests.Response) -> tuple[int, str]:
    try:
        return answer.status_code, str(answer.json()["error_code"])
    except (ValueError, KeyError, TypeError):
        return answer.status_code, answer.text[:30]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param({"status": 429}, (429, "over_request_rate_limit"), id="A1 A2"),
        pytest.param({"status": 500}, (500, "unexpected_failure"), id="A3 500"),
        pytest.param({"status": 504}, (504, "request_timeout"), id="A3 504"),
        pytest.param({"body": "html"}, (502, "<!doctype html><html><head><ti"), id="A3 HTML"),
        pytest.param({"body": "html", "status": 200}, (200, "<!doctype html><html><head><ti")),
        pytest.param(
            {"body": "truncated"}, (200, '{"access_token":"eyJhbGciOi'), id="A5 truncated"
        ),
        pytest.param({"body": "empty"}, (200, "{}"), id="A5 empty"),
        pytest.param({"body": "null"}, (200, "null"), id="A5 null"),
        pytest.param({"body": "array"}, (200, "[]"), id="A5 array"),
        pytest.param({"code": "captcha_failed"}, (400, "captcha_failed"), id="A6"),
        pytest.param({"code": "signup_disabled"}, (422, "signup_disabled"), id="A7"),
        pytest.param(
            {"code": "anonymous_provider_disabled"},
            (422, "anonymous_provider_disabled"),
            id="A7 anonymous",
        ),
        pytest.param({"body": "bad-key"}, (401, '{"message":"Invalid API key","'), id="A8"),
    ],
)
def test_a_sign_up_fails_as_asked(
    client: Client, fault: dict[str, Any], said: tuple[int, str]
) -> None:
    client.emulator.faults(sign_up={**fault, "times": 1})
    answer = client.post("/auth/v1/signup", {})
    assert _said(answer) == said
    assert "retry-after" not in answer.headers
    assert client.sign_up().access_token


def test_a_garbled_sign_up_is_no_text_at_all(client: Client) -> None:
    client.emulator.faults(sign_up={"body": "garbage"})
    answer = client.post("/auth/v1/signup", {})
    assert answer.status_code == 200
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode()


@pytest.mark.parametrize("field", ["access_token", "refresh_token", "expires_in"])
def test_a_sign_up_lacks_a_field(client: Client, field: str) -> None:
    client.emulator.faults(sign_up={"change": {field: None}})
    assert field not in client.post("/auth/v1/signup", {}).json()


@pytest.mark.parametrize("lifetime", [0, -5, "3600", 10**12, 1.5, True], ids=repr)
def test_a_token_says_that_it_lives_as_long_as_asked(client: Client, lifetime: object) -> None:
    client.emulator.faults(
        sign_up={"change": {"expires_in": lifetime}}, refresh={"change": {"expires_in": lifetime}}
    )
    given = client.post("/auth/v1/signup", {}).json()
    assert given["expires_in"] == lifetime
    body = {"refresh_token": given["refresh_token"]}
    assert client.post(_REFRESH, body).json()["expires_in"] == lifetime


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(
            {"code": "refresh_token_not_found"}, (400, "refresh_token_not_found"), id="A14 unknown"
        ),
        pytest.param(
            {"code": "refresh_token_already_used"},
            (400, "refresh_token_already_used"),
            id="A14 used",
        ),
        pytest.param(
            {"code": "session_not_found", "status": 400},
            (400, "session_not_found"),
            id="A14 session gone",
        ),
        pytest.param({"code": "session_expired"}, (400, "session_expired"), id="A14 expired"),
        pytest.param({"status": 409}, (409, "conflict"), id="A16"),
        pytest.param({"status": 429}, (429, "over_request_rate_limit"), id="A17 429"),
        pytest.param({"status": 503}, (503, "unexpected_failure"), id="A17 503"),
        pytest.param({"code": "user_banned"}, (400, "user_banned"), id="A18 banned"),
        pytest.param({"code": "user_not_found"}, (403, "user_not_found"), id="A18 deleted"),
    ],
)
def test_a_refresh_fails_as_asked_and_uses_no_token_up(
    client: Client, account: Account, fault: dict[str, Any], said: tuple[int, str]
) -> None:
    before = client.emulator.stats()["refreshes_refused"]
    client.emulator.faults(refresh={**fault, "times": 1})
    assert _said(client.post(_REFRESH, {"refresh_token": account.refresh_token})) == said
    assert client.refresh(account).user_id == account.user_id
    # The count is of tokens that the service itself turned down.
    assert client.emulator.stats()["refreshes_refused"] == before


def test_a_lost_refresh_has_rotated_and_its_token_is_good_once_more(
    client: Client, account: Account
) -> None:
    client.emulator.faults(refresh={"body": "lost", "times": 1})
    with pytest.raises(requests.ConnectionError):
        client.refresh(account)
    again = client.refresh(account)
    assert again.refresh_token != account.refresh_token
    assert client.emulator.stats()["refreshes"] >= 2


@pytest.mark.parametrize("service", ["sign_up", "refresh", "start"])
def test_a_service_drips_its_answer_byte_by_byte(
    client: Client, account: Account, service: str
) -> None:
    client.emulator.faults(**{service: {"drip": 0.001, "times": 1}})
    began = time.monotonic()
    if service == "start":
        answer = client.start(account)
    elif service == "refresh":
        answer = client.post(_REFRESH, {"refresh_token": account.refresh_token})
    else:
        answer = client.post("/auth/v1/signup", {})
    assert answer.status_code == 200
    assert time.monotonic() - began > 0.001 * len(answer.content)


# --- B: the start --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steering", "status", "beginning"),
    [
        pytest.param({"fault": "start-body", "body": "empty"}, 200, b"{}", id="B11 empty"),
        pytest.param({"fault": "start-body", "body": "null"}, 200, b"null", id="B11 null"),
        pytest.param({"fault": "start-body", "body": "array"}, 200, b"[]", id="B11 array"),
        pytest.param({"fault": "start-body", "body": "truncated"}, 200, b'{"acc', id="B11 cut"),
        pytest.param({"fault": "start-body"}, 200, b"\x1f\x8b", id="B11 garbage"),
        pytest.param({"fault": "start-body", "body": "bad-key"}, 401, b'{"mes', id="B1 gateway"),
        pytest.param({"fault": "start-body", "body": "html", "status": 503}, 503, b"<!doc"),
    ],
)
def test_a_start_is_answered_with_an_odd_body(
    client: Client, account: Account, steering: dict[str, Any], status: int, beginning: bytes
) -> None:
    answer = client.start(account, _steering(**steering))
    assert answer.status_code == status
    assert answer.content.startswith(beginning)


def test_a_start_is_answered_with_ten_megabytes(client: Client, account: Account) -> None:
    said = _steering(fault="start-body", body="huge")
    assert len(client.start(account, said).content) == 10_000_000
    said = _steering(fault="start-body", body="huge", size=2_000_000)
    assert len(client.start(account, said).content) == 2_000_000


@pytest.mark.parametrize(
    "jobs",
    [None, [{}], [{"job_id": 5}], [{"job_id": None}], [None], "jobs", 5, {"job_id": "x"}],
    ids=repr,
)
def test_a_start_names_its_jobs_wrongly(client: Client, account: Account, jobs: object) -> None:
    answer = client.start(account, _steering(fault="start-change", change={"jobs": jobs}))
    assert answer.json().get("jobs") == jobs
    assert answer.json()["run_id"]


def test_the_other_jobs_of_a_start_speak_too(client: Client, account: Account) -> None:
    faults = ["start-many-jobs", "other-jobs"]
    with listening(client.emulator, account) as socket:
        answer = client.start(account, _steering(fault=faults, size=3, chunks=1))
        told = [socket.chunk() for _ in range(6)]
    jobs = [job["job_id"] for job in answer.json()["jobs"]]
    assert {record["executionId"] for record in told} == set(jobs)
    mine = [record["content"] for record in told if record["executionId"] == jobs[0]]
    others = {record["content"] for record in told if record["executionId"] != jobs[0]}
    assert (mine, others) == (["abcdef", "abcdef"], {"ABCDEF"})


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_start_is_redirected_and_who_follows_is_counted(
    client: Client, account: Account, status: int
) -> None:
    before = client.emulator.stats()["redirects_followed"]
    answer = client.start(account, _steering(fault="start-redirect", status=status))
    assert [past.status_code for past in answer.history] == [status]
    assert client.emulator.stats()["redirects_followed"] == before + 1


def test_a_redirect_may_lead_anywhere(client: Client, account: Account) -> None:
    client.emulator.faults(start={"status": 307, "location": "/nowhere", "times": 1})
    answer = client.start(account)
    assert (answer.status_code, answer.url) == (404, client.emulator.url + "/nowhere")


def test_a_start_drips_and_its_run_began(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        began = time.monotonic()
        answer = client.start(account, _steering(fault="start-drip", seconds=0.002))
        assert time.monotonic() - began > 0.002 * len(answer.content)
        [job] = answer.json()["jobs"]
        assert socket.run()[-1]["executionId"] == job["job_id"]


def test_a_client_that_does_not_wait_for_a_dripping_answer_harms_nobody(client: Client) -> None:
    client.emulator.faults(sign_up={"drip": 0.05, "times": 1})
    url = client.emulator.url + "/auth/v1/signup"
    with pytest.raises(requests.Timeout):
        client.http.post(url, json={}, timeout=0.02)
    assert client.sign_up().access_token
    assert client.emulator.log() == ""


def test_a_start_that_is_cut_starts_no_run(client: Client, account: Account) -> None:
    before = client.emulator.started()
    said = _steering(fault="start-cut", times=1)
    with pytest.raises(requests.ConnectionError):
        client.start(account, said)
    assert client.emulator.started() == before
    assert client.start(account, said).status_code == 200


def test_a_sign_up_that_is_cut_makes_no_account(client: Client) -> None:
    before = client.emulator.stats()["sign_ups"]
    client.emulator.faults(sign_up={"body": "cut", "times": 1})
    with pytest.raises(requests.ConnectionError):
        client.sign_up()
    assert client.emulator.stats()["sign_ups"] == before


@pytest.mark.parametrize("wait", ["Wed, 21 Oct 2037 07:28:00 GMT", "soon", "-1"])
def test_a_wait_may_be_told_in_any_words(client: Client, account: Account, wait: str) -> None:
    answer = client.start(account, _steering(fault="start-429", retry_after=wait))
    assert answer.headers["retry-after"] == wait
    client.emulator.faults(start={"status": 503, "retry_after": wait, "times": 1})
    assert client.start(account).headers["retry-after"] == wait


def test_a_quota_is_told_with_its_code_and_a_long_wait(client: Client, account: Account) -> None:
    said = _steering(fault="start-429", code="daily_quota_exceeded", retry_after=3600)
    answer = client.start(account, said)
    assert (answer.status_code, answer.json()["code"]) == (429, "daily_quota_exceeded")
    assert answer.headers["retry-after"] == "3600"


def test_the_token_can_be_refused_again_after_its_refresh(client: Client, account: Account) -> None:
    said = _steering(fault="start-401", times=2)
    for _ in range(2):
        assert client.start(account, said).status_code == 401
        account = client.refresh(account)
    assert client.start(account, said).status_code == 200
