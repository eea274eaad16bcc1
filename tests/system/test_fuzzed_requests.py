"""Requests that nobody would write, made from the gateway's own document and from bytes.

Whatever is sent: no 5xx, the answer keeps to the document, the worker is the same afterwards and
serves the next good request. 300 examples in the suite, the same ones each time; FUZZ=long makes
10,100 new ones (about ten minutes).
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.emulator import running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.openapi import Document

LONG = os.environ.get("FUZZ") == "long"
KEY = "fuzzing-key-1"
CHAT = "/v1/chat/completions"
MODES = {
    "what_is_allowed": GenerationMode.POSITIVE,
    "what_makes_sense": GenerationMode.POSITIVE,
    "what_is_forbidden": GenerationMode.NEGATIVE,
}
# The emulator says again what it was told, which is seldom a call or JSON of a schema.
DISOBEYED = ("upstream_no_tool_call", "upstream_invalid_json")
JUDGES = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
]

pytestmark = pytest.mark.timeout(3600 if LONG else 180)


def examples(quick: int, long: int) -> settings:
    return settings(
        max_examples=long if LONG else quick,
        derandomize=not LONG,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Target:
    """What is shot at, and by which document it is judged."""

    gateway: GatewayProcess
    told: Document
    schema: schemathesis.BaseSchema

    def send(self, case: Case, **headers: str) -> requests.Response:
        """A case of Schemathesis, judged by it and by us."""
        request = case.as_transport_kwargs(base_url=self.gateway.url)
        request["headers"] = {**request["headers"], **headers}
        answer = self.gateway.http.request(**request, timeout=60)
        try:
            self.judge(case.method, case.path, answer)
        except AssertionError as error:
            error.add_note(f"sent: {case!r}\nlogged: {self.gateway.log()[-2000:]}")
            raise
        judges = JUDGES
        if "event-stream" not in answer.headers["content-type"]:
            judges = [*JUDGES, response_schema_conformance]
        case.validate_response(answer, checks=judges)
        return answer

    def judge(self, method: str, path: str, answer: requests.Response) -> None:
        """2xx or 4xx, as the document says. A model that does not obey is no fault of anybody's."""
        has_failed = not (200 <= answer.status_code < 300 or 400 <= answer.status_code < 500)
        assert not has_failed or answer.json()["error"]["code"] in DISOBEYED, answer.text
        self.told.check(method, path, answer)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Any model is passed on, so that much of what is allowed becomes a run."""
    with (
        running_emulator("--interval", "0") as emulator,
        running_gateway(
            emulator, API_MASTER_KEY=KEY, ALLOW_UNKNOWN_MODELS=1, REASK_BUDGET=0
        ) as gateway,
    ):
        gateway.http.headers["Authorization"] = f"Bearer {KEY}"
        document = gateway.get("/openapi.json").json()
        yield Target(gateway, Document(document), schemathesis.openapi.from_dict(document))


@pytest.fixture(autouse=True)
def unharmed(target: Target) -> Iterator[None]:
    """The same worker before and after, with nothing left over, and well."""
    workers = target.gateway.worker_pids()
    yield
    assert target.gateway.worker_pids() == workers
    assert len(workers) == 1
    good = target.gateway.chat("still well?")
    assert good.json()["choices"][0]["message"]["content"] == "still well?"
    wait_for(lambda: is_at_rest(target.gateway), "no run to be left over")


def sensible(body: Any) -> Any:
    """What the schema allows, without what breaks rules that no schema can tell."""
    dropped = ["metadata", "logprobs", "top_logprobs", "modalities", "audio", "web_search_options"]
    dropped += ["moderation"] if body.get("stream") else ["moderation", "stream_options"]
    kept = {name: value for name, value in body.items() if name not in dropped}
    kept["n"] = min(body.get("n") or 1, 2)
    messages = [{**one, "role": one["role"].replace("tool", "user")} for one in body["messages"]]
    for one in messages:
        if isinstance(one.get("content"), list):
            parts = (part for part in one["content"] if part["type"] in ("text", "refusal"))
            one["content"] = [*parts, {"type": "text", "text": "json"}]
    return {**kept, "messages": messages}


def is_at_rest(gateway: GatewayProcess) -> bool:
    ready = gateway.get("/readyz").json()
    taken = ready["runs_in_flight"] + ready["langfast"]["credentials"]["taken"]
    return bool(ready["status"] == "ready" and taken == 0)


@pytest.mark.parametrize("mode", MODES)
def test_p7_no_chat_request_harms_the_gateway(target: Target, mode: str) -> None:
    operation = target.schema[CHAT]["POST"]
    allowed = jsonschema_rs.Draft202012Validator(target.told.request_schema("POST", CHAT))
    statuses: Counter[int] = Counter()

    @examples(55, 2300)
    @given(operation.as_strategy(generation_mode=MODES[mode]))
    def shoot(case: Case) -> None:
        if mode == "what_makes_sense":
            case.body = sensible(case.body)
        answer = target.send(case, Authorization=f"Bearer {KEY}")
        statuses[answer.status_code] += 1
        if isinstance(case.body, bytes) or not allowed.is_valid(case.body):
            assert answer.status_code in (400, 415), "what the document forbids was taken"

    shoot()
    mostly = {"what_makes_sense": 200, "what_is_forbidden": 400}.get(mode)
    assert mostly is None or statuses[mostly] > sum(statuses.values()) / 2, statuses


@pytest.mark.parametrize("mode", ["what_is_allowed", "what_is_forbidden"])
def test_p7_no_other_request_harms_the_gateway(target: Target, mode: str) -> None:
    """With the key and, where the forbidden is tried, with whatever may come in place of it."""
    others = target.schema.include(method="GET")
    key = {"Authorization": f"Bearer {KEY}"} if mode == "what_is_allowed" else {}

    @examples(30, 600)
    @given(others.as_strategy(generation_mode=MODES[mode]))
    def shoot(case: Case) -> None:
        target.send(case, **key)

    shoot()


GOOD = json.dumps(
    {
        "model": "echo",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "h\u00e9\ud83d\ude00"}]},
        ],
        "temperature": 0.5,
        "stop": ["x"],
        "metadata": {"a": "b"},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
).encode()
NASTY = st.sampled_from(
    [
        *(b"null", b"true", b"-0", b"1e999", b"NaN", b"-Infinity", b"9" * 400, b'""', b"{}", b"[]"),
        *(b'"\\ud800"', b'"\\u0000"', b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b"\\"),
        *(b"[" * 100, b'{"a":' * 100, b'"n":0,' * 50, b'"stream":false,', b"\r\n", b"\xe2\x80\xa8"),
    ]
)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A good body with some bytes cut out and others put in."""
    body = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        cut = draw(st.sampled_from([0, 0, 1, 3, 30, 300]))
        body[at : at + cut] = draw(st.one_of(NASTY, st.binary(max_size=8)))
    return bytes(body)


def test_p7_no_bytes_harm_the_gateway(target: Target) -> None:
    @examples(80, 2000)
    @given(body=broken(), kind=st.sampled_from(["application/json", "text/plain", "x", ""]))
    def shoot(body: bytes, kind: str) -> None:
        headers: dict[str, Any] = {"Content-Type": kind}
        answer = target.gateway.http.post(
            target.gateway.url + CHAT, data=body, headers=headers, timeout=60
        )
        target.judge("POST", CHAT, answer)

    shoot()
