"""What nobody should send: each gets an answer of its own, and the worker goes on."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.raw import RawConnection, error_of, post
from tests.system.conftest import KEY

AUTH = {"Authorization": f"Bearer {KEY}"}
LIMIT = 100_000


@pytest.fixture(scope="module")
def small(emulator: EmulatorProcess) -> Iterator[GatewayProcess]:
    """A gateway with low limits."""
    with running_gateway(
        emulator, API_MASTER_KEY=KEY, MAX_BODY_BYTES=LIMIT, BODY_TIMEOUT=1, MIN_CREDENTIALS=1
    ) as process:
        process.http.headers.update(AUTH)
        yield process


@pytest.fixture(autouse=True)
def same_worker(small: GatewayProcess) -> Iterator[None]:
    """No request here may cost a worker its life, or a place."""
    workers = small.worker_pids()
    yield
    assert small.worker_pids() == workers
    assert small.chat("still here").json()["choices"][0]["message"]["content"] == "still here"
    assert small.metrics()["langfast_runs_in_flight"] == 0


def send(gateway: GatewayProcess, body: bytes, **headers: str) -> tuple[int, dict[str, object]]:
    response = gateway.http.post(
        f"{gateway.api}/chat/completions", data=body, headers=headers, timeout=10
    )
    return response.status_code, response.json()["error"]


def in_message(raw: str) -> bytes:
    return b'{"messages":[{"role":"user","content":%s}]}' % raw.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"17",
        b"\xff\xfe",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"[" * 90_000,
        b'{"messages":' + b"[" * 45_000 + b"]" * 45_000 + b"}",
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b'{"seed":' + b"9" * 5_000 + b"}",
        b'{"temperature":NaN}',
        b'{"temperature":Infinity}',
        b'{"temperature":1e999}',
        in_message('"\\ud83d"'),
        in_message('"\\ude00 x"'),
        in_message('"\x01"'),
    ],
    ids=range(19),
)
def test_e1_to_e8_what_is_no_good_json_is_a_400(small: GatewayProcess, body: bytes) -> None:
    status, error = send(small, body)
    assert status == 400
    assert error["type"] == "invalid_request_error"


def test_e6_of_duplicate_keys_the_last_wins(small: GatewayProcess) -> None:
    body = (
        b'{"model":"nope","messages":[],"model":"echo","messages":[{"role":"user","content":"x"}]}'
    )
    response = small.http.post(f"{small.api}/chat/completions", data=body, timeout=10)
    assert response.json()["choices"][0]["message"]["content"] == "x"


def test_e10_any_content_type_will_do(small: GatewayProcess) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = small.http.post(
            f"{small.api}/chat/completions",
            data=in_message('"x"'),
            headers={"Content-Type": kind},
            timeout=10,
        )
        assert response.status_code == 200


def test_e12_compressed_bodies_are_refused(small: GatewayProcess) -> None:
    status, error = send(small, b"\x1f\x8b\x08", **{"Content-Encoding": "gzip"})
    assert (status, error["code"]) == (415, "unsupported_media_type")


def test_e11_a_declared_length_over_the_limit_is_refused_before_the_body(
    small: GatewayProcess,
) -> None:
    with RawConnection(small) as raw:
        raw.send(post({**AUTH, "Content-Length": LIMIT + 1}))
        status, headers, body = raw.answer()
        assert (status, error_of(body)["code"]) == (413, "request_too_large")
        assert headers["connection"] == "close"
        assert raw.closed_within(3)


def test_e11_a_413_is_read_by_a_caller_that_is_still_sending(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(post({**AUTH, "Content-Length": 50_000_000}))
        for _ in range(80):
            raw.send(b"x" * 65_536)
        status, _, body = raw.answer()
        assert (status, error_of(body)["code"]) == (413, "request_too_large")


def test_e12_a_chunked_body_is_taken_up_to_the_limit_and_never_cut(small: GatewayProcess) -> None:
    def pieces(size: int) -> Iterator[bytes]:
        yield b'{"messages":[{"role":"user","content":"'
        for _ in range(size // 1_000):
            yield b"y" * 1_000
        yield b'"}]}'

    url = f"{small.api}/chat/completions"
    assert small.http.post(url, data=pieces(50_000), timeout=10).status_code == 200
    response = small.http.post(url, data=pieces(LIMIT), timeout=10)
    assert response.status_code == 413


def test_e13_a_bad_chunk_size_is_a_400(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(post({**AUTH, "Transfer-Encoding": "chunked"}) + b"zz\r\nhello\r\n")
        status, _, body = raw.answer()
        assert status == 400
        assert error_of(body)["type"] == "invalid_request_error"
        assert raw.closed_within(3)


def test_d6_a_body_that_drips_gets_a_408_in_time(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        began = time.monotonic()
        raw.send(post({**AUTH, "Content-Length": 1_000}) + b'{"mess')
        status, _, body = raw.answer()
        assert 0.9 < time.monotonic() - began < 1.5
        assert (status, error_of(body)["code"]) == (408, "request_timeout")
        assert raw.closed_within(3)


def test_an_endless_upload_without_a_key_holds_nobody_else_up(small: GatewayProcess) -> None:
    stop = threading.Event()

    def attack(headers: dict[str, object], piece: bytes) -> None:
        while not stop.is_set():
            with RawConnection(small) as raw:
                raw.send(post(headers))
                while not stop.is_set() and raw.send(piece):
                    pass

    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    attackers = [
        threading.Thread(target=attack, args=({"Content-Length": 50_000_000_000}, b"x" * 65_536)),
        threading.Thread(target=attack, args=({"Transfer-Encoding": "chunked"}, chunk)),
        threading.Thread(target=attack, args=({**AUTH, "Transfer-Encoding": "chunked"}, chunk)),
    ]
    for attacker in attackers:
        attacker.start()
    try:
        slowest = 0.0
        for _ in range(30):
            began = time.monotonic()
            assert small.get("/healthz").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
    finally:
        stop.set()
        for attacker in attackers:
            attacker.join()
    assert slowest < 1.0


def test_e20_script_name_from_outside_moves_no_route(small: GatewayProcess) -> None:
    for name in ("SCRIPT_NAME", "SCRIPT-NAME", "PATH_INFO"):
        response = small.get("/x/healthz", headers={name: "/x"})
        assert response.status_code == 404


def test_e23_what_a_caller_sends_breaks_no_header(small: GatewayProcess) -> None:
    response = small.chat(**{"bad\r\nX-Evil: 1": 1, "ключ": 2, "a" * 300: 3})
    assert "x-evil" not in response.headers
    assert response.headers["x-langfast-ignored-params"].isascii()


def test_e28_all_wrong_keys_get_the_same_answer(small: GatewayProcess) -> None:
    bodies = set()
    for header in (
        "",
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        "Bearer x y",
        "Bearer " + "k" * 7_000,
        KEY,
    ):
        with RawConnection(small) as raw:
            raw.send(post({"Authorization": header, "Content-Length": 2}) + b"{}")
            status, headers, body = raw.answer()
            assert status == 401
            assert headers["www-authenticate"] == "bearer"
            bodies.add(body)
    assert len(bodies) == 1


def test_e29_a_key_of_other_letters_is_wrong_and_no_crash(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(
            b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\xc3\r\n\r\n"
        )
        assert raw.answer()[0] == 401


def test_e30_a_key_in_the_query_opens_nothing_and_is_not_logged(small: GatewayProcess) -> None:
    assert (
        small.get(f"/v1/models?api_key={KEY}&x=canary", headers={"Authorization": ""}).status_code
        == 401
    )
    assert KEY not in small.log()
    assert "canary" not in small.log()


def test_e31_an_unknown_model_is_no_metric_label(small: GatewayProcess) -> None:
    name = "m" * 3_000 + "\n{}%"
    response = small.chat(model=name)
    assert response.status_code == 404
    assert len(response.json()["error"]["message"]) < 300
    assert "mmmm" not in small.get("/metrics").text
