"""What callers see when the upstream fails, and what the upstream sees of us then."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import Stream, read_stream, steer

TEXT = "Ein längerer Text mit 😀 und mehr, der in vielen Stücken kommt."


@pytest.fixture
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.01") as process:
        yield process


@pytest.fixture
def gateway(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(
        upstream,
        MIN_CREDENTIALS=2,
        MAX_CREDENTIALS=2,
        RUN_IDLE_TIMEOUT=1,
        START_TIMEOUT=1.5,
        QUEUE_TIMEOUT=2,
    ) as process:
        wait_for(
            lambda: process.get("/readyz").json()["langfast"]["credentials"]["ready"] == 2, "2"
        )
        upstream.forget()
        yield process


def stream_of(gateway: GatewayProcess, content: str, **fields: Any) -> Stream:
    return read_stream(gateway.chat(content, stream=True, **fields))


def error_of(response: requests.Response) -> dict[str, Any]:
    return dict(response.json()["error"])


def test_b1_a_refused_token_is_refreshed_and_the_caller_sees_nothing(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    upstream.expire_tokens()
    assert stream_of(gateway, TEXT).text == TEXT
    stats = upstream.stats()
    assert (stats["refreshes"], stats["sign_ups"]) == (1, 0)
    assert stats["starts"] == 2


def test_b2_a_token_refused_again_is_a_502_and_never_a_401(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    upstream.faults(start={"status": 401})
    response = gateway.chat()
    assert response.status_code == 502
    assert error_of(response)["code"] == "upstream_auth_error"
    assert response.headers["x-should-retry"] == "false"
    stats = upstream.stats()
    assert (stats["starts"], stats["refreshes"], stats["sign_ups"]) == (2, 1, 0)


def test_b5_a_429_is_passed_on_with_its_retry_after_and_no_other_account_is_tried(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    response = gateway.chat(steer("x", fault="start-429", retry_after=7))
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert error_of(response)["code"] == "rate_limit_exceeded"
    assert upstream.stats()["starts"] == 1
    # The other account still serves; when it rests as well, callers hear so at once.
    assert gateway.chat("fine").status_code == 200
    gateway.chat(steer("x", fault="start-429", retry_after=3))
    began = time.monotonic()
    response = gateway.chat("fine")
    assert response.status_code == 429
    assert response.headers["retry-after"] in ("2", "3")
    assert time.monotonic() - began < 0.5
    stats = upstream.stats()
    assert stats["sign_ups"] == 0
    assert stats["starts"] == 3
    wait_for(lambda: gateway.chat("fine").status_code == 200, "the account to have rested", 5)


def test_b4_a_quota_answer_is_final_and_never_answered_with_a_new_account(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    for _ in range(2):
        response = gateway.chat(steer("x", fault="start-402"))
        assert response.status_code == 429
        assert error_of(response)["type"] == error_of(response)["code"] == "insufficient_quota"
        assert "retry-after" not in response.headers
        assert response.headers["x-should-retry"] == "false"
    assert error_of(gateway.chat("fine"))["code"] == "insufficient_quota"
    time.sleep(1.5)  # a keeper that wanted a way around would have found it by now
    assert upstream.stats()["sign_ups"] == 0


@pytest.mark.parametrize(
    ("status", "answered", "code"),
    [
        (500, 502, "upstream_error"),
        (502, 502, "upstream_error"),
        (503, 503, "upstream_unavailable"),
    ],
)
def test_b8_b9_a_failed_start_is_tried_once_more_with_the_same_run_id(
    gateway: GatewayProcess, upstream: EmulatorProcess, status: int, answered: int, code: str
) -> None:
    upstream.faults(start={"status": status, "times": 1})
    assert gateway.chat("second try").status_code == 200
    assert upstream.stats()["starts"] == 2
    upstream.faults(start={"status": status})
    response = gateway.chat("no luck")
    assert (response.status_code, error_of(response)["code"]) == (answered, code)
    assert upstream.stats()["starts"] == 4


def test_b6_a_refused_prompt_is_a_400_in_the_upstreams_words(gateway: GatewayProcess) -> None:
    response = gateway.chat(model="error-400")
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"
    assert error_of(response)["message"]


def test_b10_a_start_that_hangs_is_a_504_in_time(gateway: GatewayProcess) -> None:
    began = time.monotonic()
    response = gateway.chat(steer("x", fault="start-hang", seconds=10))
    assert (response.status_code, error_of(response)["code"]) == (504, "upstream_timeout")
    assert 1.4 < time.monotonic() - began < 1.9
    assert gateway.chat("fine").status_code == 200


def test_c1_an_upstream_that_is_away_is_a_503_with_retry_after(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    upstream.stop()
    response = gateway.chat("x")
    assert response.status_code in (502, 503)
    assert "supabase" not in response.text.lower()
    assert str(upstream.info["url"]) not in response.text
    assert gateway.get("/healthz").status_code == 200


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize("fault", ["drop", "kick"])
def test_c5_c6_c8_a_lost_socket_is_replaced_and_the_run_goes_on(
    gateway: GatewayProcess, upstream: EmulatorProcess, fault: str, at: int
) -> None:
    content = steer(TEXT, chunks=8, interval=0.03, fault=fault, at=at)
    stream = stream_of(gateway, content)
    assert (stream.text, stream.finish_reasons, stream.error) == (TEXT, ["stop"], None)
    assert gateway.chat(content).json()["choices"][0]["message"]["content"] == TEXT
    assert upstream.stats()["connects"] >= 2
    assert upstream.stats()["starts"] == 2


def test_c6_a_socket_that_cannot_be_replaced_ends_the_stream_with_an_error(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    upstream.faults(connect={"refuse": True, "message": "no"})
    stream = stream_of(gateway, steer(TEXT, chunks=8, interval=0.05, fault="drop", at=3))
    assert stream.text
    assert TEXT.startswith(stream.text)
    assert stream.error
    assert stream.error["code"] == "upstream_disconnected"
    assert stream.finish_reasons == []


def test_c5_a_run_lost_for_good_fails_after_the_grace(gateway: GatewayProcess) -> None:
    began = time.monotonic()
    response = gateway.chat(steer(TEXT, chunks=8, fault="drop-for-good", at=0, interval=0.2))
    assert (response.status_code, error_of(response)["code"]) in (
        (502, "upstream_disconnected"),
        (504, "upstream_timeout"),  # the idle limit of these tests is below the grace
    )
    assert time.monotonic() - began < 7


def test_c26_silence_is_a_504_before_and_an_error_event_behind_the_first_text(
    gateway: GatewayProcess,
) -> None:
    response = gateway.chat(steer(TEXT, chunks=8, fault="silent", at=0), stream=True)
    assert (response.status_code, error_of(response)["code"]) == (504, "upstream_timeout")
    began = time.monotonic()
    stream = stream_of(gateway, steer(TEXT, chunks=8, fault="silent", at=2))
    assert 0.9 < time.monotonic() - began < 1.6
    assert stream.error
    assert stream.error["code"] == "upstream_timeout"
    assert stream.finish_reasons == []


def test_c24_a_failed_run_is_a_502_or_an_error_event(gateway: GatewayProcess) -> None:
    response = gateway.chat(steer(TEXT, fault="fail", at=0), stream=True)
    assert (response.status_code, error_of(response)["code"]) == (502, "upstream_run_failed")


def test_all_sockets_lost_at_once_under_load_lose_nothing(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    texts = [f"{number}: {TEXT}" for number in range(12)]

    def one(text: str) -> str:
        return stream_of(gateway, steer(text, chunks=20, interval=0.05)).text

    with ThreadPoolExecutor(12) as callers:
        answers = callers.map(one, texts)
        time.sleep(0.4)
        upstream.drop_sockets()
        time.sleep(0.3)
        upstream.drop_sockets("kick")
        assert list(answers) == texts


def test_a14_an_account_that_is_known_no_more_is_replaced(
    gateway: GatewayProcess, upstream: EmulatorProcess
) -> None:
    upstream.revoke_tokens()
    upstream.expire_tokens()
    for _ in range(2):
        gateway.chat("x")
    wait_for(lambda: upstream.stats()["sign_ups"] == 2, "two new accounts")
    wait_for(lambda: gateway.chat("x").status_code == 200, "service to be back")


def test_a12_tokens_are_refreshed_ahead_of_their_expiry() -> None:
    with (
        running_emulator("--token-lifetime", "8") as upstream,
        running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway,
    ):
        until = time.monotonic() + 11.5
        while time.monotonic() < until:
            assert gateway.chat("x").status_code == 200
            time.sleep(0.2)
        stats = upstream.stats()
        assert stats["sign_ups"] == 1
        assert stats["refreshes"] == 2  # at most one in five seconds
        assert gateway.metrics().get('langfast_starts_total{result="upstream_auth_error"}', 0) == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 422, "code": "anonymous_provider_disabled"}, "upstream_signup_disabled"),
        ({"status": 400, "code": "captcha_failed"}, "upstream_captcha_required"),
        ({"status": 401, "code": "no_api_key"}, "upstream_misconfigured"),
    ],
)
def test_a6_to_a8_a_refused_sign_up_is_told_and_not_tried_again(
    upstream: EmulatorProcess, fault: dict[str, Any], code: str
) -> None:
    upstream.faults(sign_up=fault)
    with running_gateway(upstream, ready=False) as gateway:
        wait_for(lambda: code in gateway.log(), "the refusal in the log")
        response = gateway.chat("x")
        assert (response.status_code, error_of(response)["code"]) == (503, code)
        assert response.headers["x-should-retry"] == "false"
        assert gateway.get("/readyz").status_code == 503
        assert gateway.get("/healthz").status_code == 200
        time.sleep(2)
        assert upstream.stats()["sign_ups_refused"] == 1


def test_a2_a_sign_up_limit_is_waited_out_and_never_rushed(upstream: EmulatorProcess) -> None:
    upstream.faults(sign_up={"status": 429, "code": "over_request_rate_limit"})
    with running_gateway(upstream, ready=False, QUEUE_TIMEOUT=1) as gateway:
        response = gateway.chat("x")
        assert response.status_code == 503
        assert error_of(response)["code"] == "no_credentials_available"
        assert int(response.headers["retry-after"]) >= 1
        assert upstream.stats()["sign_ups_refused"] == 1


@pytest.mark.parametrize("body", ["html", "empty", "truncated"])
def test_a5_a_malformed_session_is_refused_and_tried_again(
    upstream: EmulatorProcess, body: str
) -> None:
    upstream.faults(sign_up={"status": 200, "body": body, "times": 2})
    with running_gateway(upstream, MIN_CREDENTIALS=1) as gateway:
        assert gateway.chat("x").status_code == 200
        bad = gateway.metrics()['langfast_sign_ups_total{result="upstream_bad_response"}']
        assert bad == 2


def test_the_last_chunk_is_never_lost() -> None:
    """400 runs that end in the same instant as they start, 20 at a time, all whole."""
    with running_emulator("--interval", "0") as upstream, running_gateway(upstream) as gateway:
        texts = [f"run {number} 😀 " * 6 for number in range(400)]
        local = threading.local()

        def one(text: str) -> tuple[str, list[str]]:
            if not hasattr(local, "http"):
                local.http = requests.Session()
            body = {
                "stream": True,
                "messages": [{"role": "user", "content": steer(text, interval=0, fault="early")}],
            }
            response = local.http.post(
                f"{gateway.api}/chat/completions", json=body, stream=True, timeout=30
            )
            stream = read_stream(response)
            assert stream.error is None, json.dumps(stream.error)
            return stream.text, stream.finish_reasons

        with ThreadPoolExecutor(20) as callers:
            answers = list(callers.map(one, texts))
        assert answers == [(text, ["stop"]) for text in texts]
