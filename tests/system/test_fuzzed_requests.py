"""Requests that nobody would write, made from the gateway's own document and from bytes.

Whatever is sent, to whichever route: no 5xx, the answer keeps to the document, the worker is the
same afterwards and serves the next good request. 500 requests in the suite, the same ones each
time; FUZZ=long sends 20,000 new ones (about a quarter of an hour).
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

from tests.support.dialects import CHAT, COMPLETIONS, DIALECTS, MESSAGES, RESPONSES, Dialect
from tests.support.emulator import running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.openapi import Document

LONG = os.environ.get("FUZZ") == "long"
KEY = "fuzzing-key-1"
MOST_BYTES = 10 * 1024 * 1024  # of a body, unless it is set
# Each counts what another would ask.
COUNTS = {RESPONSES: "/v1/responses/input_tokens", MESSAGES: "/v1/messages/count_tokens"}
BODIES = (*(dialect.path for dialect in DIALECTS), *COUNTS.values())
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

    def send_bytes(self, path: str, body: Any, kind: str = "application/json") -> None:
        """Any body, judged."""
        headers = {"Content-Type": kind}
        url = self.gateway.url + path
        answer = self.gateway.http.post(url, data=body, headers=headers, timeout=60)
        self.judge("POST", path, answer)

    def judge(self, method: str, path: str, answer: requests.Response) -> None:
        """2xx or 4xx, as the document says. A model that does not obey is no fault of anybody's."""
        has_failed = not (200 <= answer.status_code < 300 or 400 <= answer.status_code < 500)
        assert not has_failed or code_of(answer.json()) in DISOBEYED, answer.text
        self.told.check(method, path, answer)

    def kept(self) -> str:
        """The id of a response that is kept."""
        answer = RESPONSES.ask(self.gateway, "to be kept")
        assert answer.body
        return str(answer.body["id"])


def code_of(body: dict[str, Any]) -> str | None:
    """Of an error, in OpenAI's envelope or in Anthropic's."""
    dialect = MESSAGES if body.get("type") == "error" else CHAT
    return dialect.code(body["error"])


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


def sensible(dialect: Dialect, body: Any) -> Any:
    """What the schema allows, without what breaks rules that no schema can tell."""
    dropped = {*DROPPED[dialect], *(() if body.get("stream") else ("stream_options",))}
    kept = {name: value for name, value in body.items() if name not in dropped}
    if dialect in (CHAT, COMPLETIONS):
        kept["n"] = min(body.get("n") or 1, 2)
    if dialect is COMPLETIONS:
        prompts = body["prompt"]
        kept["prompt"] = prompts[:2] if isinstance(prompts, list) else prompts
        return kept
    if dialect is RESPONSES:
        items = kept["input"] if isinstance(kept.get("input"), list) else []
        said = [item for item in items if item.get("type") in (None, "message") and "role" in item]
        return {**kept, "input": [*map(worded, said), {"role": "user", "content": "json"}]}
    said = [worded(one) for one in body["messages"]]
    return {**kept, "messages": [*said, {"role": "user", "content": "json"}]}


# What only some values of are taken, or only beside others.
DROPPED = {
    CHAT: (
        *("metadata", "logprobs", "top_logprobs", "modalities", "audio", "web_search_options"),
        "moderation",
    ),
    COMPLETIONS: ("best_of", "logprobs", "suffix"),
    RESPONSES: (
        *("background", "background_options", "conversation", "include", "metadata", "moderation"),
        *("previous_response_id", "prompt", "tool_choice", "tools", "top_logprobs", "text"),
    ),
    MESSAGES: (
        *("mcp_servers", "container", "compaction", "thread", "inference_geo"),
        *("tools", "tool_choice", "system", "output_config", "output_format"),
    ),
}


def worded(message: Any) -> Any:
    """The same message, in words alone, and not a tool's."""
    message = {**message, "role": message["role"].replace("tool", "user")}
    content = message.get("content")
    if isinstance(content, list):
        told = ("text", "refusal", "input_text", "output_text")
        parts = [{**part} for part in content if part["type"] in told]
        message["content"] = parts or "json"
    elif content is None:
        message["content"] = "json"
    return message


