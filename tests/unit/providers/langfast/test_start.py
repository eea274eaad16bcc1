"""The call that starts a run, against a tiny server on loopback."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest

from langfast_wsgi.errors import (
    BadRequest,
    GatewayError,
    QuotaExhausted,
    SessionRefused,
    StartRefused,
    UpstreamGarbled,
    UpstreamSilent,
    UpstreamUnreachable,
)
from langfast_wsgi.providers.langfast.accounts import CredentialGone
from langfast_wsgi.providers.langfast.answer import tls_context
from langfast_wsgi.providers.langfast.breaker import LIMIT, Breaker
from langfast_wsgi.providers.langfast.credential import REFRESH_SPACING, Credential
from langfast_wsgi.providers.langfast.retries import RetryBudget
from langfast_wsgi.providers.langfast.start import Starter, StartFailed
from tests.support.builders import (
    Answer,
    StubServer,
    answer,
    counted,
    cut,
    dripping,
    free_port,
    grant,
    nonsense,
    run_request,
    shortened,
    stalling,
    stub_server,
    upstream,
)
from tests.unit.providers.langfast.tls import tls_server

ACCEPTED = answer(200, {"run_id": "r", "jobs": [{"job_id": "j"}]})


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A second attempt waits for a moment with jitter; the test only notes for how long."""
    pauses: list[float] = []
    watch = SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic)
    monkeypatch.setattr("langfast_wsgi.providers.langfast.start.time", watch)
    return pauses


class Case:
    """A starter, its account, and the refreshes that it asked for."""

    def __init__(
        self,
        server: StubServer | str,
        timeout: float = 5.0,
        refresh: Callable[[Credential], None] | None = None,
    ) -> None:
        self.credential = Credential("c1", grant(), 0.0)
        self.refreshed: list[str] = []
        self.breaker, self.retries = Breaker(), RetryBudget()
        self.breaker.serving(True)
        url = server if isinstance(server, str) else server.url
        self.starter = Starter(
            upstream(url),
            timeout=timeout,
            connections=2,
            refresh=refresh or self._refresh,
            breaker=self.breaker,
            retries=self.retries,
        )

    def _refresh(self, credential: Credential) -> None:
        self.refreshed.append(credential.grant.access_token)
        credential.grant = grant(len(self.refreshed) + 1)

    def start(self) -> str | None:
        return self.starter.start(self.credential, run_request("hi"))

    def fails(self) -> StartFailed:
        with pytest.raises(StartFailed) as caught:
            self.start()
        return caught.value


@contextmanager
def case(*answers: Answer, timeout: float = 5.0) -> Iterator[tuple[Case, StubServer]]:
    with stub_server(*answers) as server:
        yield Case(server, timeout), server


# --- what is asked, what is accepted


def test_a_start_looks_as_the_upstream_expects_it() -> None:
    with case(ACCEPTED) as (starting, server):
        assert starting.start() == "j"
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/functions/v1/initiate-prompt-run")
    assert seen.headers["apikey"] == "anon-key"
    assert seen.headers["authorization"] == "Bearer access-1"
    assert seen.headers["content-type"] == "application/json"
    assert seen.json["prompt_id"] == "prompt-1"
    assert seen.json["created_by"] == "user-1"
    assert seen.json["prompt_meta"]["messages"] == [{"role": "user", "content": "hi"}]


def test_each_start_has_a_run_id_of_its_own() -> None:
    with case(ACCEPTED) as (starting, server):
        starting.start()
        starting.start()
    assert len({seen.json["run_id"] for seen in server.seen}) == 2


def test_an_upstream_may_give_no_job_id() -> None:
    with case(answer(200, {"run_id": "r"})) as (starting, _):
        assert starting.start() is None


def test_an_accepted_start_is_counted() -> None:
    with case(ACCEPTED) as (starting, _), counted("langfast_starts_total", result="accepted") as n:
        starting.start()
        assert n() == 1


def test_cookies_are_not_sent_back() -> None:
    with case(answer(200, {"run_id": "r"}, Set_Cookie="a=b")) as (starting, server):
        starting.start()
        starting.start()
    assert [seen.headers.get("cookie") for seen in server.seen] == [None, None]


# --- tried again, once


def test_b1_a_refused_token_is_refreshed_and_the_same_run_tried_again(
    no_pause: list[float],
) -> None:
    with case(answer(401), ACCEPTED) as (starting, server):
        assert starting.start() == "j"
    assert starting.refreshed == ["access-1"]
    assert [seen.headers["authorization"] for seen in server.seen] == [
        "Bearer access-1",
        "Bearer access-2",
    ]
    assert server.seen[0].json["run_id"] == server.seen[1].json["run_id"]
    assert no_pause == []


