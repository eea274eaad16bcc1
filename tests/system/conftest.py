"""One gateway over one emulator, for the tests that leave both as they found them."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway

KEY = "test-key-1"


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.005") as process:
        yield process


@pytest.fixture(scope="session")
def gateway(emulator: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(emulator, API_MASTER_KEY=f"{KEY},test-key-2") as process:
        process.http.headers["Authorization"] = f"Bearer {KEY}"
        yield process


@pytest.fixture(scope="session")
def client(gateway: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.api, api_key=KEY, max_retries=0) as openai:
        yield openai
