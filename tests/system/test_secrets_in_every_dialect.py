"""Keys stay inside in every dialect, and what is kept for one key no other key ever sees.

Log, metrics and errors of each gateway are looked through when it ends (tests/support/canaries.py).
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import pytest
import requests

from tests.support.canaries import new
from tests.support.dialects import DIALECTS, MESSAGES, RESPONSES, Dialect
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.redis_server import RedisServer, running_redis
from tests.support.stream import steer

ONE, TWO, THREE = (new(f"api-key-{number}") for number in range(3))
WAYS = ("Authorization", "x-api-key")
PATHS = (*(dialect.path for dialect in DIALECTS), "/v1/models", "/v1/responses/resp_x")


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.005") as process:
        yield process


@contextmanager
def open_to(upstream: EmulatorProcess, *keys: str, **settings: object) -> Iterator[GatewayProcess]:
    """A gateway that knows these keys, and tells its log as much as it ever does."""
    told = {"LOG_LEVEL": "debug", "MIN_CREDENTIALS": 1, **settings}
    with running_gateway(upstream, API_MASTER_KEY=",".join(keys), **told) as gateway:
        gateway.http.headers["Authorization"] = f"Bearer {keys[0]}"
        yield gateway


@pytest.fixture(scope="module")
def gateway(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    with open_to(upstream, ONE, TWO) as process:
        yield process


def shown(way: str, key: str) -> dict[str, str]:
    return {way: f"Bearer {key}" if way == "Authorization" else key}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
def test_a_right_key_is_never_told_whatever_becomes_of_the_request(
    gateway: GatewayProcess, dialect: Dialect, way: str
) -> None:
    late = steer("a b c", chunks=3, fault="fail", at=2)
    asked: list[dict[str, Any]] = [
        {"content": "fine"},
        {"content": "fine", "stream": True},
        {"content": late},
        {"content": late, "stream": True},
        {"content": "x", "temperature": 9},
        {"content": "x", "model": "nobody's"},
    ]
    for fields in asked:
        body = dialect.body(**fields)
        url = gateway.url + dialect.path
        with requests.Session() as http:
            http.trust_env = False
            http.hooks["response"].append(gateway.watch)
            answer = http.post(url, data=body, headers=shown(way, TWO), timeout=30)
            assert answer.status_code in (200, 400, 404, 502)
            assert TWO not in f"{answer.headers} {answer.text}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_key_is_told_nowhere(gateway: GatewayProcess, path: str, way: str) -> None:
    wrong = new("wrong-key")
    gateway.watch.canaries.plant("a wrong key", wrong)
    method = "GET" if path in PATHS[len(DIALECTS) :] else "POST"
    for key in (wrong, f"{wrong} ", f"{ONE}{wrong}"):
        with requests.Session() as http:
            http.trust_env = False
            http.hooks["response"].append(gateway.watch)
            headers = shown(way, key)
            answer = http.request(method, gateway.url + path, headers=headers, timeout=30)
        assert answer.status_code == 401
        assert wrong not in f"{answer.headers} {answer.text}"


@pytest.mark.parametrize("name", WAYS)
def test_a_header_that_no_server_can_read_is_not_told_either(
    gateway: GatewayProcess, name: str
) -> None:
    """A key on a line that is no header, or twice, or with a newline that ends it."""
    wrong = new("odd-key")
    gateway.watch.canaries.plant("an odd key", wrong)
    for line in (f"{name} : {wrong}", f"{name}: {wrong}\r\n {wrong}", f"{name}:\x00{wrong}"):
        with socket.create_connection(("127.0.0.1", gateway.port), 10) as raw:
            raw.sendall(f"POST {MESSAGES.path} HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
            raw.shutdown(socket.SHUT_WR)
            said = b""
            while piece := raw.recv(65536):
                said += piece
        assert wrong.encode() not in said


# --- what is kept


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[RedisServer | None]:
    with ExitStack() as stack:
        yield stack.enter_context(running_redis()) if request.param == "redis" else None


def as_(key: str, gateway: GatewayProcess, method: str, path: str, **body: Any) -> Any:
    headers = {"x-api-key": key}
    url = f"{gateway.url}/v1/responses{path}"
    with requests.Session() as http:
        http.trust_env = False
        http.hooks["response"].append(gateway.watch)
        return http.request(method, url, json=body or None, headers=headers, timeout=30)


def assert_hidden(gateway: GatewayProcess, key: str, made: dict[str, Any]) -> None:
    """Nothing that this key can do shows that there is such a response."""
    name, item = made["id"], made["output"][0]["id"]
    unknown = f"resp_{'0' * 32}"
    for method, tail in (("GET", ""), ("GET", "/input_items"), ("POST", "/cancel"), ("DELETE", "")):
        hidden = as_(key, gateway, method, f"/{name}{tail}")
        never = as_(key, gateway, method, f"/{unknown}{tail}")
        assert (hidden.status_code, never.status_code) == (404, 404)
        assert hidden.text.replace(name, unknown) == never.text
    reference = [{"type": "item_reference", "id": item}]
    for body in ({"previous_response_id": name}, {"input": reference}):
        answer = as_(key, gateway, "POST", "", model="echo", **{"input": "x", **body})
        assert answer.status_code == 400
        assert "private" not in answer.text


def test_a_kept_response_is_its_keys_alone_also_when_keys_are_changed(
    upstream: EmulatorProcess, store: RedisServer | None
) -> None:
    settings = {"REDIS_URL": store.url} if store else {}
    with open_to(upstream, ONE, TWO, **settings) as gateway:
        made = as_(ONE, gateway, "POST", "", model="echo", input="private words").json()
        assert as_(ONE, gateway, "GET", f"/{made['id']}").json() == made
        assert_hidden(gateway, TWO, made)
        assert as_(ONE, gateway, "GET", f"/{made['id']}").status_code == 200
    if store is None:
        return  # what is kept in an instance's memory ends with it
    with open_to(upstream, TWO, THREE, **settings) as gateway:
        for key in (TWO, THREE):
            assert_hidden(gateway, key, made)
        assert as_(ONE, gateway, "GET", f"/{made['id']}").status_code == 401
    with open_to(upstream, THREE, ONE, **settings) as gateway:
        assert as_(ONE, gateway, "GET", f"/{made['id']}").json() == made
    with running_gateway(upstream, MIN_CREDENTIALS=1, **settings) as without_keys:
        assert_hidden(without_keys, "anybody", made)
    with socket.create_connection(("127.0.0.1", store.port), 10) as raw:
        raw.sendall(b"KEYS *\r\nQUIT\r\n")
        names = raw.makefile("rb").read().decode()
    assert made["id"] in names
    assert ONE not in names


def test_ids_cannot_be_guessed_from_one_another(gateway: GatewayProcess) -> None:
    def identity() -> int:
        body = RESPONSES.ask(gateway, "x").body
        assert body
        return int(body["id"].removeprefix("resp_"), 16)

    found = [identity() for _ in range(30)]
    differences = [(one ^ other).bit_count() for one, other in pairwise(found)]
    assert min(differences) > 24  # of 122 that are left to chance
