"""Bodies as large as they may be, made to keep the worker busy: others hardly notice them.

How long others wait is measured in a worker that has nothing else to do. The bound is generous: it
is there for what grows with the square of a body, or makes much of little.
"""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.dialects import CHAT, COMPLETIONS, DIALECTS, MESSAGES, RESPONSES
from tests.support.emulator import running_emulator
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.stream import steer

MEBI = 1024 * 1024
ROOM = 10 * MEBI - 1000
LONGEST_WAIT = 1.5
COUNTS = ("/v1/responses/input_tokens", "/v1/messages/count_tokens")
PATHS = (*(dialect.path for dialect in DIALECTS), *COUNTS)
# What each needs to be understood.
NEEDED = {
    CHAT.path: '"messages":[{"role":"user","content":"x"}]',
    COMPLETIONS.path: '"prompt":"x"',
    **dict.fromkeys((RESPONSES.path, COUNTS[0]), '"input":"x"'),
    **dict.fromkeys(
        (MESSAGES.path, COUNTS[1]), '"max_tokens":9,"messages":[{"role":"user","content":"x"}]'
    ),
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    with (
        running_emulator("--interval", "0") as emulator,
        running_gateway(emulator, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as process,
    ):
        yield process


class Neighbour:
    """Asks for the health of the worker all the time, and remembers the longest wait."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.longest = 0.0
        self._url = f"{gateway.url}/healthz"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Neighbour":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with requests.Session() as http:
            http.trust_env = False
            while not self._over.wait(0.002):
                began = time.monotonic()
                assert http.get(self._url, timeout=60).status_code == 200
                self.longest = max(self.longest, time.monotonic() - began)


def send(gateway: GatewayProcess, path: str, body: bytes) -> requests.Response:
    with Neighbour(gateway) as neighbour:
        answer = gateway.http.post(gateway.url + path, data=body, timeout=60)
    assert neighbour.longest < LONGEST_WAIT
    return answer


def filled(path: str, field: str, unit: str, opening: str = "[", closing: str = "]") -> bytes:
    """A body that is good but for a field with as many units as there is room for."""
    head = f'{{"model":"gpt-4o-mini",{NEEDED[path]},"{field}":{opening}'
    count = (ROOM - len(head)) // (len(unit) + 1)
    return f"{head}{','.join([unit] * count)}{closing}}}".encode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("unit", ["1", '"x"', "{}", "[[]]"])
def test_a_million_values_are_refused_before_anything_is_made_of_them(
    gateway: GatewayProcess, path: str, unit: str
) -> None:
    answer = send(gateway, path, filled(path, "unknown", unit))
    assert answer.status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_a_million_fields_are_refused_before_anything_is_made_of_them(
    gateway: GatewayProcess, path: str
) -> None:
    fields = ",".join(f'"{number}":1' for number in range(900_000))
    body = f'{{"model":"gpt-4o-mini",{NEEDED[path]},{fields}}}'.encode()
    assert send(gateway, path, body).status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_a_text_that_never_ends_is_not_looked_at_again_and_again(
    gateway: GatewayProcess, path: str
) -> None:
    body = b"[" * 60_000 + b'"' + b'\\"' * (2 * MEBI)
    assert send(gateway, path, body).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RESPONSES.path, {"input": [{"role": "user", "content": "x"}] * 4096}),
        (
            RESPONSES.path,
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "x"}] * 10_000}
                ]
            },
        ),
        (MESSAGES.path, {"messages": [{"role": "user", "content": "x"}] * 20_000, "max_tokens": 9}),
        (
            MESSAGES.path,
            {
                "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 20_000}],
                "max_tokens": 9,
            },
        ),
        (COMPLETIONS.path, {"prompt": [steer("ok", nonce="x" * MEBI)] * 8, "echo": True}),
        (COUNTS[0], {"input": "word " * 2_000_000}),
        (COUNTS[1], {"messages": [{"role": "user", "content": "word " * 2_000_000}]}),
    ],
)
def test_what_is_large_and_allowed_leaves_others_their_turn(
    gateway: GatewayProcess, path: str, body: dict[str, Any]
) -> None:
    answer = send(gateway, path, json.dumps({"model": "gpt-4o-mini", **body}).encode())
    assert answer.status_code == 200, answer.text


def test_a_few_bytes_that_name_a_large_item_again_and_again_do_not_make_it_many(
    gateway: GatewayProcess,
) -> None:
    large = {"id": "msg_large", "role": "user", "content": "word " * 300_000}
    said = {"role": "user", "content": steer("ok")}
    first = send(gateway, RESPONSES.path, json.dumps({"input": [large, said]}).encode())
    assert first.status_code == 200
    reference = {"type": "item_reference", "id": "msg_large"}
    body = {"previous_response_id": first.json()["id"], "input": [reference] * 4000}
    answer = send(gateway, RESPONSES.path, json.dumps(body).encode())
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