def is_at_rest(gateway: GatewayProcess) -> bool:
    ready = gateway.get("/readyz").json()
    taken = ready["runs_in_flight"] + ready["langfast"]["credentials"]["taken"]
    return bool(ready["status"] == "ready" and taken == 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
def test_p7_no_request_for_an_answer_harms_the_gateway(
    target: Target, dialect: Dialect, mode: str
) -> None:
    path = dialect.path
    operation = target.schema[path]["POST"]
    allowed = jsonschema_rs.Draft202012Validator(target.told.request_schema("POST", path))
    statuses: Counter[int] = Counter()

    @examples(15, 900)
    @given(operation.as_strategy(generation_mode=MODES[mode]))
    def shoot(case: Case) -> None:
        if mode == "what_makes_sense":
            case.body = sensible(dialect, case.body)
        answer = target.send(case, Authorization=f"Bearer {KEY}")
        statuses[answer.status_code] += 1
        if isinstance(case.body, bytes) or not allowed.is_valid(case.body):
            sent = len(answer.request.body or b"")
            refusals = (400, 415) if sent <= MOST_BYTES else (413,)
            assert answer.status_code in refusals, "what the document forbids was taken"
        if dialect in COUNTS:
            target.send_bytes(COUNTS[dialect], answer.request.body)

    shoot()
    mostly = {"what_makes_sense": 200, "what_is_forbidden": 400}.get(mode)
    # Most of many; a few examples are what they are, and others after any change to the code.
    least = sum(statuses.values()) / 2 if LONG else 0
    assert mostly is None or statuses[mostly] > least, statuses


@pytest.mark.parametrize("mode", ["what_is_allowed", "what_is_forbidden"])
def test_p7_no_request_without_a_body_harms_the_gateway(target: Target, mode: str) -> None:
    """With the key and, where the forbidden is tried, with whatever may come in place of it; of
    responses now and then one that is kept.
    """
    others = target.schema.exclude(path=list(BODIES))
    key = {"Authorization": f"Bearer {KEY}"} if mode == "what_is_allowed" else {}
    statuses: Counter[tuple[str, int]] = Counter()

    @examples(60, 1200)
    @given(others.as_strategy(generation_mode=MODES[mode]), st.booleans())
    def shoot(case: Case, is_kept: bool) -> None:
        if is_kept and "/v1/responses/" in case.path:
            case.path_parameters = {"id": target.kept()}
        statuses[case.method, target.send(case, **key).status_code] += 1

    shoot()
    assert mode != "what_is_allowed" or statuses["DELETE", 200], statuses


WORDS = "h\u00e9\ud83d\ude00"
SAID = {"role": "user", "content": [{"type": "text", "text": WORDS}]}
TOOL = {"name": "t", "input_schema": {"type": "object"}}
BLOCKS = [{"type": "tool_use", "id": "c", "name": "t", "input": {}}]
RESULT = [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "r"}]}]
ITEMS = [
    {"type": "function_call", "call_id": "c", "name": "t", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "r"},
    {"type": "reasoning", "summary": []},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": WORDS}]},
]
TURNS = [
    SAID,
    {"role": "assistant", "content": BLOCKS},
    {"role": "user", "content": [*RESULT, *SAID["content"]]},
]
BEFORE: dict[str, Any] = {
    CHAT.path: {
        "messages": [{"role": "system", "content": "Be brief."}, SAID],
        "temperature": 0.5,
        "stop": ["x"],
        "metadata": {"a": "b"},
        "stream_options": {"include_usage": True},
    },
    COMPLETIONS.path: {"prompt": ["a", WORDS], "stop": "x", "n": 2, "echo": True},
    RESPONSES.path: {"input": ITEMS, "instructions": "x", "metadata": {"a": "b"}},
    MESSAGES.path: {"messages": TURNS, "max_tokens": 9, "stop_sequences": ["x"], "tools": [TOOL]},
    COUNTS[RESPONSES]: {"input": ITEMS},
    COUNTS[MESSAGES]: {"messages": TURNS, "system": [{"type": "text", "text": "x"}]},
}
GOOD = {
    path: json.dumps({"model": "echo", **body, "stream": True}).encode()
    for path, body in BEFORE.items()
}
NASTY = st.sampled_from(
    [
        *(b"null", b"true", b"-0", b"1e999", b"NaN", b"-Infinity", b"9" * 400, b'""', b"{}", b"[]"),
        *(b'"\\ud800"', b'"\\u0000"', b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b"\\"),
        *(b"[" * 100, b'{"a":' * 100, b'"n":0,' * 50, b'"stream":false,', b"\r\n", b"\xe2\x80\xa8"),
    ]
)


@st.composite
def broken(draw: st.DrawFn, good: bytes) -> bytes:
    """A good body with some bytes cut out and others put in."""
    body = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        cut = draw(st.sampled_from([0, 0, 1, 3, 30, 300]))
        body[at : at + cut] = draw(st.one_of(NASTY, st.binary(max_size=8)))
    return bytes(body)


@pytest.mark.parametrize("path", GOOD)
def test_the_bytes_that_are_broken_were_good(target: Target, path: str) -> None:
    answer = target.gateway.http.post(target.gateway.url + path, data=GOOD[path], timeout=60)
    assert answer.status_code == 200, answer.text


def test_p7_no_bytes_harm_the_gateway(target: Target) -> None:
    @examples(100, 3000)
    @given(st.data(), st.sampled_from(["application/json", "text/plain", "x", ""]))
    def shoot(data: st.DataObject, kind: str) -> None:
        path = data.draw(st.sampled_from(BODIES))
        target.send_bytes(path, data.draw(broken(GOOD[path])), kind)

    shoot()
