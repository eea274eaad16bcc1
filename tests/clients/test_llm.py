"""The llm command against a real gateway, with the models file that its users write."""

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.clients.conftest import KEY
from tests.clients.python.program import Surroundings
from tests.support.gateway import GatewayProcess, wait_for
from tests.support.stream import steer

WEATHER = 'def get_weather(city: str) -> str:\n    "The weather."\n    return f"rain in {city}"\n'
MODELS = ["gateway", "gateway-responses"]


@pytest.fixture(scope="module")
def home(gateway: GatewayProcess) -> Iterator[Surroundings]:
    with Surroundings("openai3") as around:
        common: dict[str, Any] = {
            "api_base": gateway.api,
            "api_key_name": "gateway",
            "supports_tools": True,
            "supports_schema": True,
        }
        offered = [
            {"model_id": "gateway", "model_name": "auto", **common},
            {"model_id": "gateway-responses", "model_name": "auto", "responses": True, **common},
            {"model_id": "gateway-echo", "model_name": "echo", **common},
        ]
        # JSON is YAML as well.
        (around.home / "extra-openai-models.yaml").write_text(json.dumps(offered))
        around.run((str(around.bin / "llm"), "keys", "set", "gateway", "--value", KEY), check=True)
        yield around


@pytest.fixture
def llm(home: Surroundings) -> Callable[..., str]:
    """What a command prints, where it succeeds."""

    def said(*arguments: str) -> str:
        done = home.run((str(home.bin / "llm"), *arguments))
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    return said


def failing(home: Surroundings, *arguments: str) -> tuple[str, str]:
    """What a command says on stdout and stderr, where it does not."""
    done = home.run((str(home.bin / "llm"), *arguments))
    assert done.returncode == 1
    return done.stdout, done.stderr


@pytest.mark.parametrize("how", [(), ("--no-stream",)], ids=["streamed", "unstreamed"])
def test_a_prompt_is_answered(llm: Callable[..., str], how: tuple[str, ...]) -> None:
    assert llm("-m", "gateway-echo", "Grüße 👩‍👩‍👧 – ok", *how) == "Grüße 👩‍👩‍👧 – ok\n"


def test_a_conversation_goes_on_and_its_usage_is_logged(llm: Callable[..., str]) -> None:
    llm("-m", "gateway-echo", "one")
    llm("-c", "two and more")
    first, second = json.loads(llm("logs", "-n", "2", "--json"))
    assert first["response"] == "one"
    assert second["response"] == "two and more"
    assert second["input_tokens"] > first["input_tokens"] + 3, "the first turn is before it"
    assert second["output_tokens"] == 3


@pytest.mark.parametrize("model", MODELS)
def test_a_schema_is_filled(llm: Callable[..., str], model: str) -> None:
    said = llm("-m", model, "Make me a person: Zoë, 7 years old.", "--schema", "name, age int")
    assert json.loads(said) == {"name": "Zoë", "age": 7}


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_is_called_and_its_result_told(llm: Callable[..., str], model: str) -> None:
    said = llm("-m", model, 'How is the weather in "Paris"?', "--functions", WEATHER)
    assert "rain in Paris" in said


def test_a_stream_shows_text_long_before_its_end_and_ctrl_c_frees_its_place(
    home: Surroundings, gateway: GatewayProcess
) -> None:
    prompt = steer("word " * 400, chunks=400, interval=0.05)
    process = home.start((str(home.bin / "llm"), "-m", "gateway-echo", prompt))
    with process:
        assert process.stdout
        assert process.stdout.read(10) == "word word "
        assert gateway.metrics()["langfast_runs_in_flight"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(20) != 0
    wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "the place to be free", 2)


def test_a_failure_in_the_middle_is_told_and_fails_the_command(home: Surroundings) -> None:
    prompt = steer("One, two, three, and the line is dead", chunks=6, fault="fail", at=3)
    said, error = failing(home, "-m", "gateway-echo", prompt)
    assert said == "One, two, three, a"
    assert "run ended as failed" in error


def test_a_wrong_key_is_told_and_fails_the_command(home: Surroundings) -> None:
    said, error = failing(home, "-m", "gateway-echo", "hi", "--key", "wrong")
    assert not said
    assert "401" in error
    assert "API key" in error
