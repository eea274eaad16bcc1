"""The gateway behind deploy/haproxy.cfg: what a caller sees through a real HAProxy."""

import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests

from tests.support.front import FOREIGN
from tests.support.gateway import GatewayProcess, free_port, running_gateway, wait_for
from tests.support.haproxy import HaproxyProcess, needs_haproxy, running_haproxy
from tests.support.recorder import running_recorder
from tests.support.stream import steer

KEY = "a-key-for-the-tests-behind-haproxy"
PACED = steer("Ten words that arrive in ten chunks, one by one.", chunks=10, interval=0.1)


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    needs_haproxy()
    with running_gateway(API_MASTER_KEY=KEY) as running:
        running.http.headers["Authorization"] = f"Bearer {KEY}"
        yield running


@pytest.fixture(scope="module")
def haproxy(gateway: GatewayProcess) -> Iterator[HaproxyProcess]:
    with running_haproxy(gateway.port) as running:
        running.http.headers["Authorization"] = f"Bearer {KEY}"
        yield running


def client(haproxy: HaproxyProcess, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=haproxy.api, api_key=key, max_retries=0, timeout=30)


def asked(content: str = PACED) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]}


def error_of(response: requests.Response) -> dict[str, Any]:
    assert response.headers["Content-Type"] == "application/json"
    error = dict(response.json()["error"])
    assert sorted(error) == ["code", "message", "param", "type"]
    return error


def test_the_first_content_arrives_long_before_the_last(haproxy: HaproxyProcess) -> None:
    begun = time.monotonic()
    arrivals = [
        time.monotonic() - begun
        for chunk in client(haproxy).chat.completions.create(stream=True, **asked())
        if chunk.choices[0].delta.content
    ]
    assert len(arrivals) == 10
    assert arrivals[-1] >= 0.8
    assert arrivals[0] < arrivals[-1] / 2


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_is_whole(haproxy: HaproxyProcess, stream: bool) -> None:
    text = "Grüße, 世界 👩‍🚀! " * 4000
    question = asked(steer(text, chunks=50, interval=0))
    answer: Any = client(haproxy).chat.completions.create(stream=stream, **question)
    if stream:
        chunks = list(answer)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
        assert chunks[-1].choices[0].finish_reason == "stop"
    else:
        assert answer.choices[0].message.content == text


def test_a_worker_that_is_killed_in_mid_stream_makes_the_sdk_raise() -> None:
    needs_haproxy()
    with running_gateway() as gateway, running_haproxy(gateway.port) as haproxy:
        wait_for(gateway.worker_pids, "a worker")
        stream = client(haproxy).chat.completions.create(stream=True, **asked())
        seen = [next(stream) for _ in range(3)]
        os.kill(gateway.worker_pids()[-1], 9)
        with pytest.raises(openai.APIConnectionError):
            seen.extend(stream)
        assert all(chunk.choices[0].finish_reason is None for chunk in seen)


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_that_leaves_before_its_answer_is_gone_for_the_gateway_too(
    haproxy: HaproxyProcess, gateway: GatewayProcess, stream: bool
) -> None:
    body = json.dumps({"stream": stream, **asked(steer("late", delay=20))}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", haproxy.port)) as caller:
        caller.sendall(head.encode() + body)
        wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 1, "the run")
    wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "its end", 5)


def test_without_a_gateway_there_is_a_503_in_json() -> None:
    with running_haproxy(free_port()) as haproxy:
        response = haproxy.http.post(f"{haproxy.api}/chat/completions", json=asked(), timeout=30)
    assert response.status_code == 503
    assert error_of(response)["code"] == "proxy_unavailable"
    assert response.headers["Retry-After"] == "2"


def test_an_instance_that_is_away_is_passed_over(gateway: GatewayProcess) -> None:
    with running_haproxy(free_port(), gateway.port) as haproxy:
        key = {"Authorization": f"Bearer {KEY}"}
        answers = [
            haproxy.http.get(f"{haproxy.api}/models", headers=key, timeout=30) for _ in range(20)
        ]
    assert {answer.status_code for answer in answers} == {200}


def test_the_gateways_own_errors_pass_as_they_are(haproxy: HaproxyProcess) -> None:
    with pytest.raises(openai.AuthenticationError):
        client(haproxy, "another key").models.list()
    with pytest.raises(openai.NotFoundError) as unknown:
        client(haproxy).chat.completions.create(**(asked() | {"model": "no-such-model"}))
    assert unknown.value.code == "model_not_found"


def test_a_gateway_that_is_not_ready_tells_its_own_reason() -> None:
    with (
        running_gateway(ready=False, SIGNUPS_PER_HOUR=0, QUEUE_TIMEOUT=0.3) as gateway,
        running_haproxy(gateway.port) as haproxy,
    ):
        url = f"{haproxy.api}/chat/completions"
        wait_for(lambda: "app1 is DOWN" in haproxy.log(), "the health check to fail")
        response = haproxy.http.post(url, json=asked(), timeout=30)
    assert response.status_code == 503
    assert error_of(response)["code"] == "no_credentials_available"


def test_the_request_id_passes_both_ways(haproxy: HaproxyProcess, gateway: GatewayProcess) -> None:
    said = {"X-Request-ID": "call-42"}
    response = haproxy.http.get(f"{haproxy.api}/models", headers=said, timeout=30)
    assert response.headers["x-request-id"] == "call-42"
    wait_for(lambda: " call-42 " in gateway.log(), "the gateway's access log")
    wait_for(lambda: " id call-42" in haproxy.log(), "HAProxy's log")


def test_a_request_id_that_is_no_plain_word_is_replaced(haproxy: HaproxyProcess) -> None:
    said = {"X-Request-ID": 'x" 200 forged'}
    response = haproxy.http.get(f"{haproxy.api}/models", headers=said, timeout=30)
    assert response.headers["x-request-id"].replace("-", "").isalnum()


def test_the_gateway_is_told_what_haproxy_itself_knows() -> None:
    with running_recorder() as recorder, running_haproxy(recorder.port) as haproxy:
        haproxy.http.get(f"{haproxy.url}/v1/models?a=b", headers=FOREIGN, timeout=30)
        line, headers = next(
            one for one in reversed(recorder.requests) if not one[0].startswith("GET /readyz")
        )
    told = {name.lower(): value for name, value in headers}
    assert line == "GET /v1/models?a=b HTTP/1.1"
    assert {name: told.get(name.lower()) for name in FOREIGN} == {
        "Forwarded": None,
        "Via": None,
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": f"127.0.0.1:{haproxy.port}",
        "X-Forwarded-Port": str(haproxy.port),
        "X-Forwarded-Prefix": None,
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Protocol": None,
        "X-Forwarded-Ssl": None,
        "X-Real-IP": "127.0.0.1",
    }


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6detrics", "/v1/../metrics?a=b"])
def test_metrics_are_not_public(
    haproxy: HaproxyProcess, gateway: GatewayProcess, path: str
) -> None:
    assert gateway.get("/metrics").status_code == 200
    request = haproxy.http.prepare_request(requests.Request("GET", haproxy.url))
    request.url = haproxy.url + path  # as it is: not put in order by the client
    response = haproxy.http.send(request, timeout=30)
    assert response.status_code == 404
    assert error_of(response)["type"] == "invalid_request_error"


def test_the_log_holds_no_query(haproxy: HaproxyProcess) -> None:
    haproxy.http.get(f"{haproxy.api}/models?api_key=canary-in-a-query", timeout=30)
    wait_for(lambda: '"GET /v1/models HTTP/1.1" 200' in haproxy.log(), "the log")
    assert "canary" not in haproxy.log()
