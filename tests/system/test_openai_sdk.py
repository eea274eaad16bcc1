"""The real openai SDK against gunicorn started as in the Procfile."""

import asyncio
import time

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.gateway import GatewayProcess, wait_for
from tests.support.stream import steer
from tests.system.conftest import KEY

TEXT = "Grüße aus der Küche: 😀 👩‍👩‍👧 naïve – und \u2028 auch das.\n\n```py\nprint('x')\n```"


def ask(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


def test_an_unstreamed_answer_is_whole_and_counted(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=ask(TEXT))
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-4o-mini"
    assert answer.usage
    assert answer.usage.completion_tokens > 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.system_fingerprint == "emulator"
    assert answer._request_id


def test_a_streamed_answer_has_the_same_text(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=ask(TEXT), stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert len(chunks) > 3
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_stream_helper_accumulates_the_same_completion(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o", messages=ask(TEXT), stream_options={"include_usage": True}
    ) as stream:
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == TEXT
    assert completion.choices[0].message.role == "assistant"
    assert completion.usage
    assert completion.usage.total_tokens > 10


def test_async_callers_are_served_side_by_side(gateway: GatewayProcess) -> None:
    async def one(client: AsyncOpenAI, number: int) -> str:
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=ask(steer(f"number {number} " * 9, interval=0.05)), stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def everybody() -> list[str]:
        async with AsyncOpenAI(base_url=gateway.api, api_key=KEY, max_retries=0) as client:
            return list(await asyncio.gather(*(one(client, number) for number in range(30))))

    assert asyncio.run(everybody()) == [f"number {number} " * 9 for number in range(30)]


@pytest.mark.parametrize("key", ["", "wrong", "test-key", "test-key-1,test-key-2", "ключ"])
def test_a_wrong_key_raises_authentication_error(gateway: GatewayProcess, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}".encode()}
    response = gateway.chat(headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    if key.isascii() and key:
        client = OpenAI(base_url=gateway.api, api_key=key, max_retries=0)
        with client, pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="gpt-4o", messages=ask("hi"))


def test_every_configured_key_is_taken_in_any_case_of_the_scheme(gateway: GatewayProcess) -> None:
    for header in ("bearer test-key-1", "BEARER  test-key-2", "Bearer test-key-2 "):
        assert gateway.chat(headers={"Authorization": header}).status_code == 200
    assert gateway.chat(headers={"Authorization": "Basic test-key-1"}).status_code == 401


def test_an_unknown_model_raises_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-99", messages=ask("hi"))
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_a_bad_request_raises_bad_request_with_code_and_param(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=ask("hi"), temperature=3)
    assert (caught.value.code, caught.value.param) == ("decimal_above_max_value", "temperature")


def test_models_are_listed_and_retrieved(client: OpenAI) -> None:
    ids = [model.id for model in client.models.list()]
    assert ids[:3] == ["gpt-5", "gpt-5-mini", "gpt-5-nano"]
    assert {"gpt-4o-mini", "gpt-3.5-turbo", "o1", "echo", "auto", "slow"} <= set(ids)
    assert client.models.retrieve("echo").owned_by == "emulator"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no/such:model")


def test_leaving_in_the_middle_frees_the_place(client: OpenAI, gateway: GatewayProcess) -> None:
    stream = client.chat.completions.create(
        model="gpt-4o", messages=ask(steer("word " * 500, chunks=500, interval=0.05)), stream=True
    )
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    assert gateway.metrics()["langfast_runs_in_flight"] >= 1
    stream.close()
    began = time.monotonic()
    wait_for(lambda: gateway.metrics()["langfast_runs_in_flight"] == 0, "the place to be free")
    assert time.monotonic() - began < 2
    wait_for(lambda: gateway.metrics()["langfast_leases"] == 0, "the lease to be given back", 3)


def test_leaving_an_unstreamed_request_frees_the_place(gateway: GatewayProcess) -> None:
    hasty = OpenAI(base_url=gateway.api, api_key=KEY, max_retries=0, timeout=0.4)
    before = gateway.metrics().get('langfast_runs_total{outcome="client_gone"}', 0)
    with hasty, pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(model="slow", messages=ask("hi"))
    wait_for(
        lambda: (
            gateway.metrics().get('langfast_runs_total{outcome="client_gone"}', 0) == before + 1
        ),
        "the departure to be noticed",
        patience=2.5,
    )
    assert gateway.metrics()["langfast_runs_in_flight"] == 0


def test_a_run_cut_in_the_middle_raises_instead_of_ending(client: OpenAI) -> None:
    chunks = []
    stream = client.chat.completions.create(
        model="error-midstream", messages=ask("tell me"), stream=True
    )
    with pytest.raises(openai.APIError, match="lost") as caught:
        chunks.extend(stream)  # what came before the error is kept
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)
    assert caught.value.code == "upstream_disconnected"
