"""The gateway behind deploy/nginx.conf: what a caller sees through a real nginx."""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests

from tests.support import front
from tests.support.gateway import GatewayProcess, free_port, running_gateway, wait_for
from tests.support.nginx import NginxProcess, needs_nginx, running_nginx
from tests.support.recorder import running_recorder

KEY = "a-key-for-the-tests-behind-nginx"
LIMIT = 10 * 1024 * 1024
TEXT = "Ten words that arrive in ten chunks, one by one."
PACED = json.dumps({"text": TEXT, "chunks": 10, "interval": 0.1})
FOREIGN = {
    "Script-Name": "/elsewhere",
    "SCRIPT_NAME": "/elsewhere",
    "PATH_INFO": "/elsewhere",
    **front.FOREIGN,
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    needs_nginx()
    with running_gateway(API_MASTER_KEY=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def nginx(gateway: GatewayProcess) -> Iterator[NginxProcess]:
    with running_nginx(gateway.port) as running:
        yield running


def client(nginx: NginxProcess, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=nginx.api, api_key=key, max_retries=0, timeout=30)


def asked(content: str = PACED) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}]}


def post(
    nginx: NginxProcess, headers: dict[str, str] | None = None, **body: Any
) -> requests.Response:
    return nginx.http.post(
        f"{nginx.api}/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {KEY}", **(headers or {})},
        stream=bool(body.get("stream")),
        timeout=30,
    )


def error_of(response: requests.Response) -> dict[str, Any]:
    assert response.headers["Content-Type"] == "application/json"
    error = dict(response.json()["error"])
    assert sorted(error) == ["code", "message", "param", "type"]
    return error


def test_the_first_content_arrives_long_before_the_last(nginx: NginxProcess) -> None:
    begun = time.monotonic()
    arrivals = [
        time.monotonic() - begun
        for chunk in client(nginx).chat.completions.create(stream=True, **asked())
        if chunk.choices[0].delta.content
    ]
    assert len(arrivals) == 10
    assert arrivals[-1] >= 0.8
    assert arrivals[0] < arrivals[-1] / 2


def test_a_caller_that_takes_gzip_gets_events_one_by_one(nginx: NginxProcess) -> None:
    begun = time.monotonic()
    headers = {"Accept-Encoding": "gzip"}
    with post(nginx, headers, stream=True, **asked()) as response:
        assert "Content-Encoding" not in response.headers
        arrivals = [
            time.monotonic() - begun
            for line in response.iter_lines(chunk_size=1)
            if line.startswith(b"data: {")
        ]
    assert arrivals[-1] >= 0.8
    assert sum(when < arrivals[-1] / 2 for when in arrivals) >= 3


def test_a_streamed_answer_is_whole(nginx: NginxProcess) -> None:
    text = "Grüße, 世界 👩‍🚀! " * 4000
    steering = json.dumps({"text": text, "chunks": 50, "interval": 0})
    stream = client(nginx).chat.completions.create(stream=True, **asked(steering))
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_an_answer_in_one_piece_is_whole(nginx: NginxProcess) -> None:
    text = "Grüße, 世界 👩‍🚀! " * 4000
    steering = json.dumps({"text": text, "chunks": 50, "interval": 0})
    answer = client(nginx).chat.completions.create(**asked(steering))
    assert answer.choices[0].message.content == text


def test_a_large_question_arrives_whole(nginx: NginxProcess) -> None:
    question = "word " * 600_000  # more than nginx keeps in memory
    system = {"role": "system", "content": question}
    answer = client(nginx).chat.completions.create(
        model="gpt-4o-mini",
        messages=[system, {"role": "user", "content": json.dumps({"text": "Yes.", "chunks": 1})}],
    )
    assert answer.choices[0].message.content == "Yes."
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 600_000


def test_a_worker_that_is_killed_in_mid_stream_makes_the_sdk_raise() -> None:
    needs_nginx()
    with running_gateway() as gateway, running_nginx(gateway.port) as nginx:
        wait_for(gateway.worker_pids, "a worker")
        stream = client(nginx).chat.completions.create(stream=True, **asked())
        seen = [next(stream) for _ in range(3)]
        os.kill(gateway.worker_pids()[-1], 9)
        with pytest.raises(openai.APIConnectionError):
            seen.extend(stream)
        assert all(chunk.choices[0].finish_reason is None for chunk in seen)


def test_a_body_over_the_limit_gets_a_413_in_json(nginx: NginxProcess) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client(nginx).chat.completions.create(**asked("x" * LIMIT))
    assert refused.value.status_code == 413
    assert error_of_sdk(refused.value)["code"] == "request_too_large"


def test_a_body_over_the_limit_in_chunks_gets_a_413_in_json(nginx: NginxProcess) -> None:
    response = nginx.http.post(
        f"{nginx.api}/chat/completions", data=(b"x" * 65536 for _ in range(161)), timeout=30
    )
    assert response.status_code == 413
    assert error_of(response)["code"] == "request_too_large"


