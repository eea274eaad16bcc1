"""What everybody does first, with each of the Python clients, over each API that it speaks."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
import requests

from tests.clients.conftest import Run
from tests.clients.node.program import Facts
from tests.support.emulator import EmulatorProcess

TEXT = "Grüße aus der Küche: 😀 👩‍👩‍👧 naïve – und \u2028 auch das.\n\n```py\nprint('x')\n```"


@dataclass(frozen=True)
class Client:
    """Where it is, and as what it raises what the gateway answers."""

    environment: str
    module: str
    name: str
    bad_request: str = "openai.BadRequestError"
    wrong_key: str = "openai.AuthenticationError"
    unknown_model: str = "openai.NotFoundError"
    failed: str = "openai.InternalServerError"
    failed_in_the_middle: str = "openai.APIError"
    cut_off: str = "openai.APIConnectionError"
    cut_short: str = ""  # where that is an exception
    blocks: bool = False


PYDANTIC_AI = {
    "bad_request": "pydantic_ai.ModelRequestRejectedError",
    "wrong_key": "pydantic_ai.ModelAuthenticationError",
    "unknown_model": "pydantic_ai.ModelNotFoundError",
    "failed": "pydantic_ai.ModelServerError",
    "failed_in_the_middle": "pydantic_ai.ModelAPIError",
    "cut_off": "pydantic_ai.ModelConnectionError",
}
ANTHROPIC = {
    "bad_request": "anthropic.BadRequestError",
    "wrong_key": "anthropic.AuthenticationError",
    "unknown_model": "anthropic.NotFoundError",
    "failed": "anthropic.InternalServerError",
    "failed_in_the_middle": "anthropic.APIStatusError",
    "cut_off": "httpx2.RemoteProtocolError",
}
LITELLM = {
    "bad_request": "litellm.BadRequestError",
    "wrong_key": "litellm.AuthenticationError",
    "unknown_model": "litellm.NotFoundError",
    "failed": "litellm.BadGatewayError",
    "failed_in_the_middle": "litellm.MidStreamFallbackError",
    "cut_off": "litellm.MidStreamFallbackError",
}

CLIENTS = {
    "openai": Client("openai3", "openai_sdk", "Blocking", blocks=True),
    "openai, stream helper": Client("openai3", "openai_sdk", "StreamHelper"),
    "openai, responses": Client("openai3", "openai_sdk", "Responses"),
    "openai 2": Client(
        "openai2", "openai_sdk", "Blocking", cut_off="httpx.RemoteProtocolError", blocks=True
    ),
    "langchain": Client("openai3", "langchain_chat", "Waiting"),
    "langchain, blocking": Client("openai3", "langchain_chat", "Blocking", blocks=True),
    "langchain, responses": Client("openai3", "langchain_chat", "Responses"),
    "pydantic-ai": Client("openai3", "pydantic_ai_agent", "Chat", **PYDANTIC_AI),
    "pydantic-ai, responses": Client("openai3", "pydantic_ai_agent", "Responses", **PYDANTIC_AI),
    "pydantic-ai, anthropic": Client("openai3", "pydantic_ai_agent", "Messages", **PYDANTIC_AI),
    "agents": Client("openai3", "openai_agents", "Chat"),
    "agents, responses": Client(
        "openai3", "openai_agents", "Responses", cut_short="agents.ModelBehaviorError"
    ),
    "anthropic": Client("openai3", "anthropic_sdk", "Waiting", **ANTHROPIC),
    "anthropic, blocking": Client("openai3", "anthropic_sdk", "Blocking", **ANTHROPIC, blocks=True),
    "llm": Client("openai3", "llm_models", "Blocking", blocks=True),
    "litellm": Client("openai2", "litellm_client", "Waiting", **LITELLM),
    "litellm, blocking": Client("openai2", "litellm_client", "Blocking", **LITELLM, blocks=True),
}


NONCE = secrets.token_hex(4)


@pytest.fixture(scope="module", params=CLIENTS, ids=str)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def programs(run: Run) -> Callable[[str, str], Facts]:
    """What all clients of a module saw, from one process: to import them takes a while."""

    @cache
    def facts(environment: str, module: str) -> Facts:
        of_it = (one for one in CLIENTS.values() if one.module == module)
        names = [one.name for one in of_it if one.environment == environment]
        return run(environment, "first_steps.py", f"{NONCE} {environment}", module, *names)

    return facts


@pytest.fixture(scope="module")
def facts(client: Client, programs: Callable[[str, str], Facts]) -> Facts:
    seen = programs(client.environment, client.module)
    own = f"{client.name}."
    return Facts((name.removeprefix(own), seen[name]) for name in seen if name.startswith(own))


def starts(emulator: EmulatorProcess, client: Client, prompt: str) -> list[tuple[int, float]]:
    """The status and the time of each start of a prompt of this client."""
    label = f"{prompt} {NONCE} {client.environment} {client.module} {client.name}"
    history = requests.get(f"{emulator.url}/emulator/history", timeout=20).json()
    return [(one["status"], one["at"]) for one in history["starts"] if one["label"] == label]


def test_an_answer_has_its_text_to_the_last_character(facts: Facts) -> None:
    assert facts.value("whole")["text"] == TEXT


def test_usage_is_counted_streamed_or_not(facts: Facts) -> None:
    asked, answered = facts.value("whole")["usage"]
    streamed = facts.value("streamed")["ended"]["usage"]
    assert asked > answered > 20, "the prompt is the text and what surrounds a message"
    assert streamed[0] > asked, "the same text within a steering message"
    assert streamed[1] == answered


def test_a_stream_shows_text_long_before_its_end(facts: Facts) -> None:
    streamed = facts.value("streamed")
    assert "".join(streamed["pieces"]) == streamed["ended"]["text"] == TEXT
    assert len(streamed["pieces"]) >= 3
    assert streamed["spread"] > 0.3, "of the 1.8 s between its first text and its last"
    assert streamed["ended"]["finish"] == facts.value("whole")["finish"]


def test_an_answer_that_was_cut_short_says_so(client: Client, facts: Facts) -> None:
    if client.cut_short:
        assert client.cut_short in facts.thrown("cut_short")["kinds"]
        return
    short = facts.value("cut_short")
    assert short["text"] == "Ein Satz. "
    if facts.value("whole")["finish"]:  # some keep it to themselves
        assert short["finish"] in {"length", "max_tokens", "incomplete"}


@pytest.mark.parametrize("how", ["wrong_key", "wrong_key_streamed"])
def test_a_wrong_key_is_an_authentication_error(client: Client, facts: Facts, how: str) -> None:
    thrown = facts.thrown(how)
    assert client.wrong_key in thrown["kinds"]
    assert "API key" in thrown["message"]


def test_an_unknown_model_is_not_found(client: Client, facts: Facts) -> None:
    thrown = facts.thrown("unknown_model")
    assert client.unknown_model in thrown["kinds"]
    assert "gpt-99" in thrown["message"]


def test_a_429_is_tried_again_when_the_gateway_says(
    client: Client, facts: Facts, emulator: EmulatorProcess
) -> None:
    assert facts.value("retried")["text"].startswith("third time lucky")
    first, second, third = starts(emulator, client, "third time lucky")
    assert [status for status, _ in (first, second, third)] == [429, 429, 200]
    # Retry-After is 1; by themselves they would come back sooner.
    assert second[1] - first[1] > 0.95
    assert third[1] - second[1] > 0.95


def test_a_bad_request_is_not_tried_again(
    client: Client, facts: Facts, emulator: EmulatorProcess
) -> None:
    assert client.bad_request in facts.thrown("not_retried")["kinds"]
    assert len(starts(emulator, client, "never")) == 1


def test_a_failure_in_the_middle_of_a_stream_raises(client: Client, facts: Facts) -> None:
    seen = facts.value("failed_in_the_middle")
    assert "".join(seen["pieces"]) == "One, two, three, a"
    assert client.failed_in_the_middle in seen["thrown"]["kinds"]
    assert "run ended as failed" in seen["thrown"]["message"]
    assert seen["ended"] is None


def test_a_connection_that_is_cut_in_the_middle_raises(client: Client, facts: Facts) -> None:
    seen = facts.value("cut_off")
    assert len(seen["pieces"]) > 3
    assert client.cut_off in seen["thrown"]["kinds"]
    assert seen["ended"] is None


def test_a_failure_in_the_middle_of_an_unstreamed_answer_raises(
    client: Client, facts: Facts
) -> None:
    thrown = facts.thrown("failed_unstreamed")
    assert client.failed in thrown["kinds"]
    assert "run ended as failed" in thrown["message"]


def test_leaving_a_stream_frees_its_place(facts: Facts) -> None:
    left = facts.value("left_the_stream")
    assert left["text"].startswith("word ")
    assert left["in_flight"] == 1
    assert left["seconds"] < 2


def test_leaving_before_the_answer_frees_its_place(client: Client, facts: Facts) -> None:
    if client.blocks:
        return  # it cannot be left, but by the end of its process
    left = facts.value("left_before_the_answer")
    assert left["cancelled"]
    assert left["in_flight"] == 1
    assert left["seconds"] < 2