def test_b2_a_second_refusal_of_the_token_counts() -> None:
    with case(answer(401)) as (starting, server):
        failed = starting.fails()
        assert len(server.seen) == 2
    assert isinstance(failed.fault, StartRefused)
    assert (failed.fault.code, failed.fault.retry, failed.rest) == (
        "upstream_auth_error",
        False,
        60.0,
    )


@pytest.mark.parametrize(("seconds", "starts"), [(1, 1), (REFRESH_SPACING + 1, 2)])
def test_b2_an_account_that_rests_for_a_refusal_gets_no_token_sooner_than_usual(
    seconds: float, starts: int
) -> None:
    with case(answer(401)) as (starting, server):
        now = time.monotonic()
        starting.credential.cool(now + 60, StartRefused("no", code="upstream_auth_error"))
        starting.credential.refreshed_at = now - seconds
        failed = starting.fails()
        assert len(server.seen) == starts
        assert len(starting.refreshed) == starts - 1
    assert failed.rest == 60.0
    assert starting.breaker._refused == {"c1"}, "it is told each time"


@pytest.mark.parametrize(
    ("status", "taken"),
    [(400, True), (413, True), (429, True), (401, False), (403, False), (404, False), (500, False)],
)
def test_b2_an_answer_to_what_was_asked_shows_that_the_account_is_well(
    status: int, taken: bool, no_pause: list[float]
) -> None:
    with case(answer(status)) as (starting, _):
        assert starting.fails().taken is taken


def test_b1_a_token_that_another_run_refreshed_meanwhile_is_not_refreshed_again() -> None:
    with stub_server(answer(401), ACCEPTED) as server:
        starting = Case(server)

        def somebody_refreshes(handler: object) -> None:
            starting.credential.grant = grant(9)
            answer(401)(handler)  # type: ignore[arg-type]

        server.answers[0] = somebody_refreshes
        assert starting.start() == "j"
        assert starting.refreshed == []
        assert server.seen[1].headers["authorization"] == "Bearer access-9"


@pytest.mark.parametrize("fault", [SessionRefused("no"), CredentialGone("gone")])
def test_b1_where_there_is_no_new_token_the_refusal_stands(fault: GatewayError) -> None:
    """Its account rests until it could be refreshed, or is replaced: no other rest is due."""

    def no_token(_: Credential) -> None:
        raise fault

    with stub_server(answer(401), ACCEPTED) as server:
        starting = Case(server, refresh=no_token)
        failed = starting.fails()
        assert len(server.seen) == 1
    assert failed.fault.code == "upstream_auth_error"
    assert failed.rest == 0.0
    assert failed.__cause__ is fault
    assert starting.breaker._refused == set()


@pytest.mark.parametrize("status", [500, 502, 503])
def test_b8_b9_what_may_pass_is_tried_again_with_the_same_run_id(
    status: int, no_pause: list[float]
) -> None:
    with case(answer(status), ACCEPTED) as (starting, server):
        assert starting.start() == "j"
    assert server.seen[0].json["run_id"] == server.seen[1].json["run_id"]
    assert len(no_pause) == 1
    assert 0.1 <= no_pause[0] <= 0.4


@pytest.mark.parametrize(
    ("status", "kind"), [(500, StartRefused), (502, StartRefused), (503, UpstreamUnreachable)]
)
def test_b8_b9_what_fails_twice_is_not_tried_a_third_time(
    status: int, kind: type[GatewayError]
) -> None:
    with case(answer(status)) as (starting, server):
        assert isinstance(starting.fails().fault, kind)
        assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(503, 401, "upstream_auth_error"), (401, 503, "upstream_unavailable")],
)
def test_no_request_is_started_more_than_twice_whatever_befalls_it(
    first: int, second: int, code: str
) -> None:
    with case(answer(first), answer(second), ACCEPTED) as (starting, server):
        assert starting.fails().fault.code == code
        assert len(server.seen) == 2
        assert len({seen.json["run_id"] for seen in server.seen}) == 1


