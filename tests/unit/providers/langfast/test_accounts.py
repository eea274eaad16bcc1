"""Supabase Auth, against a tiny server on loopback."""

import base64
import contextlib
import json
import logging
import socket
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from langfast_wsgi.errors import (
    GatewayError,
    RateLimited,
    SignUpRefused,
    UpstreamGarbled,
    UpstreamUnreachable,
)
from langfast_wsgi.providers.langfast.accounts import (
    OUTAGES,
    RATE_LIMIT_PAUSE,
    Accounts,
    CredentialGone,
    NobodyThere,
    RefreshConflict,
    _SharedTls,
)
from langfast_wsgi.providers.langfast.answer import tls_context
from langfast_wsgi.providers.langfast.grant import LONGEST_LIFETIME, Grant
from tests.support.builders import (
    Answer,
    answer,
    cut,
    dripping,
    free_port,
    jwt,
    nonsense,
    shortened,
    stalling,
    stub_server,
)
from tests.unit.providers.langfast.tls import tls_server

TOKEN = jwt("user-9")


def dripping_head(handler: BaseHTTPRequestHandler) -> None:
    """A byte every 20 ms, and the head is never whole: no timeout per read would end that."""
    with contextlib.suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30:
            handler.connection.sendall(bytes([byte]))
            time.sleep(0.02)


SESSION: dict[str, Any] = {
    "access_token": TOKEN,
    "token_type": "bearer",
    "expires_in": 3600,
    "refresh_token": "refresh-9",
    "user": {"id": "user-9"},
}
GRANT = Grant(TOKEN, "refresh-9", "user-9", 3600.0)


def sign_up(*answers: Answer, timeout: float = 5.0) -> Grant:
    with stub_server(*answers) as server:
        return Accounts(server.url, "anon-key", timeout).sign_up()


def refused(given: Answer, *, refresh: bool = False) -> GatewayError:
    with stub_server(given) as server:
        accounts = Accounts(server.url, "anon-key", 5.0)
        ask = (lambda: accounts.refresh("refresh-1")) if refresh else accounts.sign_up
        with pytest.raises(GatewayError) as caught:
            ask()
    return caught.value


# --- what is asked


def test_a_sign_up_looks_as_the_auth_service_expects_it() -> None:
    with stub_server(answer(200, SESSION)) as server:
        assert Accounts(server.url, "anon-key", 5.0).sign_up() == GRANT
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/auth/v1/signup")
    assert seen.json == {"data": {}, "gotrue_meta_security": {}}
    assert seen.headers["apikey"] == "anon-key"
    assert seen.headers["x-supabase-api-version"] == "2024-01-01"
    assert seen.headers["content-type"] == "application/json;charset=UTF-8"


def test_no_address_is_forged() -> None:
    with stub_server(answer(200, SESSION)) as server:
        Accounts(server.url, "anon-key", 5.0).sign_up()
    assert not [name for name in server.seen[0].headers if "forward" in name or "real-ip" in name]


def test_an_operator_signs_in_with_e_mail_and_password() -> None:
    with stub_server(answer(200, SESSION)) as server:
        assert Accounts(server.url, "k", 5.0).sign_in("me@example.org", "pw") == GRANT
    assert server.seen[0].path == "/auth/v1/token?grant_type=password"
    assert server.seen[0].json == {"email": "me@example.org", "password": "pw"}


def test_a_refresh_sends_the_refresh_token_only() -> None:
    with stub_server(answer(200, SESSION)) as server:
        assert Accounts(server.url, "k", 5.0).refresh("refresh-1") == GRANT
    assert server.seen[0].path == "/auth/v1/token?grant_type=refresh_token"
    assert server.seen[0].json == {"refresh_token": "refresh-1"}
    assert "authorization" not in server.seen[0].headers


def test_cookies_are_never_sent_back() -> None:
    baked = answer(200, SESSION, Set_Cookie="session=for-one-account; Path=/")
    with stub_server(baked) as server:
        accounts = Accounts(server.url, "k", 5.0)
        accounts.sign_up()
        accounts.sign_up()
    assert [request.headers.get("cookie") for request in server.seen] == [None, None]


def test_a_developers_netrc_and_proxy_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert sign_up(answer(200, SESSION)) == GRANT


# --- what is granted


@pytest.mark.parametrize("size", range(4))
def test_the_user_is_the_subject_of_the_token_whatever_its_padding(size: int) -> None:
    subject = "u" * (20 + size)
    session = {**SESSION, "access_token": jwt(subject), "user": None}
    assert sign_up(answer(200, session)).user_id == subject


