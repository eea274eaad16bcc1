"""What callers see when sign-ups, refreshes and accounts fail, and what the upstream sees of us."""

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import Stream, read_stream, steer

TEXT = "Ein Text mit 😀, der lange unterwegs ist. " * 3


@pytest.fixture
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.01") as process:
        yield process


def post(gateway: GatewayProcess, content: str = "hi", **fields: Any) -> requests.Response:
    """Of a caller of its own: no shared connection."""
    body = {"messages": [{"role": "user", "content": content}], **fields}
    stream = bool(fields.get("stream"))
    url = f"{gateway.api}/chat/completions"
    return requests.post(url, json=body, stream=stream, timeout=60)


def error_of(response: requests.Response) -> dict[str, Any]:
    return dict(response.json()["error"])


def accounts(gateway: GatewayProcess) -> int:
    census = gateway.get("/readyz").json()["langfast"]["credentials"]
    return sum(census[state] for state in ("ready", "busy", "cooling", "connecting"))


def trouble(gateway: GatewayProcess) -> str | None:
    found: str | None = gateway.get("/readyz").json()["langfast"]["trouble"]
    return found


def serves(gateway: GatewayProcess) -> bool:
    return post(gateway).status_code == 200


class Steady:
    """A gateway whose account's token lives eight seconds; somebody calls it all the time."""

    def __init__(self, gateway: GatewayProcess, upstream: EmulatorProcess) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.begun = time.monotonic()
        self.statuses: list[int] = []
        self._over = threading.Event()
        self._caller = threading.Thread(target=self._call, daemon=True)
        self._caller.start()

    def _call(self) -> None:
        while not self._over.wait(0.15):
            self.statuses.append(post(self.gateway).status_code)

    def stop(self) -> None:
        """The calls end."""
        self._over.set()
        self._caller.join()


@pytest.fixture(scope="module", autouse=True)
def steady() -> Iterator[Steady]:
    """Beside the other tests, because it takes its time."""
    with (
        running_emulator("--token-lifetime", "8") as upstream,
        running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway,
    ):
        caller = Steady(gateway, upstream)
        yield caller
        caller.stop()


# --- sign-ups


def test_a1_a_sign_up_limit_is_nobodys_trouble_while_there_is_an_account() -> None:
    with (
        running_emulator("--signups-per-hour", "1") as upstream,
        running_gateway(upstream, MIN_CREDENTIALS=2) as gateway,
    ):
        wait_for(lambda: upstream.stats()["sign_ups_refused"] == 1, "the limit to be met")
        begun = time.monotonic()
        while time.monotonic() - begun < 1:
            assert post(gateway).status_code == 200
        assert upstream.stats()["sign_ups_refused"] == 1, "it pauses for two minutes"
        assert trouble(gateway) == "rate_limit_exceeded"
        assert gateway.get("/readyz").status_code == 200


def test_a2_a_sign_up_limit_is_waited_out_and_never_rushed(upstream: EmulatorProcess) -> None:
    upstream.faults(sign_up={"status": 429, "code": "over_request_rate_limit"})
    with running_gateway(upstream, ready=False, QUEUE_TIMEOUT=2) as gateway:
        with ThreadPoolExecutor(8) as callers:
            begun = time.monotonic()
            answers = list(callers.map(lambda _: post(gateway), range(8)))
            assert time.monotonic() - begun < 4
        for response in answers:
            assert response.status_code == 503
            assert error_of(response)["code"] == "no_credentials_available"
            assert 100 <= int(response.headers["retry-after"]) <= 121
            assert "x-should-retry" not in response.headers
        assert upstream.stats()["sign_ups_refused"] == 1


