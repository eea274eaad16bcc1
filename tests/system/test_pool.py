"""Many callers on few accounts."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import read_stream, steer


def post(gateway: GatewayProcess, content: str, stream: bool = False) -> requests.Response:
    """Of a caller of its own: no shared connection."""
    body = {"messages": [{"role": "user", "content": content}], "stream": stream}
    url = f"{gateway.api}/chat/completions"
    return requests.post(url, json=body, stream=stream, timeout=60)


def said(response: requests.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


@pytest.fixture
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.01") as process:
        yield process


def test_forty_callers_on_five_credentials_all_get_their_own_answer(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=5, MAX_CREDENTIALS=5) as gateway:
        texts = [f"caller {number} " * 5 for number in range(40)]

        def one(text: str) -> str:
            content = steer(text, chunks=10, interval=0.05)
            return read_stream(post(gateway, content, stream=True)).text

        with ThreadPoolExecutor(40) as callers:
            assert list(callers.map(one, texts)) == texts
        stats = upstream.stats()
        assert stats["sign_ups"] <= 5
        assert stats["runs_max_per_user"] <= 8


def test_a_thousand_requests_sign_up_no_more_than_the_limit(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=2, MAX_CREDENTIALS=3) as gateway:
        with ThreadPoolExecutor(30) as callers:
            answers = list(callers.map(lambda n: said(post(gateway, f"n {n}")), range(1000)))
        assert answers == [f"n {number}" for number in range(1000)]
        stats = upstream.stats()
        assert 2 <= stats["sign_ups"] <= 3
        assert stats["runs_max_per_user"] <= 8
        assert stats["starts"] == 1000


def test_a_key_that_asks_without_end_holds_nobody_elses_up(upstream: EmulatorProcess) -> None:
    with running_gateway(
        upstream,
        API_MASTER_KEY="greedy,modest",
        MIN_CREDENTIALS=1,
        MAX_CREDENTIALS=1,
        RUNS_PER_CREDENTIAL=1,
        QUEUE_TIMEOUT=30,
    ) as gateway:
        done: list[str] = []

        def ask(key: str) -> None:
            headers = {"Authorization": f"Bearer {key}"}
            content = steer("hello", chunks=4, interval=0.05)
            assert gateway.chat(content, headers=headers).status_code == 200
            done.append(key)

        with ThreadPoolExecutor(11) as callers:
            asked = [callers.submit(ask, "greedy") for _ in range(10)]
            wait_for(lambda: waiting(gateway) >= 8, "a line")
            asked.append(callers.submit(ask, "modest"))
            for one in asked:
                one.result()
        assert len(done) == 11
        assert done.index("modest") <= 5, "nine others stood in line before it"


def waiting(gateway: GatewayProcess) -> int:
    headers = {"Authorization": "Bearer modest"}
    return int(gateway.get("/readyz", headers=headers).json()["langfast"]["credentials"]["waiting"])


def test_the_pool_grows_under_load_up_to_its_limit(upstream: EmulatorProcess) -> None:
    with running_gateway(
        upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=3, RUNS_PER_CREDENTIAL=2
    ) as gateway:
        assert said(post(gateway, "first")) == "first"
        assert upstream.stats()["sign_ups"] == 1
        with ThreadPoolExecutor(12) as callers:
            contents = [steer(f"n {number}", interval=0.1, chunks=3) for number in range(12)]
            answers = list(callers.map(lambda content: said(post(gateway, content)), contents))
        assert answers == [f"n {number}" for number in range(12)]
        stats = upstream.stats()
        assert stats["sign_ups"] == 3
        assert stats["runs_max_per_user"] == 2


def test_a_pool_without_a_least_signs_up_when_somebody_calls(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=0) as gateway:
        time.sleep(0.3)
        assert upstream.stats()["sign_ups"] == 0
        with ThreadPoolExecutor(8) as callers:
            answers = list(callers.map(lambda n: said(post(gateway, f"n {n}")), range(8)))
        assert answers == [f"n {number}" for number in range(8)]
        assert 1 <= upstream.stats()["sign_ups"] <= 2


def test_who_waits_too_long_gets_a_503_with_retry_after(upstream: EmulatorProcess) -> None:
    with running_gateway(
        upstream,
        MIN_CREDENTIALS=1,
        MAX_CREDENTIALS=1,
        RUNS_PER_CREDENTIAL=1,
        QUEUE_TIMEOUT=0.5,
    ) as gateway:
        with ThreadPoolExecutor(1) as busy:
            first = busy.submit(post, gateway, steer("long", interval=0.4, chunks=4))
            time.sleep(0.3)
            response = post(gateway, "x", stream=True)
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "too_many_runs"
            assert response.headers["retry-after"] == "1"
            assert said(first.result()) == "long"
        assert gateway.metrics()["langfast_runs_in_flight"] == 0


def test_the_service_answers_before_the_pool_is_full(upstream: EmulatorProcess) -> None:
    upstream.faults(sign_up={"hang": 1.5, "status": 200, "times": 1})
    with running_gateway(upstream, ready=False) as gateway:
        assert gateway.get("/healthz").status_code == 200
        assert gateway.get("/readyz").status_code == 503
        assert gateway.get("/v1/models").status_code == 200
        assert said(post(gateway, "patience")) == "patience"


def test_without_job_ids_an_account_carries_one_run_at_a_time() -> None:
    with (
        running_emulator("--interval", "0.01", "--no-job-ids") as upstream,
        running_gateway(upstream, MIN_CREDENTIALS=3, MAX_CREDENTIALS=3) as gateway,
    ):
        texts = [f"number {number} " * 4 for number in range(24)]
        with ThreadPoolExecutor(12) as callers:
            answers = list(
                callers.map(lambda text: read_stream(post(gateway, text, stream=True)).text, texts)
            )
        assert answers == texts
        assert upstream.stats()["runs_max_per_user"] == 1


def test_without_job_ids_an_abandoned_run_is_never_heard_by_the_next_caller() -> None:
    with (
        running_emulator("--no-job-ids") as upstream,
        running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway,
    ):
        for number in range(3):
            left = post(gateway, steer("old " * 30, interval=0.05, chunks=30), stream=True)
            next(left.iter_content(10))
            left.close()
            assert said(post(gateway, f"new {number}")) == f"new {number}"


def test_an_account_of_ones_own_replaces_sign_ups(upstream: EmulatorProcess) -> None:
    with running_gateway(
        upstream,
        UPSTREAM_EMAIL="demo@example.com",
        UPSTREAM_PASSWORD="demo-password",
        MAX_CREDENTIALS=0,
    ) as gateway:
        with ThreadPoolExecutor(8) as callers:
            answers = list(callers.map(lambda n: said(post(gateway, f"n {n}")), range(16)))
        assert answers == [f"n {number}" for number in range(16)]
        upstream.expire_tokens()
        assert said(post(gateway, "refreshed")) == "refreshed"
        stats = upstream.stats()
        assert (stats["sign_ups"], stats["password_sign_ins"]) == (0, 1)
        # Known no more: signed in again, never signed up.
        upstream.revoke_tokens()
        upstream.expire_tokens()
        post(gateway, "x")
        wait_for(lambda: upstream.stats()["password_sign_ins"] == 2, "a new session")
        wait_for(lambda: post(gateway, "x").status_code == 200, "service")
        assert upstream.stats()["sign_ups"] == 0


def test_a_refresh_token_of_ones_own_serves_as_an_account(upstream: EmulatorProcess) -> None:
    answer = requests.post(
        f"{upstream.url}/auth/v1/token?grant_type=password",
        json={"email": "demo@example.com", "password": "demo-password"},
        headers={"apikey": upstream.anon_key},
        timeout=5,
    )
    token = answer.json()["refresh_token"]
    with running_gateway(upstream, UPSTREAM_REFRESH_TOKEN=token) as gateway:
        assert said(post(gateway, "x")) == "x"
        # Tokens rotate: a worker that replaces another goes on with the newest.
        os.kill(gateway.worker_pids()[0], signal.SIGKILL)
        wait_for(lambda: len(gateway.worker_pids()) == 2, "a new worker")
        wait_for(lambda: gateway.get("/readyz").status_code == 200, "its account")
        gateway.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(gateway.worker_pids()) == 3, "another worker")
        wait_for(lambda: gateway.chat("y").status_code == 200, "service")
        assert upstream.stats()["sign_ups"] == 0
        assert token not in gateway.log()


def test_sockets_are_replaced_before_they_grow_old(upstream: EmulatorProcess) -> None:
    with running_gateway(
        upstream, MIN_CREDENTIALS=2, MAX_CREDENTIALS=2, SOCKET_MAX_AGE=1
    ) as gateway:
        text = "w " * 80
        content = steer(text, chunks=80, interval=0.05)
        assert read_stream(post(gateway, content, stream=True)).text == text
        stats = upstream.stats()
        assert stats["connects"] >= 4  # two at first, and each was replaced
        wait_for(lambda: gateway.metrics()["langfast_sockets"] <= 3, "old sockets to be closed")


def test_a_remote_emulator_is_recognised_by_its_answers(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=1, ready=False) as gateway:
        # The very first request may name a model that only the emulator knows.
        body = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}
        answer = requests.post(f"{gateway.api}/chat/completions", json=body, timeout=20).json()
        assert answer["system_fingerprint"] == "emulator"
        ids = [model["id"] for model in gateway.get("/v1/models").json()["data"]]
        assert "error-midstream" in ids


def test_unknown_upstream_events_are_logged_at_debug_with_tokens_masked(
    upstream: EmulatorProcess,
) -> None:
    upstream.faults(sign_up={"status": 500, "message": "auth-words", "times": 1})
    with running_gateway(upstream, MIN_CREDENTIALS=1, LOG_LEVEL="debug") as gateway:
        post(gateway, steer("x", fault="unknown-event"))
        post(gateway, steer("x", fault="start-400", message="no because eyJhbGciOi.eyJzdWIi.c2ln"))
        for words in ("unknown event", "auth service answered 500", "start was answered 400"):
            wait_for(lambda words=words: words in gateway.log(), words)
        assert "no because ***" in gateway.log()
        assert "eyJ" not in gateway.log()


@pytest.mark.parametrize("fault", ["start-lost", "start-html", "drop-for-good"])
def test_without_job_ids_a_failed_run_is_never_heard_by_the_next_caller(fault: str) -> None:
    with (
        running_emulator("--no-job-ids") as upstream,
        running_gateway(
            upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, QUEUE_TIMEOUT=20
        ) as gateway,
    ):
        lost = steer("ALICE " * 20, interval=0.1, chunks=20, fault=fault, at=3, ran=True)
        assert post(gateway, lost).status_code >= 500
        answer = post(gateway, "bob")
        assert "ALICE" not in answer.text
        if answer.status_code == 200:
            assert said(answer) == "bob"


def test_callers_that_leave_during_the_start_do_not_lift_the_limit(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(
        upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, RUNS_PER_CREDENTIAL=3, QUEUE_TIMEOUT=1
    ) as gateway:
        assert said(post(gateway, "first")) == "first"
        upstream.faults(start={"hang": 3, "status": 200})
        for number in range(12):
            with contextlib.suppress(requests.ReadTimeout):
                body = {"messages": [{"role": "user", "content": f"n {number}"}]}
                requests.post(f"{gateway.api}/chat/completions", json=body, timeout=0.05)
        time.sleep(0.3)
        assert upstream.stats()["starts"] <= 1 + 3


def test_a_quota_that_rests_all_accounts_outlives_a_worker(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=2, MAX_CREDENTIALS=2) as gateway:
        wait_for(lambda: upstream.stats()["sign_ups"] == 2, "two accounts")
        for _ in range(2):
            assert post(gateway, steer("x", fault="start-402")).status_code == 429
        os.kill(gateway.worker_pids()[0], signal.SIGKILL)
        wait_for(lambda: len(gateway.worker_pids()) == 2, "a new worker")
        time.sleep(1.5)
        assert upstream.stats()["sign_ups"] == 2


def test_a_socket_that_is_cut_as_soon_as_it_is_let_in_is_not_asked_for_without_end() -> None:
    with (
        running_emulator("--socket-lifetime", "0.05") as upstream,
        running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, ready=False),
    ):
        time.sleep(4)
        assert upstream.stats()["connects"] < 12