@pytest.mark.parametrize("subject", ["ключ-ÿ>?", "a/b+c"])
def test_the_token_is_read_as_base64url(subject: str) -> None:
    session = {**SESSION, "access_token": jwt(subject, pad="ÿÿ>>??")}
    assert sign_up(answer(200, session)).user_id == subject


NOT_DICT = base64.urlsafe_b64encode(b"[1]").decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.!!!.c", "a.bm90IGpzb24.c", f"a.{NOT_DICT}.c", jwt(None), jwt(7), jwt(""), "a..c"],
)
def test_an_opaque_token_is_taken_with_the_answers_own_user(token: str) -> None:
    assert sign_up(answer(200, {**SESSION, "access_token": token})).user_id == "user-9"


@pytest.mark.parametrize("user", [None, {}, {"id": None}, {"id": 7}, [], "user-9"])
def test_a_session_of_nobody_is_malformed(user: object) -> None:
    session = {**SESSION, "access_token": "opaque", "user": user}
    assert isinstance(refused(answer(200, session)), UpstreamGarbled)


@pytest.mark.parametrize("field", ["access_token", "refresh_token", "expires_in"])
@pytest.mark.parametrize(
    "value", [..., None, "", [], {}, False, 0, True], ids=lambda value: repr(value)
)
def test_a5_a_session_needs_all_three_fields(field: str, value: object) -> None:
    session = {name: one for name, one in SESSION.items() if name != field}
    if value is not ...:
        session[field] = value
    assert isinstance(refused(answer(200, session)), UpstreamGarbled)


@pytest.mark.parametrize("lifetime", [0, -1, -3600, "3600", "", True, None, [3600], 0.0])
def test_a9_a_lifetime_that_is_no_positive_number_is_malformed(lifetime: object) -> None:
    assert isinstance(refused(answer(200, {**SESSION, "expires_in": lifetime})), UpstreamGarbled)


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        (60, 60.0),
        (59.5, 59.5),
        (86_400, LONGEST_LIFETIME),
        (86_401, LONGEST_LIFETIME),
        (10**18, LONGEST_LIFETIME),
        (1e300, LONGEST_LIFETIME),
    ],
)
def test_a9_a_lifetime_is_clamped_to_a_day(told: float, taken: float) -> None:
    assert sign_up(answer(200, {**SESSION, "expires_in": told})).lifetime == taken


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"session"',
        b"12",
        b"<html>Bad gateway</html>",
        json.dumps(SESSION).encode()[:-2],
        b"\xff\xfe",
        b'{"access_token": NaN}',
    ],
)
def test_a5_any_other_answer_with_200_is_malformed(body: bytes) -> None:
    fault = refused(answer(200, body))
    assert isinstance(fault, UpstreamGarbled)
    assert fault.retry is None


# --- what is refused: the three shapes of upstream.md §1.2, and answers of others


def shapes(code: str, status: int) -> list[Answer]:
    return [
        answer(status, {"code": status, "error_code": code, "msg": "words"}),
        answer(status, {"code": code, "message": "words"}),
        answer(status, {"error": code, "error_description": "words"}),
        answer(status, {"code": status, "message": "words"}, X_Sb_Error_Code=code),
        answer(status, b"<html>", X_Sb_Error_Code=code),
        answer(status, {"error_code": code, "code": "another", "error": "third"}),
    ]


SHAPES = ["old", "2024", "oauth", "header", "html with header", "error_code first"]


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("captcha_failed", 400, "upstream_captcha_required"),
        ("anonymous_provider_disabled", 422, "upstream_signup_disabled"),
        ("signup_disabled", 422, "upstream_signup_disabled"),
        ("invalid_credentials", 400, "upstream_misconfigured"),
        ("email_not_confirmed", 400, "upstream_misconfigured"),
    ],
)
def test_a6_a7_what_only_an_operator_can_mend_is_told_by_its_code_in_every_shape(
    shape: int, code: str, status: int, word: str
) -> None:
    fault = refused(shapes(code, status)[shape])
    assert isinstance(fault, SignUpRefused)
    assert (fault.code, fault.retry, fault.status) == (word, False, 503)


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
@pytest.mark.parametrize(
    "code",
    [
        "refresh_token_not_found",
        "refresh_token_already_used",
        "session_not_found",
        "session_expired",
        "user_banned",
        "user_not_found",
        "validation_failed",
    ],
)
def test_a14_a18_a_session_that_is_known_no_more_is_told_in_every_shape(
    shape: int, code: str
) -> None:
    fault = refused(shapes(code, 400)[shape], refresh=True)
    assert isinstance(fault, CredentialGone)
    assert fault.code == "upstream_auth_error"


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_a1_a2_a_rate_limit_is_told_by_its_status_and_asks_for_two_minutes(shape: int) -> None:
    fault = refused(shapes("over_request_rate_limit", 429)[shape])
    assert isinstance(fault, RateLimited)
    assert fault.retry_after == RATE_LIMIT_PAUSE == 120.0


