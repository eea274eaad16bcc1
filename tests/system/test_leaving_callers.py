"""Callers that leave, stop reading or fall silent: their places are free again soon after.

``LEAVING_CALLERS=1000`` is the long version: so many leave in each window.
"""

import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from tests.support.dialects import CHAT, DIALECTS, Dialect
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.raw import RawConnection
from tests.support.stream import steer

LEAVING = int(os.environ.get("LEAVING_CALLERS", "200"))
AT_ONCE = 100
#: What is promised: a heartbeat, or two seconds if that is less.
PROMISE = 2.0
SLACK = 0.3  # for asking, on a busy machine


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorProcess]:
    """One of our own: abandoned runs go on in it."""
    with running_emulator() as process:
        yield process


@pytest.fixture(scope="module")
def gateway(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(
        upstream,
        MIN_CREDENTIALS=2,
        MAX_CREDENTIALS=2,
        RUNS_PER_CREDENTIAL=AT_ONCE,
        HEARTBEAT_SECONDS=2,
        FIRST_BYTE_TIMEOUT=1,
        WRITE_TIMEOUT=1,
        RUN_TIMEOUT=4,
    ) as process:
        yield process


@pytest.fixture(scope="module")
def narrow(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    """With a single place."""
    with running_gateway(
        upstream,
        MIN_CREDENTIALS=1,
        MAX_CREDENTIALS=1,
        RUNS_PER_CREDENTIAL=1,
        QUEUE_TIMEOUT=30,
    ) as process:
        yield process


def asking(
    gateway: GatewayProcess, content: str, *, stream: bool, dialect: Dialect = CHAT
) -> RawConnection:
    """A caller that has asked and not read anything yet."""
    return dialect.raw(gateway, content, stream=stream)


def in_flight(gateway: GatewayProcess) -> int:
    return int(gateway.metrics()["langfast_runs_in_flight"])


def freed_after(gateway: GatewayProcess, left: int = 0) -> float:
    """Seconds until no more than ``left`` runs are in flight."""
    began = time.monotonic()
    wait_for(lambda: in_flight(gateway) <= left, "free places", 10)
    return time.monotonic() - began


def leave_suddenly(raw: RawConnection) -> None:
    """With a reset, as a program does that is killed with unread bytes."""
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raw.socket.close()


def leave_politely(raw: RawConnection) -> None:
    raw.socket.close()


EVERY = pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
LEAVE = pytest.mark.parametrize("leave", [leave_politely, leave_suddenly])
LEAVE_BOTH_WAYS = pytest.mark.parametrize(
    ("leave", "stream"), [(leave_politely, False), (leave_suddenly, True)]
)
QUIET = steer("too late", delay=20)
PACED = steer("word " * 400, chunks=400, interval=0.1)


@LEAVE_BOTH_WAYS
def test_d1_a_caller_that_leaves_while_queued_frees_its_place(
    narrow: GatewayProcess, leave: Callable[[RawConnection], None], stream: bool
) -> None:
    with asking(narrow, steer("in front " * 40, chunks=40, interval=0.1), stream=False) as first:
        wait_for(lambda: in_flight(narrow) == 1, "the run in front")
        queued = asking(narrow, "x", stream=stream)
        wait_for(lambda: narrow.metrics()["langfast_queue_length"] == 1, "a queue")
        leave(queued)
        assert freed_after(narrow, left=1) < PROMISE + SLACK
        wait_for(lambda: narrow.metrics()["langfast_queue_length"] == 0, "an empty line")
        leave(first)
    assert freed_after(narrow) < PROMISE + SLACK


@EVERY
@LEAVE_BOTH_WAYS
def test_d2_a_caller_that_leaves_before_the_first_chunk_frees_its_place(
    gateway: GatewayProcess, dialect: Dialect, leave: Callable[[RawConnection], None], stream: bool
) -> None:
    raw = asking(gateway, QUIET, stream=stream, dialect=dialect)
    wait_for(lambda: in_flight(gateway) == 1, "the run")
    leave(raw)
    assert freed_after(gateway) < PROMISE + SLACK


@EVERY
def test_d2_one_that_leaves_between_the_headers_and_the_first_chunk_as_well(
    gateway: GatewayProcess, dialect: Dialect
) -> None:
    raw = asking(gateway, QUIET, stream=True, dialect=dialect)
    assert raw.socket.recv(1000).startswith(b"HTTP/1.1 200 ")
    leave_politely(raw)
    assert freed_after(gateway) < PROMISE + SLACK


@EVERY
@LEAVE
def test_d3_a_caller_that_leaves_in_mid_stream_frees_its_place(
    gateway: GatewayProcess, dialect: Dialect, leave: Callable[[RawConnection], None]
) -> None:
    gone = outcomes(gateway, "client_gone")
    raw = asking(gateway, PACED, stream=True, dialect=dialect)
    read_until(raw, b"word")
    leave(raw)
    assert freed_after(gateway) < PROMISE + SLACK
    assert outcomes(gateway, "client_gone") == gone + 1


@EVERY
def test_d3_a_caller_that_leaves_while_its_whole_answer_grows_frees_its_place(
    gateway: GatewayProcess, upstream: EmulatorProcess, dialect: Dialect
) -> None:
    gone, before = outcomes(gateway, "client_gone"), upstream.started()
    raw = asking(gateway, PACED, stream=False, dialect=dialect)
    wait_for(lambda: upstream.started() > before, "the run")
    wait_for(lambda: upstream.runs()[-1]["events"] > 2, "some text")
    leave_politely(raw)
    assert freed_after(gateway) < PROMISE + SLACK
    assert outcomes(gateway, "client_gone") == gone + 1


def outcomes(gateway: GatewayProcess, outcome: str) -> float:
    return gateway.metrics().get(f'langfast_runs_total{{outcome="{outcome}"}}', 0)


def read_until(raw: RawConnection, words: bytes) -> None:
    said = b""
    while words not in said:
        piece = raw.socket.recv(65_536)
        assert piece, said
        said += piece


@EVERY
def test_d4_a_caller_that_stops_reading_is_cut_off_at_the_write_deadline(
    gateway: GatewayProcess, dialect: Dialect
) -> None:
    # Six bytes on the wire for one of the text: far more than both kernel buffers hold.
    text = "\u0001" * 1_300_000
    whole = outcomes(gateway, "complete")
    content = steer(text, chunks=2, interval=0)
    with asking(gateway, content, stream=True, dialect=dialect) as raw:
        read_until(raw, b"data: ")
        wait_for(lambda: in_flight(gateway) == 1, "the run")
        # A write has one second; those before it, and the text itself, take a little as well.
        assert freed_after(gateway) < PROMISE + 1
        assert outcomes(gateway, "complete") == whole
        said = b""
        try:
            while piece := raw.socket.recv(1_000_000):
                said += piece
        except ConnectionResetError:
            pass
        # Half an answer never looks whole.
        for end in (b"[DONE]", b'"finish_reason":"stop"', b"response.completed", b"message_stop"):
            assert end not in said


def test_d4_the_rest_of_the_service_goes_on_beside_one_that_stops_reading(
    gateway: GatewayProcess,
) -> None:
    text = "\u0001" * 1_300_000
    with asking(gateway, steer(text, chunks=2, interval=0), stream=True):
        wait_for(lambda: in_flight(gateway) == 1, "the run")
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            began = time.monotonic()
            assert gateway.chat("beside").status_code == 200
            assert time.monotonic() - began < 1.0
    freed_after(gateway)


def test_d5_a_half_open_caller_holds_its_place_no_longer_than_a_run_may_take(
    gateway: GatewayProcess,
) -> None:
    """Nothing comes back from it, no end and no error; what little is said fits into the kernel's
    buffers, so no write ever fails. (With more to say, D4's deadline ends it.)
    """
    with asking(gateway, PACED, stream=True) as raw:
        wait_for(lambda: in_flight(gateway) == 1, "the run")
        assert freed_after(gateway) < 4 + PROMISE
        read_until(raw, b"upstream_timeout")


# --- many at once


def windows() -> dict[str, tuple[str, bool, bytes]]:
    """What is asked, whether as a stream, and what is read before leaving."""
    return {
        "before the first event": (QUIET, True, b""),
        "mid-stream": (steer("word " * 200, chunks=200, interval=0.25), True, b"word"),
        "unstreamed": (QUIET, False, b""),
    }


def ready_times(gateway: GatewayProcess, until: Callable[[], bool]) -> Sequence[float]:
    """How long ``/readyz`` took, asked again and again meanwhile."""
    times = []
    while not until():
        began = time.monotonic()
        assert gateway.get("/readyz").status_code == 200
        times.append(time.monotonic() - began)
        assert len(times) < 2_000
    return times


@pytest.mark.parametrize("window", windows())
def test_d1_d2_d3_callers_that_leave_in_crowds_leave_nothing_behind(
    gateway: GatewayProcess, window: str
) -> None:
    content, stream, read = windows()[window]
    slowest = 0.0
    waits: list[float] = []
    for _ in range(LEAVING // AT_ONCE):
        with ExitStack() as crowd:
            callers = [
                crowd.enter_context(asking(gateway, content, stream=stream)) for _ in range(AT_ONCE)
            ]
            wait_for(lambda: in_flight(gateway) == AT_ONCE, "the crowd")
            if read:
                for caller in callers:
                    read_until(caller, read)
        left_at = time.monotonic()
        waits += ready_times(gateway, lambda: in_flight(gateway) == 0)
        slowest = max(slowest, time.monotonic() - left_at)
        assert time.monotonic() - left_at < 10
    assert slowest < PROMISE + SLACK
    assert statistics.median(waits) < 0.05
    assert statistics.quantiles([*waits, *waits], n=20)[-1] < 0.1
    wait_for(lambda: gateway.metrics()["langfast_leases"] == 0, "the leases", 5)
    wait_for(lambda: gateway.metrics()["langfast_queue_length"] == 0, "an empty line")
    assert gateway.chat("still here").json()["choices"][0]["message"]["content"] == "still here"