def test_a3_a_sick_auth_service_is_a_503_while_there_is_no_account_and_no_longer(
    upstream: EmulatorProcess,
) -> None:
    upstream.faults(sign_up={"status": 500})
    with running_gateway(upstream, ready=False, MIN_CREDENTIALS=1, QUEUE_TIMEOUT=1) as gateway:
        for fault in ({"status": 500}, {"body": "html"}, {"status": 504, "code": "x"}):
            upstream.faults(sign_up=fault)
            response = post(gateway)
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
            assert "x-should-retry" not in response.headers
        wait_for(lambda: error_of(post(gateway))["code"] == "upstream_unavailable", "the breaker")
        assert gateway.log().count("no account:") <= 5


def test_a3_a_sick_auth_service_is_nobodys_trouble_while_there_is_an_account(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(
        upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=2, RUNS_PER_CREDENTIAL=1
    ) as gateway:
        assert serves(gateway)
        upstream.faults(sign_up={"status": 500})
        slow = steer("x", chunks=3, interval=0.3)
        with ThreadPoolExecutor(6) as callers:
            answers = list(callers.map(lambda _: post(gateway, slow), range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6
        assert upstream.stats()["sign_ups"] == 1
        failed = 'langfast_sign_ups_total{result="upstream_signup_refused"}'
        assert gateway.metrics().get(failed, 0) <= 4, "tried again, but not in a hurry"


def test_a4_a_sign_up_that_hangs_is_given_up_in_time(upstream: EmulatorProcess) -> None:
    upstream.faults(sign_up={"hang": 60})
    with running_gateway(
        upstream, ready=False, MIN_CREDENTIALS=1, SIGNUP_TIMEOUT=1, QUEUE_TIMEOUT=1.5
    ) as gateway:
        response = post(gateway)
        assert response.status_code == 503
        assert "retry-after" in response.headers
        wait_for(lambda: "auth service did not answer" in gateway.log(), "the end of patience", 3)
        upstream.clear_faults()
        wait_for(lambda: serves(gateway), "an account", 15)


@contextlib.contextmanager
def begun_with(
    *faults: dict[str, Any], **settings: object
) -> Iterator[list[tuple[EmulatorProcess, GatewayProcess]]]:
    """Gateways that start beside each other, each over an upstream with a fault of its sign-up."""
    with contextlib.ExitStack() as stack:
        pairs = []
        for fault in faults:
            upstream = stack.enter_context(running_emulator("--interval", "0.01"))
            upstream.faults(sign_up=fault)
            gateway = running_gateway(upstream, ready=None, MIN_CREDENTIALS=1, **settings)
            pairs.append((upstream, stack.enter_context(gateway)))
        for _, gateway in pairs:
            gateway.wait_until_alive()
        yield pairs


def test_a5_a9_a_malformed_session_is_refused_and_tried_again() -> None:
    """Others of their kind: ``tests/unit/providers/langfast/test_grant.py``."""
    faults: list[dict[str, Any]] = [
        {"status": 200, "body": "truncated"},
        {"change": {"refresh_token": None}},
        {"change": {"expires_in": -5}},
    ]
    once = [{**fault, "times": 1} for fault in faults]
    with begun_with(*once, LOG_LEVEL="debug") as pairs:
        for upstream, gateway in pairs:
            assert serves(gateway)
            bad = gateway.metrics()['langfast_sign_ups_total{result="upstream_bad_response"}']
            assert bad == 1
            assert upstream.stats()["refreshes"] == 0
            assert "eyJ" not in gateway.log()


def test_a6_a7_a8_a_refused_sign_up_is_told_and_not_tried_again() -> None:
    faults: dict[str, dict[str, Any]] = {
        "upstream_captcha_required": {"status": 400, "code": "captcha_failed"},
        "upstream_signup_disabled": {"status": 422, "code": "anonymous_provider_disabled"},
        "upstream_misconfigured": {"status": 401, "code": "no_api_key"},
    }
    with begun_with(*faults.values()) as pairs:
        for code, (_, gateway) in zip(faults, pairs, strict=True):
            wait_for(lambda code=code, gateway=gateway: code in gateway.log(), "the refusal")
            for _ in range(3):
                begun = time.monotonic()
                response = post(gateway)
                assert time.monotonic() - begun < 0.5
                assert (response.status_code, error_of(response)["code"]) == (503, code)
                assert response.headers["x-should-retry"] == "false"
            assert gateway.get("/readyz").status_code == 503
            assert trouble(gateway) == code
            assert gateway.get("/healthz").status_code == 200
            assert "no more sign-ups until this is mended" in gateway.log()
        time.sleep(0.8)
        assert [upstream.stats()["sign_ups_refused"] for upstream, _ in pairs] == [1, 1, 1]


def test_a6_where_sign_ups_want_a_captcha_accounts_are_refreshed_all_the_same(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway:
        upstream.faults(sign_up={"status": 400, "code": "captcha_failed"})
        upstream.expire_tokens()
        assert serves(gateway)
        assert upstream.stats()["refreshes"] == 1


def test_a9_a_huge_lifetime_is_taken_for_a_day_and_a_tiny_one_makes_no_busy_loop(
    upstream: EmulatorProcess,
) -> None:
    upstream.faults(sign_up={"change": {"expires_in": 10**15}, "times": 1})
    with running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway:
        assert serves(gateway)
        upstream.faults(refresh={"change": {"expires_in": 0.5}})
        upstream.expire_tokens()
        assert serves(gateway)
        time.sleep(2)
        assert upstream.stats()["refreshes"] == 1


def test_a10_a_budget_that_is_used_up_is_told_at_once_and_no_new_worker_goes_round_it(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(
        upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, SIGNUPS_PER_HOUR=1
    ) as gateway:
        upstream.revoke_tokens()
        upstream.expire_tokens()
        post(gateway)  # finds out
        wait_for(lambda: "no sign-up for" in gateway.log(), "the end of the budget")
        for life in range(2):
            begun = time.monotonic()
            response = post(gateway)
            assert time.monotonic() - begun < 1
            assert response.status_code == 503
            assert error_of(response)["code"] == "no_credentials_available"
            assert 3500 <= int(response.headers["retry-after"]) <= 3600
            assert response.headers["x-should-retry"] == "false"
            if life == 0:
                os.kill(gateway.worker_pids()[0], signal.SIGKILL)
                wait_for(lambda: gateway.log().count("no sign-up for") == 2, "a new worker")
        assert upstream.stats()["sign_ups"] == 1


def test_a11_a_thousand_requests_at_a_cold_start_sign_up_no_more_than_the_budget(
    upstream: EmulatorProcess,
) -> None:
    upstream.faults(sign_up={"hang": 0.7})
    with running_gateway(
        upstream, ready=False, MIN_CREDENTIALS=0, SIGNUPS_PER_HOUR=2, QUEUE_TIMEOUT=3
    ) as gateway:
        local = threading.local()

        def one(number: int) -> tuple[int, bool, float]:
            if not hasattr(local, "http"):
                local.http = requests.Session()
            begun = time.monotonic()
            body = {"messages": [{"role": "user", "content": f"n {number}"}]}
            answer = local.http.post(f"{gateway.api}/chat/completions", json=body, timeout=60)
            told = "retry-after" in answer.headers
            return answer.status_code, told, time.monotonic() - begun

        with ThreadPoolExecutor(100) as callers:
            answers = list(callers.map(one, range(1000)))
        assert upstream.stats()["sign_ups"] <= 2
        assert {status for status, _, _ in answers} <= {200, 503}
        assert all(told for status, told, _ in answers if status == 503)
        assert max(waited for status, _, waited in answers if status == 503 or waited) < 10
        assert sum(status == 200 for status, _, _ in answers) >= 500


# --- refreshes


def test_a13_a17_an_account_that_cannot_be_refreshed_serves_to_its_end_and_then_rests() -> None:
    with (
        running_emulator("--token-lifetime", "6") as upstream,
        running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=3, QUEUE_TIMEOUT=1) as gateway,
        ThreadPoolExecutor(1) as callers,
    ):
        upstream.faults(refresh={"status": 503, "code": "unexpected_failure"})
        long = callers.submit(
            lambda: read_stream(post(gateway, steer(TEXT, chunks=75, interval=0.1), stream=True))
        )
        wait_for(lambda: "refresh of" in gateway.log(), "the refresh to fail", 8)
        assert serves(gateway)
        wait_for(lambda: not serves(gateway), "the end of the token", 5)
        wait_for(lambda: error_of(post(gateway))["code"] == "upstream_unavailable", "the breaker")
        begun = time.monotonic()
        response = post(gateway)
        assert time.monotonic() - begun < 0.5
        assert (response.status_code, "retry-after" in response.headers) == (503, True)
        assert (upstream.stats()["sign_ups"], accounts(gateway)) == (1, 1)
        # A13: the socket was let in with the old token, and the run goes on.
        stream: Stream = long.result()
        assert (stream.text, stream.finish_reasons) == (TEXT, ["stop"])
        upstream.clear_faults()
        wait_for(lambda: serves(gateway), "service to be back", 10)
        stats = upstream.stats()
        assert (stats["sign_ups"], stats["connects"]) == (1, 1)


def test_a14_an_account_that_is_known_no_more_is_replaced(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=2, MAX_CREDENTIALS=2) as gateway:
        wait_for(lambda: accounts(gateway) == 2, "two accounts")
        upstream.revoke_tokens()
        upstream.expire_tokens()
        for _ in range(2):
            response = post(gateway)
            # In mid-request it is B1's word; else callers see nothing.
            assert response.status_code == 200 or (
                error_of(response)["code"] == "upstream_auth_error"
            )
        wait_for(lambda: upstream.stats()["sign_ups"] == 4, "two new accounts")
        wait_for(lambda: serves(gateway), "service to be back")
        assert gateway.metrics()["langfast_credentials_lost_total"] == 2


def test_a15_a_lost_answer_to_a_refresh_is_asked_for_once_more_with_the_same_token(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway:
        upstream.faults(refresh={"body": "lost", "times": 1})
        upstream.expire_tokens()
        assert serves(gateway)
        stats = upstream.stats()
        assert (stats["refreshes"], stats["refreshes_refused"], stats["sign_ups"]) == (2, 0, 1)


def test_a16_where_another_process_is_refreshing_callers_wait_and_see_nothing(
    upstream: EmulatorProcess,
) -> None:
    """A credential belongs to one worker, so the lock is in the pool; over a reload of an own
    account two hold it, and what the other one got is in the note that they share.
    """
    with running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway:
        assert serves(gateway)
        upstream.faults(refresh={"status": 409, "code": "conflict", "times": 1})
        upstream.expire_tokens()
        with ThreadPoolExecutor(6) as callers:
            answers = list(callers.map(lambda n: post(gateway, f"n {n}"), range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6
        assert upstream.stats()["refreshes"] == 1
        assert "refreshed by somebody else" in gateway.log()


def test_a18_accounts_that_are_banned_as_soon_as_they_are_made_end_the_sign_ups(
    upstream: EmulatorProcess,
) -> None:
    upstream.faults(connect={"refuse": True}, refresh={"status": 400, "code": "user_banned"})
    with running_gateway(upstream, ready=False, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway:
        wait_for(lambda: "no sign-up for an hour" in gateway.log(), "the end of sign-ups")
        response = post(gateway)
        assert response.status_code == 503
        assert error_of(response)["code"] == "no_credentials_available"
        assert int(response.headers["retry-after"]) > 3000
        assert response.headers["x-should-retry"] == "false"
        assert trouble(gateway) == "upstream_auth_error"
        time.sleep(1.2)
        assert upstream.stats()["sign_ups"] == 6
        assert gateway.metrics()["langfast_credentials_lost_total"] == 6


# --- clocks, files, workers


def test_a19_what_the_upstreams_clock_says_does_not_matter(upstream: EmulatorProcess) -> None:
    """Lifetimes are counted from receipt. That nobody asks our own wall clock, unit tests show."""
    change = {"expires_at": int(time.time()) - 3600, "expires_in": 3600}
    upstream.faults(sign_up={"change": change})
    with running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway:
        assert serves(gateway)
        time.sleep(0.5)
        assert serves(gateway)
        assert upstream.stats()["refreshes"] == 0


def test_a20_a_corrupt_store_is_set_aside_and_not_fatal(
    upstream: EmulatorProcess, tmp_path: Path
) -> None:
    """There is no store of credentials: they die with their worker. What is kept is the budget."""
    with running_gateway(
        upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, PROMETHEUS_MULTIPROC_DIR=tmp_path
    ) as gateway:
        (store,) = tmp_path.glob("sign-ups-*")
        store.write_bytes(b'{"half written": tru')
        os.kill(gateway.worker_pids()[0], signal.SIGKILL)
        wait_for(lambda: len(gateway.worker_pids()) == 2, "a new worker")
        wait_for(lambda: serves(gateway), "a cold start")
        assert upstream.stats()["sign_ups"] == 2
        assert store.with_name(f"{store.name}.broken").exists()


def test_a21_a_worker_that_dies_takes_nobody_elses_runs_with_it(upstream: EmulatorProcess) -> None:
    """Leases live in the worker that holds them, so none has to time out."""
    with running_gateway(
        upstream,
        MIN_CREDENTIALS=2,
        MAX_CREDENTIALS=2,
        RUNS_PER_CREDENTIAL=40,
        WEB_CONCURRENCY=2,
    ) as gateway:
        wait_for(lambda: upstream.stats()["sockets_open"] == 2, "two workers")
        ended: list[str] = []

        def one(number: int) -> None:
            text = f"{number}: {TEXT}"
            with contextlib.suppress(requests.RequestException):
                stream = read_stream(
                    post(gateway, steer(text, chunks=18, interval=0.1), stream=True)
                )
                assert stream.done
                ended.append("whole" if stream.text == text else "half")

        def carried() -> list[int]:
            """Runs by account, of which each worker has one."""
            return sorted(Counter(run["user_id"] for run in upstream.runs()).values())

        with ThreadPoolExecutor(40) as callers:
            runs = []
            while len(carried()) < 2 and len(runs) < 40:
                runs.append(callers.submit(one, len(runs)))
                time.sleep(0.02)
            wait_for(lambda: upstream.stats()["runs_active"] == len(runs), "all runs")
            counts = carried()
            os.kill(gateway.worker_pids()[0], signal.SIGKILL)
            for run in runs:
                run.result()
        assert len(counts) == 2
        assert set(ended) == {"whole"}
        assert len(ended) in counts
        wait_for(lambda: len(gateway.worker_pids()) == 3, "a new worker")
        assert [post(gateway).status_code for _ in range(10)] == [200] * 10
        wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "no run in flight")


# --- what went on beside all this


def test_a12_a_token_is_refreshed_ahead_and_its_end_is_noticed_by_nobody(steady: Steady) -> None:
    time.sleep(max(steady.begun + 9 - time.monotonic(), 0))
    steady.stop()
    lives = (time.monotonic() - steady.begun) / 5  # no sooner than after five seconds
    stats = steady.upstream.stats()
    assert stats["sign_ups"] == 1
    assert lives * 0.7 - 1 <= stats["refreshes"] <= lives
    assert set(steady.statuses) == {200}
    refused = 'langfast_starts_total{result="upstream_auth_error"}'
    assert steady.gateway.metrics().get(refused, 0) == 0