@pytest.mark.parametrize(("status", "retry"), [(401, False), (403, None), (404, None)])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message":"No API key","hint":"x"}'])
def test_a8_a_refusal_by_whatever_stands_in_front_is_a_misconfiguration_but_only_a_401_is_final(
    status: int, retry: bool | None, body: bytes
) -> None:
    fault = refused(answer(status, body))
    assert isinstance(fault, SignUpRefused)
    assert (fault.code, fault.retry) == ("upstream_misconfigured", retry)


@pytest.mark.parametrize("status", [201, 204, 400, 413, 422, 500, 502, 503, 504, 522, 530])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"code":500,"error_code":"unexpected_failure"}']
)
def test_any_other_refusal_may_pass(status: int, body: bytes) -> None:
    fault = refused(answer(status, b"" if status == 204 else body))
    assert isinstance(fault, SignUpRefused)
    assert not isinstance(fault, CredentialGone)
    assert (fault.code, fault.retry, fault.retry_after) == ("upstream_signup_refused", None, 5)
    assert isinstance(fault, OUTAGES) == (status >= 500), "only the latter speaks of an outage"


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_a16_a_conflict_is_told_in_every_shape(shape: int) -> None:
    fault = refused(shapes("conflict", 409)[shape], refresh=True)
    assert isinstance(fault, RefreshConflict)
    assert not isinstance(fault, OUTAGES)


@pytest.mark.parametrize(
    "given",
    [answer(429), answer(401), answer(422, {"code": "signup_disabled"}), answer(400)],
    ids=["429", "401", "disabled", "400"],
)
def test_a_refusal_speaks_of_no_outage(given: Answer) -> None:
    assert not isinstance(refused(given), OUTAGES)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with stub_server(answer(status, b"", Location="/elsewhere")) as server:
        with pytest.raises(SignUpRefused):
            Accounts(server.url, "k", 5.0).sign_up()
        assert len(server.seen) == 1


# --- what is no answer


def test_a_refused_connection_is_unreachable() -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        Accounts(f"http://127.0.0.1:{free_port()}", "k", 1.0).sign_up()
    assert caught.value.retry_after == 5
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value, NobodyThere), "so nothing can have been granted"


def test_b14_a_name_that_nobody_knows_and_a_certificate_that_nobody_trusts_are_nobody_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    with tls_server(tmp_path) as url, pytest.raises(NobodyThere):
        Accounts(url, "k", 5.0).sign_up()
    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", unknown)
    with pytest.raises(NobodyThere):
        Accounts("http://nowhere.invalid", "k", 5.0).sign_up()


@pytest.mark.parametrize(
    "given",
    [cut, nonsense, shortened(b'{"access')],
    ids=["cut before it", "no HTTP", "cut within it"],
)
def test_a_cut_or_garbled_answer_is_unreachable(given: Answer) -> None:
    fault = refused(given)
    assert isinstance(fault, UpstreamUnreachable)
    assert not isinstance(fault, NobodyThere), "an account may have been made"


def test_a_sign_up_is_not_repeated_when_its_answer_is_lost() -> None:
    with stub_server(cut, answer(200, SESSION)) as server:
        with pytest.raises(UpstreamUnreachable):
            Accounts(server.url, "k", 5.0).sign_up()
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    "lost",
    [cut, answer(200, b"{}"), answer(200, b'{"access_tok'), shortened(b'{"access_tok')],
    ids=["cut before it", "empty", "half", "cut within it"],
)
def test_a15_a_refresh_is_asked_once_more_when_its_answer_is_lost(lost: Answer) -> None:
    with stub_server(lost, answer(200, SESSION)) as server:
        assert Accounts(server.url, "k", 5.0).refresh("refresh-1") == GRANT
    assert [request.json for request in server.seen] == [{"refresh_token": "refresh-1"}] * 2


def test_a15_a_refresh_is_asked_once_more_only_once() -> None:
    with stub_server(cut) as server:
        with pytest.raises(UpstreamUnreachable):
            Accounts(server.url, "k", 5.0).refresh("refresh-1")
        assert len(server.seen) == 2