@pytest.mark.parametrize(
    ("given", "kind", "code"),
    [
        (answer(400, {"message": "bad prompt"}), BadRequest, None),
        (answer(402), QuotaExhausted, "insufficient_quota"),
        (answer(403), StartRefused, "upstream_forbidden"),
        (answer(404), StartRefused, "upstream_misconfigured"),
        (answer(504), UpstreamSilent, "upstream_timeout"),
        (answer(546), StartRefused, "upstream_error"),
        (answer(302, b"", Location="/elsewhere"), UpstreamGarbled, "upstream_bad_response"),
        (answer(200, b"<html>"), UpstreamGarbled, "upstream_bad_response"),
        (answer(200, {"jobs": []}), UpstreamGarbled, "upstream_bad_response"),
        (answer(200, b" " * 1_100_000), UpstreamGarbled, "upstream_bad_response"),
        (cut, StartRefused, "upstream_error"),
        (nonsense, StartRefused, "upstream_error"),
        (shortened(b'{"run_id'), StartRefused, "upstream_error"),
    ],
    ids=[
        "400",
        "402",
        "403",
        "404",
        "504",
        "546",
        "redirect",
        "HTML",
        "jobless",
        "endless",
        "reset",
        "nonsense",
        "cut-within",
    ],
)
def test_what_was_decided_or_may_have_been_spent_is_not_tried_again(
    given: Answer, kind: type[GatewayError], code: str | None
) -> None:
    with case(given) as (starting, server):
        failed = starting.fails()
        assert len(server.seen) == 1
    assert type(failed.fault) is kind
    assert failed.fault.code == code
    assert str(failed) == failed.fault.message


def test_a_connection_that_was_cut_behind_the_body_is_not_to_be_retried_by_the_caller_either() -> (
    None
):
    with case(cut) as (starting, _):
        assert starting.fails().fault.retry is False


def test_a_refusal_is_counted_by_its_code_word() -> None:
    with (
        case(answer(403)) as (starting, _),
        counted("langfast_starts_total", result="upstream_forbidden") as forbidden,
    ):
        starting.fails()
        assert forbidden() == 1
    with (
        case(answer(400)) as (starting, _),
        counted("langfast_starts_total", result="refused_prompt") as prompt,
    ):
        starting.fails()
        assert prompt() == 1


# --- nobody there, or not in time


def test_b14_a_refused_connection_is_tried_again_once(no_pause: list[float]) -> None:
    failed = Case(f"http://127.0.0.1:{free_port()}", 1.0).fails()
    assert isinstance(failed.fault, UpstreamUnreachable)
    assert failed.fault.retry_after == 5
    assert len(no_pause) == 1


