"""The emulator seen by the real JavaScript clients: @supabase/auth-js and socket.io-client."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.node import run_script


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    # Without a reuse interval the grandparent of a token is refused at once.
    with running_emulator("--reuse-interval", "0", "--interval", "0.005") as running:
        yield running


@pytest.fixture(scope="module")
def session(emulator: EmulatorProcess) -> dict[str, Any]:
    """What auth-js saw in each step of a session's life."""
    return dict(run_script("auth_session.mjs", emulator.url, emulator.anon_key))


def test_auth_js_signs_in_anonymously(session: dict[str, Any]) -> None:
    signed_in = session["anonymous"]
    assert signed_in["error"] is None
    assert signed_in["session"]["expires_in"] == 3600
    assert signed_in["session"]["user"]["is_anonymous"] is True


def test_auth_js_gets_the_user_and_reads_the_claims(session: dict[str, Any]) -> None:
    user_id = session["anonymous"]["session"]["user"]["id"]
    assert session["user"]["user"]["id"] == user_id
    assert session["claims"]["claims"]["sub"] == user_id


def test_auth_js_refreshes_and_may_use_the_parent_once_more(session: dict[str, Any]) -> None:
    tokens = [
        session[step]["session"]["refresh_token"]
        for step in ("anonymous", "refresh", "again", "parent")
    ]
    assert len(set(tokens)) == 3
    assert tokens[3] == tokens[2]


@pytest.mark.parametrize("step", ["grandparent", "after_theft"])
def test_auth_js_is_refused_the_grandparent_and_then_the_whole_family(
    session: dict[str, Any], step: str
) -> None:
    error = session[step]["error"]
    assert (error["status"], error["code"]) == (400, "refresh_token_already_used")


@pytest.mark.parametrize(
    ("step", "status", "code"),
    [
        ("password", None, None),
        ("wrong_password", 400, "invalid_credentials"),
        ("named", None, None),
        ("named_again", 422, "user_already_exists"),
        ("sign_out", None, None),
    ],
)
def test_auth_js_signs_in_by_password_and_out(
    session: dict[str, Any], step: str, status: int | None, code: str | None
) -> None:
    error = session[step]["error"] or {}
    assert (error.get("status"), error.get("code")) == (status, code)


def test_auth_js_finds_its_session_missing_after_signing_out(session: dict[str, Any]) -> None:
    assert session["user_after_sign_out"]["error"]["name"] == "AuthSessionMissingError"


_RETRYABLE = "AuthRetryableFetchError"
_ERRORS: list[tuple[dict[str, Any] | None, dict[str, Any]]] = [
    ({"status": 429}, {"name": "AuthApiError", "code": "over_request_rate_limit"}),
    ({"code": "captcha_failed"}, {"name": "AuthApiError", "status": 400, "code": "captcha_failed"}),
    ({"code": "anonymous_provider_disabled"}, {"name": "AuthApiError", "status": 422}),
    ({"code": "signup_disabled"}, {"name": "AuthApiError", "status": 422}),
    ({"status": 500}, {"name": _RETRYABLE, "status": 500}),
    ({"status": 504}, {"name": _RETRYABLE, "status": 504}),
    ({"body": "html"}, {"name": _RETRYABLE, "status": 502}),
    ({"body": "html", "status": 400}, {"name": "AuthUnknownError"}),
    ({"body": "truncated"}, {"name": _RETRYABLE, "status": 0}),
    ({"body": "lost"}, {"name": _RETRYABLE, "status": 0}),
    ({"body": "null"}, {"thrown": "TypeError"}),
    ({"body": "empty"}, {"session": False}),
    ({"body": "array"}, {"session": False}),
    ({"change": {"access_token": None}}, {"session": False}),
    ({"change": {"refresh_token": None}}, {"session": False}),
    ({"change": {"expires_in": None}}, {"session": False}),
    ({"change": {"expires_at": None, "user": None, "token_type": None}}, {"session": True}),
    (None, {"session": True}),
]


