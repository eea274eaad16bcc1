"""The store of the sign-up budget is away: who has an account is served as before.

The gateway keeps its accounts in memory, never in Redis. So an empty Redis costs no account (where
the catalogue's D16 speaks of credentials that are lost): what it loses is what was spent.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.redis_server import RedisServer, running_redis
from tests.support.stream import read_stream, steer

ADDED = 0.05  # seconds by which a request may take longer


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.002") as process:
        yield process


@pytest.fixture
def gateway(redis: RedisServer, upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    """One account that carries one run at a time; it would make more, if it might."""
    with running_gateway(
        upstream,
        REDIS_URL=redis.url,
        MIN_CREDENTIALS=1,
        MAX_CREDENTIALS=3,
        RUNS_PER_CREDENTIAL=1,
    ) as process:
        yield process


@pytest.fixture(autouse=True)
def restored(redis: RedisServer) -> Iterator[None]:
    yield
    redis.restart_empty()


def chat_seconds(gateway: GatewayProcess) -> float:
    began = time.monotonic()
    assert gateway.chat("hi").status_code == 200
    return time.monotonic() - began


def median(gateway: GatewayProcess) -> float:
    return statistics.median(chat_seconds(gateway) for _ in range(20))


def crowd(gateway: GatewayProcess) -> list[str]:
    """Five callers at once, where there is one place: reasons enough for a second account."""

    def one(number: int) -> str:
        content = steer(f"caller {number}", chunks=3, interval=0.1)
        body = {"messages": [{"role": "user", "content": content}], "stream": True}
        url = f"{gateway.api}/chat/completions"
        return read_stream(requests.post(url, json=body, stream=True, timeout=30)).text

    with ThreadPoolExecutor(5) as callers:
        return list(callers.map(one, range(5)))


CROWD = [f"caller {number}" for number in range(5)]


def refused(gateway: GatewayProcess) -> float:
    """Sign-ups that were not made for want of a proof of budget."""
    return gateway.metrics().get('langfast_sign_ups_total{result="budget_unknown"}', 0)


@pytest.mark.parametrize("away", [RedisServer.refuse, RedisServer.hang], ids=["d14", "d15"])
def test_d14_d15_without_redis_requests_are_served_and_no_account_is_made(
    gateway: GatewayProcess,
    redis: RedisServer,
    upstream: EmulatorProcess,
    away: Callable[[RedisServer], None],
) -> None:
    before = median(gateway)
    away(redis)
    assert median(gateway) - before < ADDED
    assert crowd(gateway) == CROWD
    wait_for(lambda: refused(gateway) > 0, "a sign-up that was wanted and not made")
    assert median(gateway) - before < ADDED
    assert gateway.get("/readyz").status_code == 200
    assert upstream.stats()["sign_ups"] == 1


def test_d16_a_redis_that_comes_back_empty_costs_no_account(
    gateway: GatewayProcess, redis: RedisServer, upstream: EmulatorProcess
) -> None:
    redis.restart_empty()
    for _ in range(10):
        assert gateway.chat("x").status_code == 200
    assert upstream.stats()["sign_ups"] == 1
    assert crowd(gateway) == CROWD  # and where it is wanted, there is a budget again
    wait_for(lambda: upstream.stats()["sign_ups"] > 1, "a second account")


def test_d14_a_start_without_redis_makes_no_account(
    redis: RedisServer, upstream: EmulatorProcess
) -> None:
    redis.refuse()
    with running_gateway(
        upstream, ready=False, REDIS_URL=redis.url, MIN_CREDENTIALS=1, QUEUE_TIMEOUT=0.5
    ) as gateway:
        wait_for(lambda: refused(gateway) == 1, "a refusal")
        response = gateway.chat("x")
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "no_credentials_available"
        assert int(response.headers["retry-after"]) >= 1
        assert gateway.get("/readyz").status_code == 503
        assert gateway.get("/healthz").status_code == 200
        assert upstream.stats()["sign_ups"] == 0