def test_b14_a_name_that_nobody_knows_is_tried_again_once(
    no_pause: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", unknown)
    assert isinstance(Case("http://nowhere.invalid", 1.0).fails().fault, UpstreamUnreachable)
    assert len(no_pause) == 1


def test_b14_an_upstream_without_tls_is_unreachable(no_pause: list[float]) -> None:
    with stub_server(nonsense) as server:
        starting = Case(server.url.replace("http://", "https://"), 1.0)
        assert isinstance(starting.fails().fault, UpstreamUnreachable)
    assert len(no_pause) == 1


def test_https_goes_through_the_shared_context() -> None:
    starter = Case("https://upstream.example").starter
    context = starter._http.conn_kw["ssl_context"]
    assert context is tls_context()
    assert isinstance(context, ssl.SSLContext)


@pytest.mark.parametrize("given", [dripping, stalling], ids=["dripping", "stalling"])
def test_b15_an_answer_that_does_not_come_to_its_end_is_given_up_at_the_deadline(
    given: Answer,
) -> None:
    begun = time.monotonic()
    with case(given, timeout=0.1) as (starting, server):
        failed = starting.fails()
        assert len(server.seen) == 1
    assert isinstance(failed.fault, UpstreamSilent)
    assert time.monotonic() - begun < 1.0


def test_b10_silence_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        starting = Case(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.05)
        begun = time.monotonic()
        assert isinstance(starting.fails().fault, UpstreamSilent)
        assert time.monotonic() - begun < 1.0


def test_b14_an_upstream_that_nobody_trusts_is_tried_again_once(
    no_pause: list[float], tmp_path: Path
) -> None:
    with tls_server(tmp_path) as url:
        failed = Case(url, 5.0).fails()
    assert isinstance(failed.fault, UpstreamUnreachable)
    assert failed.fault.retry_after == 5
    assert len(no_pause) == 1


def test_b14_an_address_that_swallows_everything_is_given_up_long_before_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connecting has a patience of its own, and what was not sent may be sent once more."""
    monkeypatch.setattr("langfast_wsgi.providers.langfast.start.CONNECT_SECONDS", 0.1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # so its queue is full
            begun = time.monotonic()
            failed = Case(f"http://127.0.0.1:{port}", 20.0).fails()
    assert isinstance(failed.fault, UpstreamUnreachable)
    assert 0.2 <= time.monotonic() - begun < 5.0


def test_p11_b10_start_timeout_is_for_both_attempts_together(no_pause: list[float]) -> None:
    def late(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.4)
        answer(503)(handler)

    begun = time.monotonic()
    with case(late, timeout=0.6) as (starting, server):
        assert isinstance(starting.fails().fault, UpstreamSilent)
        assert len(server.seen) == 2
    assert 0.55 < time.monotonic() - begun < 1.2
    assert len(no_pause) == 1


# --- what the breaker hears


def told(given: Answer, *, times: int = LIMIT) -> Case:
    """A case after so many answers of this kind, each to a run of its own."""
    with case(given, timeout=0.2) as (starting, _):
        for number in range(times):
            starting.credential = Credential(f"c{number}", grant(), 0.0)
            starting.fails()
    return starting


@pytest.mark.parametrize(
    "given",
    [answer(500), answer(503), answer(546), cut],
    ids=["500", "503", "546", "cut"],
)
def test_p5_failures_of_the_upstreams_own_open_the_breaker(given: Answer) -> None:
    starting = told(given)
    assert starting.breaker.opened == {"starts": 1}


@pytest.mark.parametrize(
    "given",
    [answer(400), answer(429), answer(402), answer(404), answer(302), answer(200, b"<html>")],
)
def test_p5_what_is_no_failure_of_the_upstreams_own_does_not(given: Answer) -> None:
    assert told(given, times=LIMIT + 1).breaker.opened == {}


def test_b2_three_accounts_that_are_refused_open_the_breaker() -> None:
    assert told(answer(403), times=2).breaker.opened == {}
    assert told(answer(403), times=3).breaker.opened == {"accounts": 1}
    assert told(answer(401), times=2).breaker.opened == {}
    assert told(answer(401), times=3).breaker.opened == {"accounts": 1}


def test_b2_a_token_that_was_refused_once_does_not_count() -> None:
    with case(answer(401), ACCEPTED) as (starting, _):
        starting.start()
        assert starting.breaker._refused == set()


def test_b3_a_restricted_project_opens_the_breaker() -> None:
    starting = told(answer(402, {"code": "overdue_payment"}), times=1)
    assert starting.breaker.opened == {"restricted": 1}


def test_b7_a_missing_function_is_trouble_until_a_start_is_accepted() -> None:
    with case(answer(404), ACCEPTED) as (starting, _):
        starting.fails()
        assert starting.breaker.trouble is not None
        assert starting.breaker.trouble.code == "upstream_misconfigured"
        starting.start()
        assert starting.breaker.trouble is None


def test_an_account_that_was_taken_has_served() -> None:
    with case(answer(429), ACCEPTED) as (starting, _):
        starting.fails()
        assert not starting.credential.served
        starting.start()
        assert starting.credential.served


def test_p5_a_probe_is_one_attempt(no_pause: list[float]) -> None:
    with case(answer(503)) as (starting, server):
        for _ in range(LIMIT):
            starting.breaker.failed(time.monotonic())
        starting.fails()
        assert len(server.seen) == 1
    assert no_pause == []


# --- the retry budget


def spend(retries: RetryBudget) -> None:
    while retries.take():
        pass


@pytest.mark.parametrize("status", [500, 503])
def test_p4_without_a_token_there_is_no_second_attempt(status: int, no_pause: list[float]) -> None:
    with case(answer(status), ACCEPTED) as (starting, server):
        spend(starting.retries)
        with counted("langfast_start_retries_total", result="over_budget") as denied:
            starting.fails()
            assert denied() == 1
        assert len(server.seen) == 1
    assert no_pause == []


def test_p4_b1_a_run_without_a_token_fails_but_its_account_is_well_again() -> None:
    with case(answer(401), ACCEPTED) as (starting, server):
        spend(starting.retries)
        failed = starting.fails()
        assert len(server.seen) == 1
        assert starting.refreshed == ["access-1"]
        assert (failed.fault.code, failed.rest) == ("upstream_auth_error", 0.0)
        assert starting.breaker._refused == set()
        assert starting.start() == "j"


def test_p4_a_second_attempt_is_counted() -> None:
    with (
        case(answer(503), ACCEPTED) as (starting, _),
        counted("langfast_start_retries_total", result="made") as made,
    ):
        starting.start()
        assert made() == 1


# --- secrets


def test_no_token_is_in_an_exception_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    for given in (cut, answer(401), answer(200, b"<html>"), stalling):
        with case(given, timeout=0.1) as (starting, _):
            error: BaseException | None = starting.fails()
            while error is not None:
                told += [str(error), repr(error)]
                error = error.__cause__ or error.__context__
    everything = "\n".join([*told, caplog.text])
    assert "access-" not in everything
    assert "anon-key" not in everything
    assert "Bearer" not in everything


def test_many_starts_at_once_are_each_answered() -> None:
    with case(ACCEPTED) as (starting, server):
        found: list[str | None] = []
        threads = [
            threading.Thread(target=lambda: found.append(starting.start())) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["j"] * 8
        assert len(server.seen) == 8
