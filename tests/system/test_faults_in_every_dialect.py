"""What goes wrong is told in each API's own form, before a stream or within it, and costs no place.

How each fault comes about, and what is done about it, other tests look at, in one dialect.
"""

import http.client
import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from tests.support.dialects import DIALECTS, MESSAGES, RESPONSES, Dialect, Said
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import steer

TEXT = "A longer text \U0001f600 that comes in many pieces, one behind the other."
IDLE_TIMEOUT = 1.5
EVERY = pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
FORMS = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "unstreamed"])


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.01") as process:
        yield process


@pytest.fixture(scope="module")
def gateway(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(
        upstream,
        MIN_CREDENTIALS=2,
        MAX_CREDENTIALS=2,
        RUN_IDLE_TIMEOUT=IDLE_TIMEOUT,
        RUN_TIMEOUT=4,
        CONNECT_TIMEOUT=2,
        MAX_BODY_BYTES=4_000_000,
    ) as process:
        yield process


@pytest.fixture(autouse=True)
def nothing_is_left(gateway: GatewayProcess) -> Iterator[None]:
    yield
    wait_for(lambda: is_at_rest(gateway), "all places to be free")


def is_at_rest(gateway: GatewayProcess) -> bool:
    figures = gateway.metrics()
    taken = ("runs_in_flight", "leases", "queue_length")
    return not any(figures.get(f"langfast_{name}", 0) for name in taken)


def assert_refused(dialect: Dialect, said: Said, status: int, code: str | None) -> None:
    """A status, with the error in the dialect's own envelope."""
    assert (said.status, said.code) == (status, code), said
    assert said.error
    assert said.error["type"] == dialect.types[status]
    assert said.headers["x-request-id"]
    assert ("request-id" in said.headers) == (dialect is MESSAGES)


def assert_broken_off(dialect: Dialect, said: Said, text: str, code: str) -> None:
    """A stream that ends with an error, behind a beginning of the text."""
    assert (said.status, said.code) == (200, code), said
    assert said.has_failed, said
    assert text.startswith(said.text)
    assert said.error
    assert said.error["type"] in dialect.types.values()


# --- runs that fail


@EVERY
@FORMS
def test_a_run_that_fails_at_once_is_a_502(
    gateway: GatewayProcess, dialect: Dialect, stream: bool
) -> None:
    content = steer(TEXT, chunks=8, fault="fail", at=0)
    said = dialect.ask(gateway, content, stream=stream)
    assert_refused(dialect, said, 502, "upstream_run_failed")


@EVERY
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("fail", "upstream_run_failed"),
        ("rewrite", "upstream_inconsistent"),
        ("drop-for-good", "upstream_disconnected"),
        ("silent", "upstream_timeout"),
    ],
)
def test_a_stream_that_began_ends_with_an_error_event(
    gateway: GatewayProcess, dialect: Dialect, fault: str, code: str
) -> None:
    content = steer(TEXT, chunks=8, interval=0.05, fault=fault, at=3)
    said = dialect.ask(gateway, content, stream=True)
    # Where nobody says that the run is over, it fell silent.
    codes = (code, "upstream_timeout") if fault == "drop-for-good" else (code,)
    assert said.code in codes
    assert_broken_off(dialect, said, TEXT * 1000, said.code)
    assert said.text


@EVERY
def test_whole_answers_of_such_runs_are_refused_or_whole(
    gateway: GatewayProcess, dialect: Dialect
) -> None:
    def ask(fault: str) -> Said:
        return dialect.ask(gateway, steer(TEXT, chunks=8, interval=0.05, fault=fault, at=3))

    with ThreadPoolExecutor(3) as callers:
        failed, silent, rewritten = callers.map(ask, ("fail", "silent", "rewrite"))
    assert_refused(dialect, failed, 502, "upstream_run_failed")
    assert_refused(dialect, silent, 504, "upstream_timeout")
    assert rewritten.is_whole(f"~{TEXT}")


@EVERY
def test_a_model_that_loses_its_sockets_leaves_no_answer_that_looks_whole(
    gateway: GatewayProcess, dialect: Dialect
) -> None:
    said = dialect.ask(gateway, "x" * 200, stream=True, model="error-midstream")
    assert said.has_failed
    assert said.text


def test_what_failed_or_was_left_is_not_kept(gateway: GatewayProcess) -> None:
    def identity(told: bytes) -> str:
        return str(json.loads(told.split(b"data: ")[1].split(b"\n")[0])["response"]["id"])

    names = []
    for content in (
        steer(TEXT, chunks=8, fault="fail", at=3),
        steer("word " * 100, chunks=100, interval=0.05),
    ):
        with RESPONSES.raw(gateway, content, stream=True) as raw:
            told = b""
            while b"output_text.delta" not in told:
                told += raw.socket.recv(65536)
            if "fail" in content:
                while b"response.failed" not in told:
                    told += raw.socket.recv(65536)
        names.append(identity(told))
    wait_for(lambda: is_at_rest(gateway), "the second to be given up")
    statuses = [gateway.get(f"/v1/responses/{name}").status_code for name in names]
    assert statuses == [404, 404]


