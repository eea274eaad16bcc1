"""Bytes that are no HTTP, or HTTP that may be read in two ways.

Most of it is gunicorn's to refuse. The exact statuses stand here so that no upgrade, parser or
option changes them unseen.
"""

import socket
import time
from typing import Any

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.raw import RawConnection, post
from tests.system.hostile.conftest import AUTH

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"2\r\n{}\r\n0\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100c6010000c20303") + b"\x11" * 187


def answered(gateway: GatewayProcess, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    with RawConnection(gateway) as raw:
        raw.send(sent)
        return raw.answer()


def assert_refused(gateway: GatewayProcess, sent: bytes, status: int = 400) -> None:
    """With this status, and no further byte of this connection is listened to."""
    with RawConnection(gateway) as raw:
        raw.send(sent)
        assert raw.answer()[0] == status
        assert raw.closed_within(3)


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 2",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Content-Length: -1",
        "Content-Length: +3",
        "Content-Length: 0x2",
        "Content-Length: 2.0",
        "Content-Length: ",
        "Content-Length: \xb2",
        f"Content-Length: {'9' * 5000}",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
    ],
    ids=lambda value: value[:60],
)
def test_e14_a_length_that_can_be_read_in_two_ways_is_a_400(
    small: GatewayProcess, headers: str
) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
    key = f"Authorization: {AUTH['Authorization']}\r\n\r\n"
    assert_refused(small, (head + key).encode("latin-1") + CHUNKED)


@pytest.mark.parametrize("coding", ["xchunked", "x\x85chunked", '"chunked"', "chunke\xe4"])
def test_e14_a_transfer_coding_that_nobody_knows_is_a_501(
    small: GatewayProcess, coding: str
) -> None:
    assert_refused(small, post({**AUTH, "Transfer-Encoding": coding}) + CHUNKED, 501)


def test_e14_chunks_in_http_1_0_are_a_400(small: GatewayProcess) -> None:
    head = post({**AUTH, "Transfer-Encoding": "chunked"}).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert_refused(small, head + CHUNKED)


def test_e15_headers_that_are_too_large_or_too_many_are_a_431(small: GatewayProcess) -> None:
    assert_refused(small, HEAD + b"X: " + b"a" * 9_000 + b"\r\n\r\n", 431)
    assert_refused(small, HEAD + b"a" * 9_000 + b": x\r\n\r\n", 431)
    assert_refused(small, HEAD + b"".join(b"X%d: a\r\n" % n for n in range(120)) + b"\r\n", 431)
    assert answered(small, HEAD + b"X: " + b"a" * 8_000 + b"\r\n\r\n")[0] == 200


def test_e15_headers_without_end_are_a_431(small: GatewayProcess) -> None:
    line = b": " + b"a" * 8_000 + b"\r\n"
    with RawConnection(small) as raw:
        raw.send(HEAD + b"".join(b"X%d" % number + line for number in range(120)))
        assert raw.socket.recv(100).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("length", [4_100, 5_000, 8_000])
def test_e16_a_very_long_request_line_is_a_414(small: GatewayProcess, length: int) -> None:
    assert_refused(small, b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414)


def test_e16_a_request_line_without_end_is_a_414(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(b"GET /" + b"a" * 60_000)
        assert raw.socket.recv(100).startswith(b"HTTP/1.1 414 ")


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"X: a\r\n b\r\n\r\n",
        HEAD + b"X : a\r\n\r\n",
        HEAD + b" X: a\r\n\r\n",
        HEAD + b"X: a\0b\r\n\r\n",
        HEAD + b"X: a\x1b[31mb\r\n\r\n",
        HEAD + b"X: a\x07b\r\n\r\n",
        HEAD + b"X\x80: a\r\n\r\n",
        HEAD + b"nonsense\r\n\r\n",
        HEAD + b": empty\r\n\r\n",
        HEAD + b"X: a\nY: b\r\n\r\n",
        HEAD + b"X: a\rY: b\r\n\r\n",
        HEAD + b"Host: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: x\n\n",
        b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G#T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n",
        b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /heal\x80thz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n",
        b"GET /healthz FTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda value: ascii(value.removeprefix(HEAD))[2:40],
)
def test_e17_malformed_requests_are_a_400(small: GatewayProcess, sent: bytes) -> None:
    assert_refused(small, sent)


def test_e26_pipelined_requests_are_answered_in_their_order(small: GatewayProcess) -> None:
    body = b'{"model":"echo","messages":[{"role":"user","content":"in the middle"}]}'
    with RawConnection(small) as raw:
        raw.send(
            HEAD
            + b"\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
            + post({**AUTH, "Content-Length": len(body)})
            + body
            + b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        said = b""
        while piece := raw.socket.recv(65_536):
            said += piece
    places = [said.index(words) for words in (b" 200 OK", b" 401 ", b"in the middle", b" 404 ")]
    assert places == sorted(places)
    assert said.count(b"HTTP/1.1 ") == 4


def test_e26_a_bad_request_in_a_pipeline_ends_it(small: GatewayProcess) -> None:
    with RawConnection(small) as raw:
        raw.send(HEAD + b"\r\n" + HEAD + b"X : a\r\n\r\n" + HEAD + b"\r\n")
        said = b""
        while piece := raw.socket.recv(65_536):
            said += piece
    assert said.count(b"HTTP/1.1 ") == 2
    assert said.index(b"HTTP/1.1 200 ") < said.index(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "sent",
    [
        bytes(range(256)) * 4,
        b"\xde\xad\xbe\xef\r\n\r\n",
        b"\0" * 10_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"EHLO x\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        TLS_HELLO + b"\r\n\r\n",
    ],
    ids=["all bytes", "dead beef", "zeros", "ssh", "smtp", "redis", "tls with an end"],
)
def test_e27_bytes_that_are_no_http_are_refused(small: GatewayProcess, sent: bytes) -> None:
    with RawConnection(small) as raw:
        raw.send(sent)
        assert raw.socket.recv(100).split()[1] in (b"400", b"414")
        assert raw.closed_within(3)


def test_e27_d7_what_never_becomes_a_request_is_closed_in_time(small: GatewayProcess) -> None:
    """By gunicorn's ``keepalive``, which counts from the connection on, not from the last byte."""
    starts: dict[str, bytes] = {
        "nothing": b"",
        "a TLS hello": TLS_HELLO,
        "half a line": b"GET /heal",
        "half a head": HEAD + b"X: ",
        "an end that does not come": HEAD,
        "a second request": HEAD,
    }
    connections: dict[str, Any] = {name: RawConnection(small) for name in [*starts, "dripping"]}
    began = time.monotonic()
    try:
        connections["a second request"].send(HEAD + b"\r\n")
        assert connections["a second request"].answer()[0] == 200
        for name, sent in starts.items():
            connections[name].send(sent)
        open_still = dict(connections)
        while open_still and time.monotonic() - began < 8:
            open_still.get("dripping", connections["dripping"]).send(b"A")  # a byte at a time
            open_still = {
                name: one for name, one in open_still.items() if not one.closed_within(0.05)
            }
        assert open_still == {}
        assert 4 < time.monotonic() - began < 7
    finally:
        for one in connections.values():
            one.socket.close()


def test_a_connection_that_is_reset_at_once_harms_nobody(small: GatewayProcess) -> None:
    for sent in (b"", HEAD, HEAD + b"\r\n"):
        with RawConnection(small) as raw:
            linger = b"\1\0\0\0\0\0\0\0"  # on, 0 seconds: closing sends RST
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raw.send(sent)
