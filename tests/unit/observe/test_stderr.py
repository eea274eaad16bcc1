"""The handler of all records: what is kept back arrives later, what is lost is told."""

import fcntl
import io
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from langfast_wsgi.observe import metrics
from langfast_wsgi.observe.stderr import StandardError
from tests.support.builders import ROOT


@contextmanager
def narrow() -> Iterator[int]:
    """The reading end of a pipe of one page, which is standard error meanwhile.

    No fixture: pytest puts its own standard error in place when a test begins.
    """
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(write, "w") as stream, redirect_stderr(stream):
        yield read
    os.close(read)


Logger = tuple[logging.Logger, StandardError]


@pytest.fixture
def logger() -> Iterator[Logger]:
    handler = StandardError()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log = logging.Logger("of nobody")  # pytest's own handlers do not know it
    log.addHandler(handler)
    yield log, handler
    handler.close()


class Reader:
    """Reads a descriptor to a string, beside the test."""

    def __init__(self, descriptor: int) -> None:
        self.text = ""
        self._descriptor = descriptor
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while piece := os.read(self._descriptor, 65536):
                self.text += piece.decode()
        except OSError:
            pass

    def wait_for(self, words: str) -> str:
        until = time.monotonic() + 10
        while words not in self.text:
            assert time.monotonic() < until, f"no {words!r} in {self.text[-500:]!r}"
            time.sleep(0.01)
        return self.text


def test_d19_lines_that_were_kept_arrive_without_another_record(logger: Logger) -> None:
    with narrow() as read:
        for number in range(1000):
            logger[0].warning("line %04d %s", number, "x" * 50)
        text = Reader(read).wait_for("line 0999")
    assert [line[:17] for line in text.splitlines()] == [
        f"WARNING line {number:04}" for number in range(1000)
    ]


def test_d19_lost_lines_are_counted_and_told(logger: Logger) -> None:
    before = metrics.LOG_LINES_DROPPED._value.get()
    with narrow() as read:
        for number in range(1200):
            logger[0].warning("line %04d %s", number, "x" * 985)
        lost = metrics.LOG_LINES_DROPPED._value.get() - before
        assert 100 < lost < 200  # a page and a mebibyte were not
        text = Reader(read).wait_for("were dropped")
    assert f"WARNING {lost:.0f} log lines were dropped" in text
    assert len(text.splitlines()) == 1200 - lost + 1


def test_where_there_is_no_descriptor_the_stream_is_written(logger: Logger) -> None:
    with redirect_stderr(io.StringIO()) as stream:
        logger[0].warning("words")
    assert stream.getvalue() == "WARNING words\n"


@pytest.mark.parametrize("stream", [None, "closed"])
def test_where_there_is_nothing_at_all_nothing_happens(logger: Logger, stream: str | None) -> None:
    closed = io.StringIO()
    closed.close()
    with redirect_stderr(closed if stream else None):
        logger[0].warning("words")


def test_a_call_whose_arguments_do_not_fit_is_told_and_goes_no_further(
    logger: Logger,
) -> None:
    with narrow() as read:
        logger[0].warning("%d apples", "Bearer opaque")
        text = os.read(read, 65536).decode()
    assert "could not be formatted: '%d apples'" in text
    assert "opaque" not in text


@pytest.mark.parametrize("patched", [False, True], ids=["threads", "greenlets"])
def test_d19_at_the_end_of_a_process_nothing_is_lost_on_a_slow_reader(patched: bool) -> None:
    script = f"""
if {patched}:
    from gevent import monkey
    monkey.patch_all()
import logging
from langfast_wsgi.observe.stderr import StandardError
logging.basicConfig(handlers=[StandardError()])
for number in range(3000):
    logging.warning("line %d %s", number, "x" * 80)
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE)
    assert process.stderr
    text = b""
    while piece := os.read(process.stderr.fileno(), 8192):
        text += piece
        time.sleep(0.002)
    assert process.wait(10) == 0
    process.stderr.close()
    assert [int(line.split()[1]) for line in text.decode().splitlines()] == list(range(3000))


def test_its_repr_is_one_line(logger: Logger) -> None:
    assert repr(logger[1]) == "<StandardError None>"
    with narrow():
        logger[0].warning("x")
    assert repr(logger[1]) == "<StandardError <Sink 0 lines kept, 0 dropped>>"
