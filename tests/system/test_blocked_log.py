"""Whoever reads the log stands still: callers do not notice. He sees later what he missed."""

import fcntl
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psutil
import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import (
    ROOT,
    GatewayProcess,
    environment,
    free_port,
    procfile_command,
    towards,
    wait_for,
)
from tests.support.raw import RawConnection
from tests.support.stream import read_stream

NOTICE = re.compile(r"(\d+) log lines were dropped")


class PipedLog:
    """A gateway's standard error as a platform takes it: a pipe, read while ``reading``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = ""
        self.reading = Event()
        self.reading.set()
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while self.reading.wait() and (piece := os.read(self._descriptor, 4096)):
            self._text += piece.decode()

    def flush(self) -> None:
        """For GatewayProcess."""

    def seek(self, offset: int) -> None:
        """For GatewayProcess."""

    def read(self) -> str:
        """All that was read so far."""
        return self._text

    def close(self) -> None:
        """When nobody writes any more."""
        self.reading.set()
        self._thread.join(10)
        os.close(self._descriptor)


@contextmanager
def running_with_pipe(
    emulator: EmulatorProcess, **settings: object
) -> Iterator[tuple[GatewayProcess, PipedLog]]:
    port = free_port()
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with tempfile.TemporaryDirectory() as home:
        given = {"HOST": "127.0.0.1", "PORT": port, **towards(emulator), **settings}
        process = subprocess.Popen(
            procfile_command(),
            cwd=ROOT,
            env=environment(home, **given),
            stdout=subprocess.DEVNULL,
            stderr=write,
            start_new_session=True,
        )
        os.close(write)
        log = PipedLog(read)
        gateway = GatewayProcess(process, port, log)  # type: ignore[arg-type]
        gateway.http.headers["Connection"] = "close"  # a graceful end waits for idle ones
        try:
            gateway.wait_until_ready()
            yield gateway, log
        finally:
            log.reading.set()
            gateway.stop(signal.SIGQUIT)
            log.close()


def workers(gateway: GatewayProcess) -> list[int]:
    return sorted(child.pid for child in psutil.Process(gateway.process.pid).children())


def chatter(gateway: GatewayProcess, lines: int) -> float:
    """So many requests whose log lines are long; the seconds that the slowest of them took."""
    request = b"GET /healthz/%s HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\n\r\n"
    slowest = 0.0
    with RawConnection(gateway) as raw:
        for number in range(lines):
            began = time.monotonic()
            raw.send(request % (b"%06d" % number + b"p" * 190, b"a" * 195))
            assert raw.answer()[0] == 404
            slowest = max(slowest, time.monotonic() - began)
    return slowest


def numbers(text: str) -> list[int]:
    """Of the requests whose lines are in the log, in its order."""
    return [int(found) for found in re.findall(r"/healthz/(\d{6})p", text)]


def test_d19_with_a_log_that_nobody_reads_requests_are_served_as_before(
    emulator: EmulatorProcess,
) -> None:
    with running_with_pipe(emulator, MIN_CREDENTIALS=1) as (gateway, log):
        before = workers(gateway)
        log.reading.clear()
        assert chatter(gateway, 2_500) < 1.0  # more than is kept for a reader
        assert gateway.chat("x").json()["choices"][0]["message"]["content"] == "x"
        assert read_stream(gateway.chat("y", stream=True)).text == "y"
        dropped = gateway.metrics()["langfast_log_lines_dropped_total"]
        assert dropped > 100
        # A worker that is born meanwhile serves, too.
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: workers(gateway) not in ([], before), "a new worker")
        gateway.wait_until_ready()
        assert gateway.chat("z").status_code == 200
        assert len(workers(gateway)) == 1


def test_d19_a_reader_that_comes_back_gets_what_was_kept_and_is_told_what_was_not(
    emulator: EmulatorProcess,
) -> None:
    with running_with_pipe(emulator, MIN_CREDENTIALS=1) as (gateway, log):
        log.reading.clear()
        chatter(gateway, 2_500)
        dropped = gateway.metrics()["langfast_log_lines_dropped_total"]
        log.reading.set()
        wait_for(lambda: NOTICE.search(gateway.log()), "the notice")
        gateway.get("/afterwards")
        wait_for(lambda: "/afterwards" in gateway.log(), "a later line")
        found = numbers(gateway.log())
        assert found == list(range(len(found)))  # whole, once each, in their order
        told = NOTICE.search(gateway.log())
        assert told
        assert int(told[1]) >= dropped
        assert 2_500 - len(found) <= int(told[1]) <= 2_500 - len(found) + 5


@pytest.mark.parametrize("workers", [1, 2])
def test_d19_a_log_that_is_read_slowly_lacks_nothing_also_at_the_end(
    emulator: EmulatorProcess, workers: int
) -> None:
    settings = {"MIN_CREDENTIALS": workers, "WEB_CONCURRENCY": workers}
    with running_with_pipe(emulator, **settings) as (gateway, _):
        chatter(gateway, 400)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(15) == 0
        wait_for(lambda: "Shutting down: Master" in gateway.log(), "the last line")
        assert numbers(gateway.log()) == list(range(400))
        assert not NOTICE.search(gateway.log())
        assert all(line[:4].isdigit() for line in gateway.log().splitlines())
