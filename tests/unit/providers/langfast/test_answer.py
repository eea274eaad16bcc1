"""Reading an upstream's HTTP answer within a size and a time."""

import gc
import ssl
import time
import warnings
from http.server import BaseHTTPRequestHandler

import pytest
import urllib3

from langfast_wsgi.providers.langfast.answer import (
    ANSWER_BYTES,
    AnswerCut,
    AnswerTooLarge,
    AnswerTooSlow,
    read,
    timely,
    tls_context,
)
from tests.support.builders import answer, dripping, stub_server


class Body:
    """Pieces, one for each read."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def read1(self, amt: int | None = None) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def test_an_answer_is_read_to_its_end() -> None:
    assert read(Body(b"a", b"b", b"c"), time.monotonic() + 1) == b"abc"
    assert read(Body(), time.monotonic() + 1) == b""


def test_the_largest_answer_is_taken_and_no_larger() -> None:
    half = b"x" * (ANSWER_BYTES // 2)
    assert len(read(Body(half, half), time.monotonic() + 1)) == ANSWER_BYTES
    with pytest.raises(AnswerTooLarge):
        read(Body(half, half, b"x"), time.monotonic() + 1)


def test_an_answer_that_is_not_whole_at_its_deadline_is_given_up() -> None:
    with pytest.raises(AnswerTooSlow):
        read(Body(b"a", b"b"), time.monotonic() - 1)


def test_there_is_one_tls_context_and_it_verifies() -> None:
    context = tls_context()
    assert context is tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50


# --- connections whose timeout is one for the whole answer


def get(manager: urllib3.PoolManager, url: str, timeout: float) -> urllib3.BaseHTTPResponse:
    options = {"preload_content": False, "retries": False, "redirect": False}
    return manager.request("GET", url, timeout=urllib3.Timeout(total=timeout), **options)  # type: ignore[arg-type]


def test_p11_b15_a_timeout_bounds_an_answer_that_drips() -> None:
    begun = time.monotonic()
    with stub_server(dripping) as server, timely(urllib3.PoolManager()) as manager:
        response = get(manager, server.url, 0.3)
        with pytest.raises(AnswerCut) as caught:
            read(response, begun + 60)
        response.close()
    assert isinstance(caught.value.__cause__, urllib3.exceptions.ReadTimeoutError)
    assert 0.29 <= time.monotonic() - begun < 1.0


def test_p11_b15_a_timeout_bounds_an_answer_that_drips_and_then_stalls() -> None:
    def drips_and_stalls(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(16):
            time.sleep(0.05)
            handler.wfile.write(b" ")
            handler.wfile.flush()
        time.sleep(2.0)

    begun = time.monotonic()
    with stub_server(drips_and_stalls) as server, timely(urllib3.PoolManager()) as manager:
        response = get(manager, server.url, 1.0)
        with pytest.raises(AnswerCut):
            read(response, begun + 60)
        response.close()
        assert 0.99 <= time.monotonic() - begun < 1.6


def test_a_connection_serves_again_and_has_a_deadline_of_its_own_each_time() -> None:
    with stub_server(answer(200, b"whole")) as server, timely(urllib3.PoolManager()) as manager:
        for _ in range(3):
            response = get(manager, server.url, 0.4)
            assert read(response, time.monotonic() + 1) == b"whole"
            response.release_conn()
            time.sleep(0.2)


def test_nothing_is_left_open() -> None:
    with warnings.catch_warnings(), stub_server(answer(200, b"whole")) as server:
        warnings.simplefilter("error", ResourceWarning)
        with timely(urllib3.PoolManager()) as manager:
            response = get(manager, server.url, 5.0)
            response.close()
            del response
        gc.collect()


def test_without_a_timeout_there_is_no_deadline() -> None:
    with stub_server(answer(200, b"whole")) as server, timely(urllib3.PoolManager()) as manager:
        response = manager.request("GET", server.url, timeout=None, retries=False)
        assert response.data == b"whole"