def test_auth_js_takes_each_error_for_what_it_is(emulator: EmulatorProcess) -> None:
    faults = json.dumps([fault for fault, _ in _ERRORS])
    outcomes = run_script("auth_errors.mjs", emulator.url, emulator.anon_key, faults)
    seen = [
        {key: outcome.get(key) for key in expected}
        for outcome, (_, expected) in zip(outcomes, _ERRORS, strict=True)
    ]
    assert seen == [expected for _, expected in _ERRORS]


def _steering(**given: object) -> str:
    return json.dumps({"text": "abcdefgh", "chunks": 4, **given})


_WHOLE = ["ab", "abcd", "abcdef", "abcdefgh", "abcdefgh"]
_CASES: dict[str, dict[str, Any]] = {
    "websocket": {"content": _steering()},
    "polling": {"content": _steering(), "transports": ["polling"]},
    "upgrade": {"content": _steering(delay=0.2), "transports": ["polling", "websocket"]},
    "bad token": {"token": "bad"},
    "namespace": {"namespace": "/nope"},
    "kick": {"content": _steering(fault="kick", at=2)},
    "drop": {"content": _steering(fault="drop", at=2)},
    "back": {"content": _steering(fault="drop", at=1, interval=0.15), "reconnect": True},
    "surrogate": {"content": json.dumps({"text": "a🦊", "chunks": 2, "fault": "split-surrogate"})},
    "binary": {"content": _steering(fault="as-binary", chunks=1)},
    "finished": {"content": _steering(fault="completion-finished-event", chunks=1)},
    "early": {"content": _steering(fault="early")},
}


@pytest.fixture(scope="module")
def runs(emulator: EmulatorProcess) -> dict[str, dict[str, Any]]:
    """What socket.io-client saw in each case."""
    cases = json.dumps(list(_CASES.values()))
    results = run_script("socket_runs.mjs", emulator.url, emulator.anon_key, cases)
    return dict(zip(_CASES, results, strict=True))


def _texts(run: dict[str, Any]) -> list[Any]:
    return [values[0]["content"] for name, *values in run["events"] if name == "execution:chunk"]


@pytest.mark.parametrize("case", ["websocket", "polling", "upgrade", "early"])
def test_socket_io_client_hears_a_whole_run(runs: dict[str, dict[str, Any]], case: str) -> None:
    run = runs[case]
    assert _texts(run) == _WHOLE
    assert run["disconnects"] == ["io client disconnect"]


def test_socket_io_client_upgrades_in_the_middle_without_a_loss(
    runs: dict[str, dict[str, Any]],
) -> None:
    assert runs["upgrade"]["transport"] == "websocket"
    assert runs["polling"]["transport"] == "polling"


@pytest.mark.parametrize(
    ("case", "message"),
    [("bad token", "Authentication error: invalid token"), ("namespace", "Invalid namespace")],
)
def test_socket_io_client_is_told_why_it_is_refused(
    runs: dict[str, dict[str, Any]], case: str, message: str
) -> None:
    assert runs[case]["connect_error"] == {"message": message, "data": None}


@pytest.mark.parametrize(
    ("case", "reason"), [("kick", "io server disconnect"), ("drop", "transport close")]
)
def test_socket_io_client_tells_a_kick_from_a_cut(
    runs: dict[str, dict[str, Any]], case: str, reason: str
) -> None:
    assert _texts(runs[case]) == ["ab", "abcd"]
    assert runs[case]["disconnects"] == [reason]


def test_socket_io_client_reconnects_and_hears_the_end(runs: dict[str, dict[str, Any]]) -> None:
    run = runs["back"]
    assert run["connects"] == 2
    assert _texts(run)[-1] == "abcdefgh"


def test_socket_io_client_puts_split_characters_together_again(
    runs: dict[str, dict[str, Any]],
) -> None:
    assert _texts(runs["surrogate"]) == ["a", "a\ud83e", "a🦊", "a🦊"]


def test_socket_io_client_decodes_binary_events(runs: dict[str, dict[str, Any]]) -> None:
    data = {"type": "Buffer", "data": list(b"abcdefgh")}
    assert _texts(runs["binary"]) == [data, data]


def test_socket_io_client_hears_completion_finished(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["finished"]["events"][-1][0] == "completion_finished"
