"""A disk that is full or read-only: what is written there is lost, what is asked is answered.

An account of one's own costs no sign-up budget. Where accounts are made, none is made without a
place to write down that it was: no proof of budget, no sign-up.
"""

import os
import resource
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import read_stream

OWN_ACCOUNT = {
    "UPSTREAM_EMAIL": "demo@example.com",
    "UPSTREAM_PASSWORD": "demo-password",
    "MAX_CREDENTIALS": 0,
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.005") as process:
        yield process


def workers(gateway: GatewayProcess) -> list[int]:
    return [child.pid for child in psutil.Process(gateway.process.pid).children()]


def let_write(gateway: GatewayProcess, size: int) -> None:
    """To files, all processes of the gateway; 0 is as good as a full disk. Pipes and sockets do."""
    for pid in [gateway.process.pid, *workers(gateway)]:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def assert_serves(gateway: GatewayProcess) -> None:
    for number in range(5):
        text = f"number {number}"
        said = gateway.chat(text).json()["choices"][0]["message"]["content"]
        assert said == read_stream(gateway.chat(text, stream=True)).text == text
    for path in ("/healthz", "/readyz", "/metrics", "/v1/models"):
        assert gateway.get(path).status_code == 200


def test_d17_on_a_full_disk_requests_work_and_what_is_lost_is_counted(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(upstream, **OWN_ACCOUNT) as gateway:
        (worker,) = workers(gateway)
        let_write(gateway, 0)
        assert_serves(gateway)
        assert workers(gateway) == [worker]
        series = gateway.metrics()
        assert series["langfast_log_lines_dropped_total"] >= 10
        assert series['langfast_runs_total{outcome="complete"}'] == 10
        # A worker that begins on a full disk has no file to count in, and serves.
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: workers(gateway) not in ([], [worker]), "a new worker")
        gateway.wait_until_ready()
        assert_serves(gateway)
        let_write(gateway, resource.RLIM_INFINITY)
        gateway.get("/room-again")
        wait_for(lambda: "/room-again" in gateway.log(), "a log line")


def test_d17_a_folder_that_cannot_be_written_costs_the_metrics_alone(
    upstream: EmulatorProcess,
) -> None:
    folder = "/proc/self/fdinfo"  # where root cannot write either
    with running_gateway(upstream, PROMETHEUS_MULTIPROC_DIR=folder, **OWN_ACCOUNT) as gateway:
        assert_serves(gateway)
        assert "no file for metrics" in gateway.log()
        assert "Traceback" not in gateway.log()


def test_d17_without_a_place_to_write_the_budget_down_no_account_is_made(
    upstream: EmulatorProcess,
) -> None:
    before = upstream.stats()["sign_ups"]
    with running_gateway(
        upstream,
        ready=False,
        PROMETHEUS_MULTIPROC_DIR="/proc/self/fdinfo",
        MIN_CREDENTIALS=1,
        QUEUE_TIMEOUT=0.5,
    ) as gateway:
        response = gateway.chat("x")
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "no_credentials_available"
        assert gateway.get("/healthz").status_code == 200
        assert upstream.stats()["sign_ups"] == before
