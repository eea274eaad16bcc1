"""Workers that are killed, and workers that are told to end more than once."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import openai
import psutil
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import read_stream, steer

TEXT = "word " * 60
CONTENT = steer(TEXT, chunks=60, interval=0.04)
CLOSE = {"Connection": "close"}  # a graceful end waits for idle connections as well


@pytest.fixture
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator() as process:
        yield process


@pytest.fixture
def pair(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(
        upstream, WEB_CONCURRENCY=2, MIN_CREDENTIALS=2, MAX_CREDENTIALS=2, RUNS_PER_CREDENTIAL=40
    ) as process:
        wait_for(lambda: process.metrics()["langfast_sockets"] == 2, "both workers' sockets")
        yield process


class Caller:
    """A stream that the SDK reads, and what became of it."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._client = openai.OpenAI(base_url=gateway.api, api_key="k", max_retries=0, timeout=20)
        self._chunks: Iterator[ChatCompletionChunk] = iter(
            self._client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": CONTENT}],
                stream=True,
            )
        )
        self.text = ""
        self.finish: str | None = None
        self.error: openai.OpenAIError | None = None

    def read_one(self) -> None:
        choice = next(self._chunks).choices[0]
        self.text += choice.delta.content or ""
        self.finish = choice.finish_reason or self.finish

    def read_all(self) -> None:
        try:
            while True:
                self.read_one()
        except StopIteration:
            pass
        except openai.OpenAIError as error:
            self.error = error
        finally:
            self._client.close()


def carrying(gateway: GatewayProcess) -> dict[int, int]:
    """How many callers are connected to each worker."""
    workers = psutil.Process(gateway.process.pid).children()
    return {
        worker.pid: sum(
            one.laddr.port == gateway.port and one.status == psutil.CONN_ESTABLISHED
            for one in worker.net_connections("tcp")
        )
        for worker in workers
    }


def test_d8_a21_a_worker_that_is_killed_takes_only_its_own_streams_with_it(
    pair: GatewayProcess, upstream: EmulatorProcess
) -> None:
    pair.http.close()
    callers: list[Caller] = []
    while not (len(callers) > 5 and min(carrying(pair).values()) > 1) and len(callers) < 60:
        callers.append(Caller(pair))
        callers[-1].read_one()
    before = carrying(pair)
    victim, lost = min(before.items(), key=lambda item: item[1])
    os.kill(victim, signal.SIGKILL)
    for caller in callers:
        caller.read_all()
    broken = [caller for caller in callers if caller.error]
    whole = [caller for caller in callers if not caller.error]
    # A connection of ours, to look at the metrics, may be among those that it carried.
    assert broken
    assert lost - 1 <= len(broken) <= lost
    assert all(isinstance(caller.error, openai.APIConnectionError) for caller in broken)
    assert all(caller.finish is None for caller in broken)
    assert [(caller.text, caller.finish) for caller in whole] == [(TEXT, "stop")] * len(whole)
    # Its leases died with it; its successor has an account of its own, and serves.
    wait_for(lambda: len(carrying(pair)) == 2 and victim not in carrying(pair), "a successor")
    wait_for(lambda: pair.metrics()["langfast_sockets"] == 2, "its socket")
    wait_for(lambda: pair.metrics()["langfast_leases"] == 0, "its leases")
    assert pair.metrics()["langfast_runs_in_flight"] == 0
    assert upstream.stats()["sign_ups"] == 3
    for _ in range(10):
        pair.http.close()
        assert pair.chat("x").status_code == 200


def the_master(gateway: GatewayProcess) -> None:
    """As Dokku does, twice."""
    gateway.process.send_signal(signal.SIGTERM)


def all_processes(gateway: GatewayProcess) -> None:
    """As Heroku does."""
    os.killpg(gateway.process.pid, signal.SIGTERM)


@pytest.mark.parametrize("tell", [the_master, all_processes])
def test_d11_a_second_sigterm_cuts_no_stream_that_ends_in_time(
    upstream: EmulatorProcess, tell: Callable[[GatewayProcess], None]
) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=1, DRAIN_SECONDS=8) as gateway:
        response = gateway.chat(CONTENT, stream=True, headers=CLOSE)
        for _ in range(3):
            tell(gateway)
            time.sleep(0.3)
        stream = read_stream(response)
        assert (stream.text, stream.finish_reasons, stream.done) == (TEXT, ["stop"], True)
        assert gateway.process.wait(15) == 0


def test_d11_a_second_sigterm_neither_shortens_nor_lengthens_the_drain(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(upstream, MIN_CREDENTIALS=1, DRAIN_SECONDS=3) as gateway:
        content = steer("word " * 400, chunks=400, interval=0.05)
        response = gateway.chat(content, stream=True, headers=CLOSE)
        began = time.monotonic()
        the_master(gateway)
        time.sleep(1)
        the_master(gateway)
        stream = read_stream(response)
        assert stream.error
        assert stream.error["code"] == "shutting_down"
        assert not stream.finish_reasons
        assert 1 < time.monotonic() - began < 3.5
        assert gateway.process.wait(15) == 0
