"""Every check of ``doctor --conformance`` can fail: against servers that break one rule each."""

from collections.abc import Iterator

import pytest

from langfast_wsgi.cli.conformance.check import Check, Result, carried_out
from langfast_wsgi.cli.conformance.server import Server
from langfast_wsgi.cli.conformance.suite import CHECKS
from langfast_wsgi.cli.steps import Mark
from tests.integration.conformance import answers, flow, refused, streams
from tests.integration.conformance.twists import Break
from tests.support.crooked import Crook, crooked
from tests.support.emulator import running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for

KEY = "crooked-key"
BREAKS = (*answers.BREAKS, *streams.BREAKS, *flow.BREAKS, *refused.BREAKS)
ACCOUNTS = 9  # each refused one rests for a minute


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    with (
        running_emulator("--interval", "0.002") as emulator,
        running_gateway(
            emulator,
            API_MASTER_KEY=KEY,
            MIN_CREDENTIALS=ACCOUNTS,
            HEARTBEAT_SECONDS=1,
            RUN_IDLE_TIMEOUT=4,
            KNOWN_MODELS="gpt-4o-mini,org/model:free",
        ) as process,
    ):
        process.http.headers["Authorization"] = f"Bearer {KEY}"
        wait_for(lambda: _ready(process) >= ACCOUNTS, "all accounts")
        yield process


def _ready(gateway: GatewayProcess) -> int:
    return int(gateway.get("/readyz").json()["langfast"]["credentials"]["ready"])


def examined(gateway: GatewayProcess, number: int, crook: Crook) -> Result:
    check = next(one for one in CHECKS if one.number == number)
    with crooked(gateway.url, crook) as url:
        return carried_out(check, Server(f"{url}/v1", KEY, None))


@pytest.mark.parametrize("broken", BREAKS, ids=str)
def test_a_server_that_breaks_the_rule_fails_the_check(
    gateway: GatewayProcess, broken: Break
) -> None:
    result = examined(gateway, broken.number, broken.crook)
    assert result.mark is Mark.FAILED, result.text
    assert result.expected
    assert "the check itself failed" not in result.text
    assert KEY not in result.text


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.number))
def test_the_same_server_with_nothing_broken_passes(gateway: GatewayProcess, check: Check) -> None:
    result = examined(gateway, check.number, Crook())
    assert result.mark is Mark.PASSED, (result.text, result.expected)


def test_there_are_all_65_checks_and_each_is_seen_to_fail() -> None:
    assert [check.number for check in CHECKS] == list(range(1, 66))
    assert {one.number for one in BREAKS} == set(range(1, 66))