def test_a_body_in_chunks_arrives(nginx: NginxProcess) -> None:
    body = json.dumps(asked("in chunks") | {"model": "echo"}).encode()
    response = nginx.http.post(
        f"{nginx.api}/chat/completions",
        data=(body[at : at + 7] for at in range(0, len(body), 7)),
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=30,
    )
    assert response.json()["choices"][0]["message"]["content"] == "in chunks"


def test_without_a_gateway_there_is_a_502_in_json() -> None:
    with running_nginx(free_port()) as nginx:
        with pytest.raises(openai.InternalServerError) as refused:
            client(nginx).chat.completions.create(**asked())
        response = post(nginx, {"X-Request-ID": "call-17"}, **asked())
    assert refused.value.status_code == 502
    assert error_of_sdk(refused.value)["code"] == "proxy_bad_gateway"
    assert error_of(response)["type"] == "server_error"
    assert response.headers["X-Request-ID"] == "call-17"
    assert response.headers["Retry-After"] == "2"


def test_the_gateways_own_errors_pass_as_they_are(nginx: NginxProcess) -> None:
    with pytest.raises(openai.AuthenticationError):
        client(nginx, "another key").models.list()
    with pytest.raises(openai.NotFoundError) as unknown:
        client(nginx).chat.completions.create(**(asked() | {"model": "no-such-model"}))
    assert error_of_sdk(unknown.value)["code"] == "model_not_found"


def error_of_sdk(error: openai.APIStatusError) -> dict[str, Any]:
    assert isinstance(error.body, dict)
    assert sorted(error.body) == ["code", "message", "param", "type"]
    return error.body


def test_the_request_id_passes_both_ways(nginx: NginxProcess, gateway: GatewayProcess) -> None:
    response = post(nginx, {"X-Request-ID": "call-42"}, **asked("hi"))
    assert response.headers["x-request-id"] == "call-42"
    wait_for(lambda: " call-42 " in gateway.log(), "the gateway's access log")
    wait_for(lambda: " id call-42 " in nginx.access_log(), "nginx's access log")


def test_a_request_id_that_is_no_plain_word_is_replaced(nginx: NginxProcess) -> None:
    response = post(nginx, {"X-Request-ID": 'x" 200 forged'}, **asked("hi"))
    assert response.headers["x-request-id"].isalnum()


def test_what_a_caller_says_about_itself_changes_nothing(nginx: NginxProcess) -> None:
    plain, foreign = post(nginx, **asked("hi")), post(nginx, FOREIGN, **asked("hi"))
    assert foreign.status_code == plain.status_code == 200
    content = [one.json()["choices"][0]["message"]["content"] for one in (plain, foreign)]
    assert content[0] == content[1]
    assert not foreign.history


def test_the_gateway_is_told_what_nginx_itself_knows() -> None:
    with running_recorder() as recorder, running_nginx(recorder.port) as nginx:
        nginx.http.get(f"{nginx.url}/v1/models?a=b", headers=FOREIGN, timeout=30)
        line, headers = recorder.requests[-1]
        told = {name.lower(): value for name, value in headers if name.lower() != "user-agent"}
        request_id = told.pop("x-request-id")
    assert line == "GET /v1/models?a=b HTTP/1.1"
    assert request_id.isalnum()
    assert told == {
        "host": "127.0.0.1",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "script-name": "/elsewhere",  # a header like any other: no server reads it
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "127.0.0.1",
        "x-forwarded-port": str(nginx.port),
        "x-forwarded-proto": "http",
        "x-real-ip": "127.0.0.1",
    }


def test_connections_to_the_gateway_are_used_again() -> None:
    with running_recorder() as recorder, running_nginx(recorder.port) as nginx:
        recorder.callers.clear()
        for _ in range(5):
            nginx.http.get(f"{nginx.url}/v1/models", timeout=30)
    assert len(recorder.callers) == 5
    assert len(set(recorder.callers)) == 1


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6detrics", "/v1/../metrics?a=b"])
def test_metrics_are_not_public(nginx: NginxProcess, gateway: GatewayProcess, path: str) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    assert gateway.get("/metrics", headers=key).status_code == 200
    request = nginx.http.prepare_request(requests.Request("GET", nginx.url, headers=key))
    request.url = nginx.url + path  # as it is: not put in order by the client
    response = nginx.http.send(request, timeout=30)
    assert response.status_code == 404
    assert error_of(response)["type"] == "invalid_request_error"


def test_the_access_log_holds_no_query(nginx: NginxProcess) -> None:
    nginx.http.get(f"{nginx.api}/models?api_key=canary-in-a-query", timeout=30)
    wait_for(lambda: '"GET /v1/models HTTP/1.1" 401' in nginx.access_log(), "the access log")
    assert "canary" not in nginx.access_log()


def test_health_is_public(nginx: NginxProcess) -> None:
    for path in ("/healthz", "/readyz"):
        assert nginx.http.get(nginx.url + path, timeout=30).status_code == 200


def test_the_server_does_not_tell_its_version(nginx: NginxProcess) -> None:
    assert nginx.http.get(f"{nginx.url}/healthz", timeout=30).headers["Server"] == "nginx"
