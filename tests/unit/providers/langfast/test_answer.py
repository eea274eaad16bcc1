"""Reading an upstream's HTTP answer within a size and a time."""

import ssl
import time

import pytest

from langfast_wsgi.providers.langfast.answer import (
    ANSWER_BYTES,
    AnswerTooLarge,
    AnswerTooSlow,
    read,
    tls_context,
)


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
