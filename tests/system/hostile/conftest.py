"""A gateway with low limits, for all who send what nobody should send."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway
from tests.system.conftest import KEY

LIMIT = 100_000
AUTH = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="session")
def small(emulator: EmulatorProcess) -> Iterator[GatewayProcess]:
    """Every peer is a trusted proxy, as Heroku's buildpack has it: the more careless case."""
    with running_gateway(
        emulator,
        API_MASTER_KEY=KEY,
        MAX_BODY_BYTES=LIMIT,
        BODY_TIMEOUT=1,
        MIN_CREDENTIALS=1,
        FORWARDED_ALLOW_IPS="*",
        MEDIA_MODELS="*",
    ) as process:
        process.http.headers.update(AUTH)
        yield process
        assert process.chat("still here").json()["choices"][0]["message"]["content"] == "still here"
        assert process.metrics()["langfast_runs_in_flight"] == 0
        assert process.metrics()["langfast_queue_length"] == 0


@pytest.fixture(autouse=True)
def same_worker(small: GatewayProcess) -> Iterator[None]:
    """No request here may cost a worker its life, or be answered as a fault of our own."""
    workers, faults = worker_ids(small), server_errors(small)
    yield
    assert small.get("/v1/models").status_code == 200
    assert worker_ids(small) == workers
    assert server_errors(small) == faults


def worker_ids(gateway: GatewayProcess) -> list[int]:
    """The master's children; a worker that was replaced has another id."""
    master = gateway.process.pid
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def server_errors(gateway: GatewayProcess) -> int:
    """Answers 500, as the access log has them: gunicorn's own are in no metric of ours."""
    return gateway.log().count('" 500 ')
