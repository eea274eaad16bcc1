"""Bodies that are too large, too slow, compressed or badly cut into pieces."""

import gzip
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess
from tests.support.raw import RawConnection, error_of, post
from tests.system.hostile.conftest import AUTH, LIMIT

GOOD = b'{"messages":[{"role":"user","content":"x"}]}'


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


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


def test_e11_a_body_of_just_the_limit_is_taken(small: GatewayProcess) -> None:
    body = GOOD + b" " * (LIMIT - len(GOOD))
    url = f"{small.api}/chat/completions"
    assert small.http.post(url, data=body, timeout=10).status_code == 200
    assert small.http.post(url, data=body + b" ", timeout=10).status_code == 413


def test_e12_a_chunked_body_is_taken_up_to_the_limit_and_never_cut(small: GatewayProcess) -> None:
    def pieces(size: int) -> Iterator[bytes]:
        yield b'{"messages":[{"role":"system","content":"'
        for _ in range(size // 1_000):
            yield b"y" * 1_000
        yield b'"},{"role":"user","content":"x"}]}'

    url = f"{small.api}/chat/completions"
    assert small.http.post(url, data=pieces(50_000), timeout=10).status_code == 200
    response = small.http.post(url, data=pieces(LIMIT), timeout=10)
    assert response.status_code == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x-unknown", "gzip, identity"])
def test_e12_a_body_with_a_content_encoding_is_a_415(
    small: GatewayProcess, emulator: EmulatorProcess, encoding: str
) -> None:
    before = emulator.stats()["starts"]
    response = small.http.post(
        f"{small.api}/chat/completions",
        data=gzip.compress(GOOD),
        headers={"Content-Encoding": encoding},
        timeout=10,
    )
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_media_type"
    assert emulator.stats()["starts"] == before


def test_e12_a_body_that_is_compressed_for_the_transfer_is_a_415(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(post({**AUTH, "Transfer-Encoding": "gzip, chunked"}))
        raw.send(chunked(gzip.compress(GOOD)))
        status, _, body = raw.answer()
        assert (status, error_of(body)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "sent",
    [
        b"zz\r\nhello\r\n",
        b"-1\r\n",
        b"+2\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"2 \r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}??0\r\n\r\n",
        b"\r\n",
        b"2;" + b"e" * 20_000,
    ],
    ids=range(8),
)
def test_e13_a_bad_chunk_size_is_a_400_and_the_end_of_the_connection(
    small: GatewayProcess, sent: bytes
) -> None:
    with RawConnection(small) as raw:
        raw.send(post({**AUTH, "Transfer-Encoding": "chunked"}) + sent)
        status, _, body = raw.answer()
        assert status == 400
        assert error_of(body)["type"] == "invalid_request_error"
        assert raw.closed_within(3)


@pytest.mark.parametrize("sent", [b"2\n{}\n0\n\n", b"f" * 40 + b"\r\n"], ids=["no CR", "huge"])
def test_e13_a_chunk_that_never_ends_is_a_408_and_takes_no_memory(
    small: GatewayProcess, sent: bytes
) -> None:
    with RawConnection(small) as raw:
        raw.send(post({**AUTH, "Transfer-Encoding": "chunked"}) + sent)
        status, _, body = raw.answer()
        assert (status, error_of(body)["code"]) == (408, "request_timeout")
        assert raw.closed_within(3)


def test_d6_a_body_that_drips_gets_a_408_in_time(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        began = time.monotonic()
        raw.send(post({**AUTH, "Content-Length": 1_000}) + b'{"mess')
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.1):
                raw.send(b" ")  # one byte at a time, so that no single read takes long

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            status, _, body = raw.answer()
            assert 0.9 < time.monotonic() - began < 2
        finally:
            stop.set()
            dripping.join()
        assert (status, error_of(body)["code"]) == (408, "request_timeout")
        assert raw.closed_within(3)


def test_d6_a_length_beyond_what_is_sent_gets_a_408_in_time(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        began = time.monotonic()
        raw.send(post({**AUTH, "Content-Length": len(GOOD) + 1}) + GOOD)
        status, _, body = raw.answer()
        assert 0.9 < time.monotonic() - began < 2
        assert (status, error_of(body)["code"]) == (408, "request_timeout")


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
