"""Check 5: what answers tell of how many more runs would be taken, against a real gunicorn."""

import re
from typing import Any

import pytest
import requests
from openai import OpenAI

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import read_stream, steer

NAMES = ("limit", "remaining", "reset")
DURATION = re.compile(r"(\d+m)?\d+s")


def told(answer: Any) -> tuple[int, int, str]:
    limit, remaining, reset = (answer.headers[f"x-ratelimit-{one}-requests"] for one in NAMES)
    assert DURATION.fullmatch(reset)
    return int(limit), int(remaining), reset


def complete(gateway: GatewayProcess, prompt: str) -> requests.Response:
    return gateway.http.post(f"{gateway.api}/completions", json={"prompt": prompt}, timeout=60)


def test_5_answers_of_runs_tell_the_gate_of_their_worker(gateway: GatewayProcess) -> None:
    for answer in (gateway.chat(), complete(gateway, "hi")):
        assert told(answer) == (500, 500, "0s"), "the run has ended when its answer leaves"
    stream = gateway.chat(steer("word " * 50, chunks=50, interval=0.05), stream=True)
    limit, remaining, reset = told(stream)
    assert (limit, remaining) == (500, 499)
    assert reset != "0s"
    read_stream(stream)


def test_5_the_sdk_shows_them(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=messages)
    assert raw.headers["x-ratelimit-remaining-requests"].isdigit()


@pytest.mark.parametrize("fields", [{"n": 0}, {"model": "nope"}, {"model": "error-429"}])
def test_5_refusals_have_no_such_figures(gateway: GatewayProcess, fields: dict[str, Any]) -> None:
    answer = gateway.chat(**fields)
    assert answer.status_code in (400, 404, 429)
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]
    assert not [name for name in gateway.get("/v1/models").headers if "ratelimit" in name.lower()]


def test_5_what_remains_is_what_is_taken_and_no_more(emulator: EmulatorProcess) -> None:
    with running_gateway(emulator, MIN_CREDENTIALS=1, MAX_RUNS=3) as gateway:
        content = steer("word " * 200, chunks=200, interval=0.05)
        streams = [gateway.chat(content, stream=True) for _ in range(3)]
        assert [told(stream)[:2] for stream in streams] == [(3, 2), (3, 1), (3, 0)]
        refused = gateway.chat()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many_runs")
        for stream in streams:
            stream.close()
        wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "the runs to end")
        assert told(gateway.chat()) == (3, 3, "0s")
