"""Keys that are missing, wrong, misplaced or guessed, and names of models that are not."""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.raw import RawConnection, post
from tests.system.conftest import KEY
from tests.system.hostile.conftest import AUTH

STRANGER, NEIGHBOUR = "203.0.113.9", "203.0.113.10"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/metrics"])
def test_e28_all_wrong_keys_get_the_same_answer(small: GatewayProcess, path: str) -> None:
    bodies = set()
    for header in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        f"Basic {KEY}",
        "Bearer x y",
        f"Bearer {KEY} x",
        f"Bearer  x{KEY}",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY.upper()}",
        "Bearer " + "k" * 7_000,
        "Bearer 1",
        KEY,
    ):
        key = {} if header is None else {"Authorization": header}
        method = "POST" if "chat" in path else "GET"
        with RawConnection(small) as raw:
            raw.send(post({**key, "Content-Length": 2}, path).replace(b"POST", method.encode()))
            raw.send(b"{}")
            status, headers, body = raw.answer()
            assert status == 401
            assert headers["www-authenticate"] == "bearer"
            assert b'"code":"invalid_api_key"' in body
            bodies.add(body)
    assert len(bodies) == 1


def test_e28_of_two_keys_neither_is_taken(small: GatewayProcess) -> None:
    """A server joins the two headers, so no one can say which came first; a 401 is always safe."""
    for keys in ((KEY, "wrong"), ("wrong", KEY), (KEY, KEY)):
        lines = "".join(f"Authorization: Bearer {key}\r\n" for key in keys)
        with RawConnection(small) as raw:
            raw.send(f"GET /v1/models HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
            assert raw.answer()[0] == 401


def test_e28_a_key_of_100_kb_is_more_than_a_header_may_hold(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(post({"Authorization": "Bearer " + "k" * 100_000}))
        assert raw.socket.recv(100).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "key", [b"\xff\xfe\xc3", "ключ".encode(), "𝟙".encode(), KEY.encode() + b"\xe9"]
)
def test_e29_a_key_of_other_letters_is_wrong_and_no_crash(
    small: GatewayProcess, key: bytes
) -> None:
    with RawConnection(small) as raw:
        raw.send(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % key)
        assert raw.answer()[0] == 401


@pytest.mark.parametrize("name", ["api_key", "key", "token", "access_token", "Authorization"])
def test_e30_a_key_in_the_query_opens_nothing_and_is_not_logged(
    small: GatewayProcess, name: str
) -> None:
    query = f"{name}={KEY}&x=canary"
    closed = {"Authorization": ""}
    assert small.get(f"/v1/models?{query}", headers=closed).status_code == 401
    assert small.get(f"/nowhere?{query}", headers=closed).status_code == 404
    assert small.get(f"/metrics?{query}", headers=closed).status_code == 401
    assert KEY not in small.log()
    assert "canary" not in small.log()


@pytest.mark.parametrize(
    "name",
    [
        "no-such-model",
        "m" * 10_000,
        "m" * 3_000 + "\n{}%",
        "{model}",
        "%s%n",
        "../echo",
        "\x1b[31m",
        " ",
    ],
    ids=range(8),
)
def test_e31_an_unknown_model_is_a_404_and_no_metric_label(
    small: GatewayProcess, name: str
) -> None:
    for stream in (False, True):
        response = small.chat(model=name, stream=stream)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "model_not_found"
        assert len(response.json()["error"]["message"]) < 300
    exposed = small.get("/metrics").text
    assert "mmmm" not in exposed
    assert "{model}" not in exposed
    assert "no-such-model" not in exposed


# --- wrong keys without end


@pytest.fixture(scope="module")
def proxied(emulator: EmulatorProcess) -> Iterator[GatewayProcess]:
    """Behind a proxy of this machine that says from which address each connection comes."""
    with running_gateway(
        emulator,
        API_MASTER_KEY=KEY,
        MIN_CREDENTIALS=1,
        GUNICORN_CMD_ARGS="--proxy-protocol v1",
    ) as process:
        process.http.headers.update(AUTH)
        yield process


def guess(
    gateway: GatewayProcess, address: str | None, times: int, key: str = "wrong"
) -> Sequence[tuple[int, dict[str, str]]]:
    """So many requests in one connection of this address, as fast as can be."""
    request = post({"Authorization": f"Bearer {key}"}, "/v1/models").replace(b"POST", b"GET")
    answers = []
    with RawConnection(gateway) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address:
            family = "TCP6" if ":" in address else "TCP4"
            own = "::1" if ":" in address else "127.0.0.1"
            raw.send(f"PROXY {family} {address} {own} 4711 80\r\n".encode())
        for _ in range(times):
            raw.send(request)
            status, headers, _ = raw.answer()
            answers.append((status, headers))
    return answers


def statuses(answers: Sequence[tuple[int, dict[str, str]]]) -> dict[int, int]:
    return dict(Counter(status for status, _ in answers))


def test_e36_a_thousand_wrong_keys_are_answered_429_after_three_hundred(
    proxied: GatewayProcess,
) -> None:
    answers = guess(proxied, STRANGER, 1_000)
    assert [status for status, _ in answers] == [401] * 300 + [429] * 700
    headers = answers[-1][1]
    assert 0 < int(headers["retry-after"]) <= 60
    assert headers["x-should-retry"] == "false"
    assert proxied.metrics()['langfast_requests_total{route="/v1/models",status="429"}'] == 700
    # Neither a right key from there, nor anybody else, is the worse for it.
    assert statuses(guess(proxied, STRANGER, 20, KEY)) == {200: 20}
    assert statuses(guess(proxied, NEIGHBOUR, 20)) == {401: 20}
    assert statuses(guess(proxied, NEIGHBOUR, 1, KEY)) == {200: 1}


def test_e36_a_network_of_ipv6_addresses_counts_as_one(proxied: GatewayProcess) -> None:
    found = Counter[int]()
    for number in range(4):
        found.update(statuses(guess(proxied, f"2001:db8::{number + 1}", 100)))
    assert found == {401: 300, 429: 100}


@pytest.mark.parametrize("address", [None, "127.0.0.1", "::1"])
def test_e36_this_machine_may_guess_as_often_as_it_likes(
    proxied: GatewayProcess, address: str | None
) -> None:
    assert statuses(guess(proxied, address, 400)) == {401: 400}


def test_e36_an_address_that_a_caller_claims_to_have_changes_nothing(
    small: GatewayProcess,
) -> None:
    """Of a header anybody can write what he likes: neither to get a limit, nor to escape one."""
    for number in range(400):
        named = {"Authorization": "", "X-Forwarded-For": f"198.51.100.{number % 200}"}
        assert small.get("/v1/models", headers=named).status_code == 401
