"""An upstream behind TLS, as real ones are: everything that it says comes through other code."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.certificate import certificate
from tests.support.answers import ask, both
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import steer

TEXT = "Ein längerer Text mit 😀 und mehr, der in vielen Stücken kommt. "
ACCOUNTS = 2


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.01") as process:
        yield process


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@contextmanager
def through_tls(
    upstream: EmulatorProcess, pem: Path, stack: ExitStack, **settings: object
) -> Iterator[GatewayProcess]:
    """A gateway whose upstream is behind a TLS front; closing the stack takes that front away."""
    front = stack.enter_context(processes.upstream("benchmarks.proxy", upstream.url, "0", str(pem)))
    assert front.url.startswith("https:")
    addresses = {"SUPABASE_URL": front.url, "SOCKET_URL": front.url, "SSL_CERT_FILE": pem}
    counts = {"MIN_CREDENTIALS": ACCOUNTS, "MAX_CREDENTIALS": ACCOUNTS}
    with running_gateway(upstream, **{**addresses, **counts, **settings}) as gateway:
        wait_for(lambda: ready(gateway) == ACCOUNTS, "the accounts")
        yield gateway


def ready(gateway: GatewayProcess) -> int:
    return int(gateway.get("/readyz").json()["langfast"]["credentials"]["ready"])


@pytest.fixture(scope="module")
def gateway(upstream: EmulatorProcess, pem: Path) -> Iterator[GatewayProcess]:
    with ExitStack() as stack, through_tls(upstream, pem, stack) as process:
        yield process


def test_answers_come_whole_many_at_once_short_and_long(gateway: GatewayProcess) -> None:
    """The long ones are of events larger than a record of TLS."""
    texts = [TEXT * (1 + 400 * (number % 4)) for number in range(16)]

    def answer(number: int) -> bool:
        prompt = steer(texts[number], chunks=40, interval=0.005)
        return ask(gateway, prompt, stream=number % 8 < 4).is_whole(texts[number])

    with ThreadPoolExecutor(len(texts)) as callers:
        assert all(callers.map(answer, range(len(texts))))


@pytest.mark.parametrize("fault", ["drop", "kick", "close"])
def test_c5_a_lost_socket_is_replaced_and_the_run_goes_on(
    gateway: GatewayProcess, upstream: EmulatorProcess, fault: str
) -> None:
    upstream.forget()
    for answer in both(gateway, steer(TEXT, chunks=8, interval=0.1, fault=fault, at=3)):
        assert answer.is_whole(TEXT)
    assert (upstream.stats()["connects"], upstream.stats()["starts"]) == (2, 2)


def test_an_upstream_that_goes_away_in_the_middle_is_told_and_looks_whole_to_nobody(
    upstream: EmulatorProcess, pem: Path
) -> None:
    with ExitStack() as front, through_tls(upstream, pem, front) as gateway:
        with ThreadPoolExecutor(4) as callers:
            prompt = steer(TEXT * 20, chunks=200, interval=0.02)
            answers = [callers.submit(ask, gateway, prompt, stream=True) for _ in range(4)]
            wait_for(lambda: upstream.stats()["runs_active"] >= 4, "the runs")
            time.sleep(0.5)
            front.close()
            found = [answer.result() for answer in answers]
        assert {answer.code for answer in found} == {"upstream_disconnected"}
        assert not any(answer.is_whole(TEXT * 20) for answer in found)


def test_a_worker_that_is_told_to_end_ends_its_streams_and_its_sockets(pem: Path) -> None:
    with ExitStack() as stack:
        upstream = stack.enter_context(running_emulator())
        gateway = stack.enter_context(through_tls(upstream, pem, stack, DRAIN_SECONDS=3))
        with ThreadPoolExecutor(1) as callers:
            prompt = steer(TEXT * 20, chunks=400, interval=0.05)
            answer = callers.submit(ask, gateway, prompt, stream=True)
            wait_for(lambda: upstream.stats()["runs_active"] >= 1, "the run")
            gateway.stop()
            assert answer.result().code == "shutting_down"
        wait_for(lambda: not upstream.stats()["sockets_open"], "its sockets to be closed", 3)