@EVERY
def test_a_slow_reader_gets_all_of_it_and_keeps_nobody_waiting(
    gateway: GatewayProcess, dialect: Dialect
) -> None:
    text = "".join(f"{number} äöü \U0001f600 " for number in range(60_000))
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    with closing(connection):
        content = steer(text, chunks=3, interval=0.05)
        connection.request("POST", dialect.path, dialect.body(content, stream=True))
        answer = connection.getresponse()
        said = b""
        for _ in range(50):
            said += answer.read(1024)
            assert dialect.ask(gateway, "beside").is_whole("beside")
        said += answer.read()
    assert dialect.heard(said.decode(), Said(200, {})).is_whole(text)


# --- refusals


@EVERY
@FORMS
def test_a_prompt_that_the_upstream_refuses_is_a_400(
    gateway: GatewayProcess, dialect: Dialect, stream: bool
) -> None:
    content = steer(TEXT, fault="start-400", message="no such prompt")
    said = dialect.ask(gateway, content, stream=stream)
    assert_refused(dialect, said, 400, said.code)


@EVERY
def test_an_unknown_model_and_a_body_that_is_too_large_are_told(
    gateway: GatewayProcess, dialect: Dialect
) -> None:
    assert dialect.ask(gateway, "x", model="nobody's").status == 404
    assert_refused(dialect, dialect.ask(gateway, "x", model="nobody's"), 404, "model_not_found")
    large = dialect.ask(gateway, "x" * 4_000_001)
    assert_refused(dialect, large, 413, large.code)


def test_rate_and_quota_are_told_in_every_dialect(upstream: EmulatorProcess) -> None:
    for fault, types in (
        ({"fault": "start-429", "retry_after": 30}, {"rate_limit_error"}),
        ({"fault": "start-402"}, {"insufficient_quota", "billing_error"}),
    ):
        with running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as limited:
            for dialect in DIALECTS:
                for stream in (True, False):
                    said = dialect.ask(limited, steer(TEXT, **fault), stream=stream)
                    assert said.status == 429
                    assert said.error
                    assert said.error["type"] in types
                    assert "retry-after" in said.headers or "x-should-retry" in said.headers
            wait_for(lambda one=limited: is_at_rest(one), "all places to be free")


def test_a_gateway_with_no_place_left_says_so_in_every_dialect(upstream: EmulatorProcess) -> None:
    slow = steer("word " * 200, chunks=200, interval=0.05)
    for settings in ({"MAX_RUNS": 1}, {"RUNS_PER_CREDENTIAL": 1, "QUEUE_TIMEOUT": 0.3}):
        with running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, **settings) as narrow:
            with DIALECTS[0].raw(narrow, slow, stream=True) as first:
                assert first.socket.recv(1000)
                for dialect in DIALECTS:
                    said = dialect.ask(narrow, "x", stream=dialect is not RESPONSES)
                    assert said.status in (429, 503), said
                    assert_refused(dialect, said, said.status, said.code)
                    assert int(said.headers["retry-after"]) >= 1
            wait_for(lambda: is_at_rest(narrow), "the first to be given up")


# --- the end of the service


def test_who_is_cut_off_by_the_end_of_the_service_is_told_in_time(
    upstream: EmulatorProcess,
) -> None:
    """Two seconds before it would be killed, were that to come at the end of the drain's time."""
    slow = steer("word " * 400, chunks=400, interval=0.05)
    callers = [(dialect, stream) for dialect in DIALECTS for stream in (True, False)]
    with (
        running_gateway(
            upstream, MIN_CREDENTIALS=1, DRAIN_SECONDS=5, RUNS_PER_CREDENTIAL=8
        ) as ending,
        ExitStack() as stack,
    ):
        assert DIALECTS[0].ask(ending, "now it knows that runs have ids").status == 200
        pool = stack.enter_context(ThreadPoolExecutor(len(callers)))
        moments: list[float] = []

        def ask(caller: tuple[Dialect, bool]) -> Said:
            said = caller[0].ask(ending, slow, stream=caller[1])
            moments.append(time.monotonic())
            return said

        answers = [pool.submit(ask, caller) for caller in callers]
        wait_for(
            lambda: ending.metrics()["langfast_runs_in_flight"] == len(callers), "all the runs"
        )
        time.sleep(0.2)  # until some text is there
        began = time.monotonic()
        ending.process.send_signal(signal.SIGTERM)
        for (dialect, stream), answer in zip(callers, answers, strict=True):
            said = answer.result()
            if stream:
                assert_broken_off(dialect, said, "word " * 400, "shutting_down")
                assert said.text
            else:
                assert_refused(dialect, said, 503, "shutting_down")
        assert max(moments) - began < 5
        assert ending.process.wait(15) == 0
