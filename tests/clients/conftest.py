"""One gateway over one emulator for the Python clients, which leave both as they found them."""

from collections.abc import Callable, Iterator

import pytest

from tests.clients.node.program import Facts
from tests.clients.python.program import Surroundings, run_program
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.fault_proxy import running_proxy
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.toxics import LimitData

KEY = "test-key-1"
CUT_AFTER = 8000  # bytes, head and first events included

Run = Callable[..., Facts]


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.005") as process:
        yield process


@pytest.fixture(scope="session")
def gateway(emulator: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(emulator, API_MASTER_KEY=KEY) as process:
        process.http.headers["Authorization"] = f"Bearer {KEY}"
        yield process


@pytest.fixture(scope="session")
def cut(gateway: GatewayProcess) -> Iterator[str]:
    """A base URL that leads to the gateway, over connections that end in the middle of a stream."""
    with running_proxy(gateway.url) as proxy:
        proxy.add(LimitData(CUT_AFTER))
        yield f"{proxy.url}/v1"


@pytest.fixture(scope="session")
def run(gateway: GatewayProcess, cut: str) -> Run:
    """Runs a program of an environment against the gateway."""

    def facts(environment: str, *program: str) -> Facts:
        return run_program(Surroundings(environment, gateway.api, cut, KEY), *program)

    return facts