def test_a15_a_refresh_that_reached_nobody_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was lost on the way: there was no way."""
    posts: list[str] = []
    real = Accounts._post

    def post(self: Accounts, path: str, body: dict[str, Any]) -> Any:
        posts.append(path)
        return real(self, path, body)

    monkeypatch.setattr(Accounts, "_post", post)
    with pytest.raises(NobodyThere):
        Accounts(f"http://127.0.0.1:{free_port()}", "k", 1.0).refresh("refresh-1")
    assert len(posts) == 1


def test_a_refused_refresh_is_not_repeated() -> None:
    with stub_server(answer(400, {"error_code": "refresh_token_not_found"})) as server:
        with pytest.raises(CredentialGone):
            Accounts(server.url, "k", 5.0).refresh("refresh-1")
        assert len(server.seen) == 1


@pytest.mark.parametrize("given", [dripping, dripping_head], ids=["body", "head"])
def test_a4_an_answer_that_drips_ends_at_the_deadline(given: Answer) -> None:
    begun = time.monotonic()
    with pytest.raises(UpstreamUnreachable):
        sign_up(given, timeout=0.1)
    assert time.monotonic() - begun < 1.0


def test_a4_an_answer_that_stalls_within_its_body_is_unreachable() -> None:
    with pytest.raises(UpstreamUnreachable):
        sign_up(stalling, timeout=0.05)


def test_a4_silence_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(UpstreamUnreachable):
            Accounts(url, "k", 0.05).sign_up()
    assert time.monotonic() - begun < 1.0


def test_far_too_large_an_answer_is_malformed() -> None:
    assert isinstance(refused(answer(200, b" " * 1_100_000)), UpstreamGarbled)


# --- secrets


def test_no_secret_is_in_a_repr_an_exception_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [TOKEN, "refresh-9", "refresh-1", "anon-key", "pass-word"]
    told = [repr(GRANT)]
    for given in (cut, answer(400, SESSION), answer(200, {**SESSION, "expires_in": 0})):
        with stub_server(given) as server:
            accounts = Accounts(server.url, "anon-key", 1.0)
            told.append(repr(accounts))
            with pytest.raises(GatewayError) as first:
                accounts.refresh("refresh-1")
            with pytest.raises(GatewayError) as second:
                accounts.sign_in("me", "pass-word")
        for caught in (first, second):
            error: BaseException | None = caught.value
            while error is not None:
                told += [str(error), repr(error)]
                error = error.__cause__
    everything = "\n".join([*told, caplog.text])
    assert [secret for secret in secrets if secret in everything] == []


# --- is it an emulator?


def test_the_mark_of_an_emulator_is_told_with_each_answer() -> None:
    marks: list[str | None] = []
    given = [answer(200, SESSION, X_Langfast_Emulator="1"), answer(500), answer(200, SESSION)]
    with stub_server(*given) as server:
        accounts = Accounts(server.url, "k", 5.0)
        accounts.on_answer = marks.append
        accounts.sign_up()
        with pytest.raises(SignUpRefused):
            accounts.sign_up()
        accounts.sign_up()
    assert marks == ["1", None, None]


def test_nobody_need_listen_for_the_mark() -> None:
    assert sign_up(answer(200, SESSION, X_Langfast_Emulator="1")) == GRANT


def test_an_emulator_tells_its_models() -> None:
    models = {"models": [{"id": "echo"}, {"id": "count"}]}
    with stub_server(answer(200, models)) as server:
        assert Accounts(server.url, "k", 5.0).emulator_models() == ("echo", "count")
    assert (server.seen[0].method, server.seen[0].path) == ("GET", "/emulator")


@pytest.mark.parametrize(
    "given",
    [
        cut,
        dripping,
        answer(200, b"<html>"),
        answer(200, b"null"),
        answer(200, {}),
        answer(200, {"models": 7}),
        answer(200, {"models": [{}]}),
        answer(200, {"models": ["echo"]}),
        answer(200, b" " * 1_100_000),
        nonsense,
        shortened(b"{"),
    ],
    ids=[
        "cut",
        "dripping",
        "HTML",
        "null",
        "empty",
        "number",
        "nameless",
        "words",
        "endless",
        "no-HTTP",
        "cut-within",
    ],
)
def test_an_emulator_that_does_not_tell_its_models_offers_none(given: Answer) -> None:
    with stub_server(given) as server:
        assert Accounts(server.url, "k", 0.1).emulator_models() == ()


# --- TLS


def test_https_goes_through_the_shared_context_and_is_verified() -> None:
    accounts = Accounts("https://upstream.example", "k", 1.0)
    adapter = accounts._session.get_adapter("https://upstream.example")
    assert isinstance(adapter, _SharedTls)
    assert adapter.poolmanager.connection_pool_kw["ssl_context"] is tls_context()

    class Pool:
        cert_reqs: str | None = None

    pool = Pool()
    adapter.cert_verify(pool, "https://upstream.example", True, None)
    assert pool.cert_reqs == "CERT_REQUIRED"
