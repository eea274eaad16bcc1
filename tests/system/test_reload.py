"""A reload under load: the workers are replaced, and nobody is refused, cut off or kept waiting."""

import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.raw import RawConnection, error_of, post
from tests.support.stream import steer

CLIENTS = 20
WORKERS = 2
SETTINGS = {"WEB_CONCURRENCY": WORKERS, "MIN_CREDENTIALS": 4, "MAX_CREDENTIALS": 4}
BODY = json.dumps(
    {"messages": [{"role": "user", "content": steer("still here", chunks=2, interval=0.02)}]}
).encode()


class Clients:
    """Ask for short answers all the time: half of them keep their connection, half do not."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(at,)) for at in range(CLIENTS)]
        #: What each request came to: its status, or the name of what went wrong.
        self.outcomes: list[int | str] = []

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, at: int) -> None:
        keeps = at % 2 == 0
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {} if keeps else {"Connection": "close"}
        while not self._ended.wait(0.01 * (at % 5)):
            try:
                connection.request("POST", "/v1/chat/completions", BODY, headers)
                answer = connection.getresponse()
                said = answer.read()
                whole = b"still here" in said or answer.status != 200
                self.outcomes.append(answer.status if whole else "half an answer")
            except (OSError, http.client.HTTPException) as error:
                self.outcomes.append(type(error).__name__)
                connection.close()
        connection.close()


@contextmanager
def reloaded(gateway: GatewayProcess) -> Iterator[None]:
    """New workers at the end, and none of the old ones left."""
    before = set(gateway.worker_pids())
    gateway.process.send_signal(signal.SIGHUP)
    yield
    wait_for(lambda: len(set(gateway.worker_pids()) - before) == WORKERS, "new workers")
    ended = "Worker exiting (pid: {})"
    wait_for(lambda: all(ended.format(pid) in gateway.log() for pid in before), "the old to end")


def test_a_reload_under_load_refuses_nobody_and_cuts_nobody_off(emulator: EmulatorProcess) -> None:
    with running_gateway(emulator, **SETTINGS) as gateway:
        wait_for(lambda: len(gateway.worker_pids()) == WORKERS, "the workers")
        with Clients(gateway.port) as clients:
            wait_for(lambda: len(clients.outcomes) >= 2 * CLIENTS, "the load")
            for _ in range(2):
                with reloaded(gateway):
                    pass
            served = len(clients.outcomes)
            wait_for(lambda: len(clients.outcomes) >= served + 2 * CLIENTS, "the load to go on")
    assert set(clients.outcomes) == {200}, clients.outcomes


def kept_alive(gateway: GatewayProcess) -> RawConnection:
    """A connection that has had one answer."""
    raw = RawConnection(gateway)
    assert asked(raw)[0] == 200
    return raw


def asked(raw: RawConnection) -> tuple[int, dict[str, str], bytes]:
    raw.send(post({"Content-Length": len(BODY)}) + BODY)
    return raw.answer()


@pytest.mark.parametrize(
    ("how", "status", "code"), [(signal.SIGHUP, 200, None), (signal.SIGTERM, 503, "shutting_down")]
)
def test_a_kept_connection_gets_one_more_answer_and_is_told_that_it_ends(
    emulator: EmulatorProcess, how: signal.Signals, status: int, code: str | None
) -> None:
    """It belongs to a worker that ends. While the service goes on it is served."""
    with running_gateway(emulator, **SETTINGS) as gateway, kept_alive(gateway) as raw:
        gateway.process.send_signal(how)
        time.sleep(2)  # it accepts no more by now
        found, headers, body = asked(raw)
        assert (found, headers["connection"]) == (status, "close")
        assert code is None or error_of(body)["code"] == code
        assert ("retry-after" in headers) is (code is not None)
        assert raw.closed_within(1)


def test_d10_a_worker_that_is_replaced_gives_open_streams_the_drain_and_no_more(
    emulator: EmulatorProcess,
) -> None:
    with running_gateway(emulator, **SETTINGS, DRAIN_SECONDS=4) as gateway:
        content = steer("word " * 400, chunks=400, interval=0.05)
        response = gateway.chat(content, stream=True)
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGHUP)
        lines = [line for line in response.iter_lines() if line]
        assert 2 < time.monotonic() - began < 4
        assert b'"shutting_down"' in lines[-2]
        # Its connection was kept before anybody knew: what comes over it now is told to go.
        refused = gateway.chat("x")
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        assert refused.json()["error"]["code"] == "shutting_down"
        assert gateway.chat("x").status_code == 200
