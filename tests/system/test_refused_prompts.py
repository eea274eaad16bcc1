"""Check 60: prompts that the upstream finds too long or filters, at the start and in a run."""

from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.stream import read_stream, steer

LENGTH = (
    "This model's maximum context length is 8 tokens. Please reduce the length of the messages."
)
SAID = [
    ({"code": "context_length_exceeded", "message": LENGTH}, "context_length_exceeded"),
    ({"code": "string_above_max_length", "message": "Too long."}, "context_length_exceeded"),
    ({"message": LENGTH}, "context_length_exceeded"),
    ({"code": "content_filter", "message": "Blocked."}, "content_filter"),
    ({"code": "content_policy_violation", "message": "No."}, "content_filter"),
    ({"message": "Refused as a result of our safety system."}, "content_filter"),
]


def check(answer: requests.Response, code: str, message: str) -> None:
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert answer.json()["error"] == {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": code,
    }


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [400, 413, 422, 500, 502])
@pytest.mark.parametrize(("said", "code"), SAID, ids=lambda value: str(value)[:50])
def test_60_a_start_that_is_refused_for_the_prompt(
    gateway: GatewayProcess, status: int, said: dict[str, str], code: str, stream: bool
) -> None:
    answer = gateway.chat(steer(fault=f"start-{status}", **said), stream=stream)
    check(answer, code, said["message"])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("said", "code"), SAID, ids=lambda value: str(value)[:50])
def test_60_a_run_that_fails_for_the_prompt_before_its_first_text(
    gateway: GatewayProcess, said: dict[str, str], code: str, stream: bool
) -> None:
    content = steer("never said", fault="fail", at=0, **said)
    check(gateway.chat(content, stream=stream), code, said["message"])
    body = {"prompt": content, "stream": stream}
    check(
        gateway.http.post(f"{gateway.api}/completions", json=body, timeout=60),
        code,
        said["message"],
    )


def test_60_a_run_that_is_filtered_behind_its_first_text_ends_with_that_error(
    gateway: GatewayProcess,
) -> None:
    said: dict[str, Any] = {"code": "content_filter", "message": "Blocked."}
    content = steer("one two three four", chunks=4, interval=0.1, fault="fail", at=2, **said)
    stream = read_stream(gateway.chat(content, stream=True))
    assert stream.text
    assert stream.error
    assert (stream.error["code"], stream.error["type"]) == (
        "content_filter",
        "invalid_request_error",
    )
    assert (stream.finish_reasons, stream.done) == ([], True)


def test_60_a_run_that_ends_filtered_says_so_as_its_reason(gateway: GatewayProcess) -> None:
    content = steer("cut", finish_reason="content_filter")
    assert gateway.chat(content).json()["choices"][0]["finish_reason"] == "content_filter"


def test_a_prompt_of_too_many_bytes_for_the_upstream_is_a_413(gateway: GatewayProcess) -> None:
    answer = gateway.chat(steer(fault="start-413", message="at most 1 MB"))
    assert answer.status_code == 413
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["code"] == "request_too_large"
    assert answer.json()["error"]["message"] == "at most 1 MB"


@pytest.mark.parametrize("fault", ["start-400", "fail"])
def test_60_the_sdk_does_not_try_again(
    gateway: GatewayProcess, emulator: EmulatorProcess, fault: str
) -> None:
    content = steer(fault=fault, at=0, code="context_length_exceeded", message=LENGTH)
    before = emulator.stats()["starts"]
    key = str(gateway.http.headers["Authorization"]).partition(" ")[2]
    with (
        OpenAI(base_url=gateway.api, api_key=key, max_retries=3) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": content}]
        )
    assert caught.value.code == "context_length_exceeded"
    assert emulator.stats()["starts"] == before + 1


def test_refused_prompts_speak_against_nobody(emulator: EmulatorProcess) -> None:
    """Twenty starts in a row that failed by the upstream's own fault would open the breaker."""
    with running_gateway(emulator, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as gateway:
        for number in range(25):
            said = {"code": "content_filter", "nonce": str(number)}
            assert gateway.chat(steer(fault="start-400", **said)).status_code == 400
        assert gateway.chat("still served?").status_code == 200
        outcomes = gateway.metrics()
        assert outcomes['langfast_runs_total{outcome="content_filter"}'] == 25
        assert outcomes["langfast_breaker_open"] == 0


def test_an_account_is_free_at_once_when_a_run_of_unknown_id_fails_for_its_prompt(
    emulator: EmulatorProcess,
) -> None:
    """Without job ids a run keeps its account until the upstream says its end; it just did."""
    sizes = {"MIN_CREDENTIALS": 1, "MAX_CREDENTIALS": 1, "QUEUE_TIMEOUT": 4}
    with running_gateway(emulator, **sizes) as gateway:  # type: ignore[arg-type]
        content = steer("x", fault=["no-jobs", "fail"], at=0, code="content_filter")
        assert gateway.chat(content).status_code == 400
        assert gateway.chat(steer("next", fault="no-jobs")).status_code == 200
