"""``GET /openapi.json`` tells the truth: real answers of every kind, held against it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.dialects import COMPLETIONS, DIALECTS, MESSAGES, NEWER, RESPONSES, Dialect
from tests.support.emulator import running_emulator
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.openapi import Document
from tests.support.raw import RawConnection, post
from tests.support.stream import steer

KEY = "openapi-key-1"
CHAT = "/v1/chat/completions"
KEPT = "/v1/responses/{id}"
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
CALL = {"model": "auto", "tools": [TOOL], "tool_choice": "required"}
OLD_CALL = {
    "model": "auto",
    "functions": [TOOL["function"]],
    "function_call": {"name": "look_up"},
}
JSON = {
    "model": "auto",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object", "required": ["a"]}},
    },
}
CALLS = (CALL, OLD_CALL, JSON)
LATE = {"content": steer("one two three", chunks=3, fault="fail", at=2), "stream": True}
SCHEMA = {"type": "object", "required": ["a"]}
FUNCTION = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}
OF_THE_CALLER = {"name": "look_up", "input_schema": {"type": "object"}}
# What each of the other dialects asks that the others cannot.
OWN: dict[Dialect, list[dict[str, Any]]] = {
    COMPLETIONS: [
        {"stream_options": {"include_usage": True}, "stream": True},
        {"prompt": ["a", "b"], "n": 2, "echo": True},
        {"prompt": ["a", "b"], "n": 2, "echo": True, "stream": True},
        {"logit_bias": {}, "unknown": 1},
    ],
    RESPONSES: [
        {"model": "auto", "tools": [FUNCTION], "tool_choice": "required"},
        {
            "model": "auto",
            "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        },
        {"instructions": "Be brief.", "metadata": {"a": "b"}, "max_output_tokens": 1},
        {"store": False, "user": "u", "truncation": "auto", "reasoning": {"effort": "low"}},
        {"temperature": 1, "top_p": 0.5, "prompt_cache_key": "k", "safety_identifier": "s"},
    ],
    MESSAGES: [
        {"model": "auto", "tools": [OF_THE_CALLER], "tool_choice": {"type": "any"}},
        {"model": "auto", "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"system": "Be brief.", "stop_sequences": ["h"], "top_k": 1},
        {"max_tokens": 1},
    ],
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    with (
        running_emulator("--interval", "0") as emulator,
        running_gateway(emulator, API_MASTER_KEY=KEY, MAX_BODY_BYTES=200_000) as process,
    ):
        process.http.headers["Authorization"] = f"Bearer {KEY}"
        yield process


@pytest.fixture(scope="module")
def told(gateway: GatewayProcess) -> Document:
    answer = requests.get(f"{gateway.url}/openapi.json", timeout=10)  # without a key
    document = Document(answer.json())
    document.check("GET", "/openapi.json", answer)
    return document


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/metrics", "/metrics"),
        ("/v1/models", "/v1/models"),
        ("/v1/models/gpt-4o-mini", "/v1/models/{id}"),
    ],
)
def test_every_get_is_answered_as_it_is_told(
    gateway: GatewayProcess, told: Document, path: str, template: str
) -> None:
    answer = gateway.get(path)
    assert answer.status_code == 200
    told.check("GET", template, answer)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (200, {}),
        (200, {"stream": True}),
        (200, {"stream": True, "stream_options": {"include_usage": True}}),
        (200, {"content": "é\u2028" * 9000, "stream": True}),
        (200, {"seed": 1, "unknown": 2}),
        (200, {"n": 2, "stream": True, "stream_options": {"include_usage": True}}),
        (200, {"n": 2}),
        *((200, {**asked, "stream": stream}) for asked in CALLS for stream in (True, False)),
        (200, {"content": steer("cut short", finish_reason="length")}),
        (200, LATE),
        (400, {"content": 5}),
        (400, {"temperature": 3}),
        (400, {"content": steer(fault="start-400", message="no such prompt")}),
        (404, {"model": "nobody's"}),
        (413, {"content": "x" * 200_000}),
        (415, {"headers": {"Content-Encoding": "gzip"}}),
        (502, {"content": steer(fault="fail", at=0)}),
        (502, {"content": steer(fault="start-500")}),
        (504, {"content": steer(fault="start-504")}),
    ],
)
def test_every_chat_is_answered_as_it_is_told(
    gateway: GatewayProcess, told: Document, status: int, fields: dict[str, Any]
) -> None:
    answer = gateway.chat(**fields)
    assert answer.status_code == status, answer.text
    told.check("POST", CHAT, answer)


@pytest.mark.parametrize("dialect", NEWER, ids=repr)
@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (200, {"content": "é\u2028" * 9000}),
        (200, {"content": steer("cut short", finish_reason="length")}),
        (200, LATE),
        (400, {"temperature": 3}),
        (400, {"content": steer(fault="start-400", message="no such prompt")}),
        (401, {"headers": {"Authorization": "Bearer wrong", "x-api-key": "wrong"}}),
        (404, {"model": "nobody's"}),
        (413, {"content": "x" * 200_000}),
        (415, {"headers": {"Content-Encoding": "gzip"}}),
        (502, {"content": steer(fault="fail", at=0)}),
        (504, {"content": steer(fault="start-504")}),
    ],
)
def test_the_other_dialects_are_answered_as_they_are_told(
    gateway: GatewayProcess, told: Document, dialect: Dialect, status: int, fields: dict[str, Any]
) -> None:
    for stream in [fields["stream"]] if "stream" in fields else (True, False):
        answer = send(gateway, dialect, **{**fields, "stream": stream})
        assert answer.status_code == status, answer.text
        told.check("POST", dialect.path, answer)
        if status != 200:
            wanted = dialect.types.get(status, "invalid_request_error")
            assert answer.json()["error"]["type"] == wanted


@pytest.mark.parametrize(
    ("dialect", "fields"), [(one, fields) for one, all_ in OWN.items() for fields in all_]
)
def test_what_one_dialect_alone_asks_is_answered_as_it_is_told(
    gateway: GatewayProcess, told: Document, dialect: Dialect, fields: dict[str, Any]
) -> None:
    for stream in [fields["stream"]] if "stream" in fields else (True, False):
        answer = send(gateway, dialect, **{**fields, "stream": stream})
        assert answer.status_code == 200, answer.text
        told.check("POST", dialect.path, answer)


def send(gateway: GatewayProcess, dialect: Dialect, **fields: Any) -> requests.Response:
    headers = fields.pop("headers", {})
    body = dialect.body(fields.pop("content", "hi"), **fields)
    url = gateway.url + dialect.path
    return gateway.http.post(url, data=body, headers=headers, timeout=60)


def test_counts_and_what_is_kept_are_answered_as_they_are_told(
    gateway: GatewayProcess, told: Document
) -> None:
    for dialect, path in (
        (RESPONSES, "/v1/responses/input_tokens"),
        (MESSAGES, "/v1/messages/count_tokens"),
    ):
        for body in (dialect.body("hi"), b"{}", b"["):
            told.check("POST", path, gateway.http.post(gateway.url + path, data=body, timeout=10))
    made = send(gateway, RESPONSES).json()["id"]
    for name in (made, "resp_unknown"):
        for method, template in (
            ("GET", KEPT),
            ("GET", f"{KEPT}/input_items"),
            ("POST", f"{KEPT}/cancel"),
            ("DELETE", KEPT),
        ):
            answer = gateway.http.request(
                method, gateway.url + template.replace("{id}", name), timeout=10
            )
            assert answer.status_code == (
                404 if name != made else 400 if "cancel" in template else 200
            )
            told.check(method, template, answer)


def test_every_operation_is_known_to_these_tests(told: Document) -> None:
    known = {
        *(("GET", path) for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json")),
        *(("GET", path) for path in ("/v1/models", "/v1/models/{id}", KEPT, f"{KEPT}/input_items")),
        *(("POST", dialect.path) for dialect in DIALECTS),
        ("POST", "/v1/responses/input_tokens"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", f"{KEPT}/cancel"),
        ("DELETE", KEPT),
    }
    assert set(told.operations()) == known


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [("POST", CHAT, CHAT), ("GET", "/v1/models/x", "/v1/models/{id}"), ("GET", "/metrics", None)],
)
def test_who_has_no_key_is_told_as_much(
    gateway: GatewayProcess, told: Document, method: str, path: str, template: str | None
) -> None:
    answer = requests.request(method, gateway.url + path, json={}, timeout=10)
    assert answer.status_code == 401
    told.check(method, template or path, answer)


def test_a_body_that_is_no_json_is_answered_as_it_is_told(
    gateway: GatewayProcess, told: Document
) -> None:
    told.check("POST", CHAT, gateway.http.post(gateway.url + CHAT, data=b"[", timeout=10))


def test_a_connection_is_let_down_in_the_same_words(gateway: GatewayProcess) -> None:
    """Chunks that are none: the answer is still ours."""
    head = {"Authorization": f"Bearer {KEY}", "Transfer-Encoding": "chunked"}
    with RawConnection(gateway) as connection:
        connection.send(post(head) + b"nonsense\r\n")
        status, headers, _ = connection.answer()
    assert (status, headers["content-type"]) == (400, "application/json")


def test_rate_quota_and_no_account_are_answered_as_they_are_told() -> None:
    with (
        running_emulator("--interval", "0") as emulator,
        running_gateway(emulator, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, QUEUE_TIMEOUT=1) as gateway,
    ):
        told = Document(gateway.get("/openapi.json").json())
        assert told.content["security"] == [{}, {"key": []}, {"x-api-key": []}]
        limited = gateway.chat(steer(fault="start-429", retry_after=1))
        resting = gateway.chat()
        assert (limited.status_code, resting.status_code) == (429, 429)
        assert limited.headers["retry-after"] == "1"
        for answer in (limited, resting):
            told.check("POST", CHAT, answer)
    with (
        running_emulator() as emulator,
        running_gateway(emulator, SIGNUPS_PER_HOUR=0, QUEUE_TIMEOUT=1, ready=False) as gateway,
    ):
        told = Document(gateway.get("/openapi.json").json())
        nobody, ready = gateway.chat(), gateway.get("/readyz")
        assert (nobody.status_code, ready.status_code) == (503, 503)
        assert nobody.headers["retry-after"]
        told.check("POST", CHAT, nobody)
        told.check("GET", "/readyz", ready)
