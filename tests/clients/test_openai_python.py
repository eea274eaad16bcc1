"""openai-python against a real gateway: what tests/system does not do with it.

The package is that of the project's own tests; test_first_steps runs another of its major versions.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.clients.conftest import KEY
from tests.support.gateway import GatewayProcess
from tests.support.stream import steer

PERSON = "Make me a person: Zoë, 7 years old."
QUESTION = 'How is the weather in "Paris"?'


class Person(BaseModel):
    name: str
    age: int


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.api, api_key=KEY, max_retries=0) as sdk:
        yield sdk


def user(content: str) -> Any:
    return [{"role": "user", "content": content}]


# --- chat completions


def test_a_raw_response_has_its_headers_and_the_completion(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="echo", messages=user("hi"), seed=7, extra_headers={"x-request-id": "my-own-id"}
    )
    assert raw.headers["x-request-id"] == raw.request_id == "my-own-id"
    assert raw.headers["x-langfast-ignored-params"] == "seed"
    assert raw.parse().choices[0].message.content == "hi"


def test_a_streaming_response_is_read_line_by_line(client: OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model="echo", messages=user("hi"), stream=True
    ) as response:
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    first = json.loads(lines[0].removeprefix("data: "))
    assert first["object"] == "chat.completion.chunk"


def test_parse_gives_the_arguments_of_a_tool_as_a_model(client: OpenAI) -> None:
    tools = [openai.pydantic_function_tool(GetWeather)]
    answer = client.chat.completions.parse(model="auto", messages=user(QUESTION), tools=tools)
    (call,) = answer.choices[0].message.tool_calls or ()
    assert call.function.parsed_arguments == GetWeather(city="Paris")


def test_the_stream_helper_tells_a_tool_call_in_events(client: OpenAI) -> None:
    tools = [openai.pydantic_function_tool(GetWeather)]
    with client.chat.completions.stream(
        model="auto", messages=user(QUESTION), tools=tools
    ) as stream:
        events = [event.type for event in stream]
    assert "tool_calls.function.arguments.delta" in events
    assert events[-1] == "tool_calls.function.arguments.done"


def test_an_async_caller_parses_and_makes_the_round_trip_of_a_tool(gateway: GatewayProcess) -> None:
    async def round_trip() -> tuple[Any, str | None]:
        async with AsyncOpenAI(base_url=gateway.api, api_key=KEY, max_retries=0) as sdk:
            parsed = await sdk.chat.completions.parse(
                model="auto", messages=user(PERSON), response_format=Person
            )
            tools: Any = [openai.pydantic_function_tool(GetWeather)]
            messages = user(QUESTION)
            asked: dict[str, Any] = {"model": "auto", "messages": messages, "tools": tools}
            message = (await sdk.chat.completions.create(**asked)).choices[0].message
            (call,) = message.tool_calls or ()
            messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
            last = await sdk.chat.completions.create(**asked)
            return parsed.choices[0].message.parsed, last.choices[0].message.content

    parsed, last = asyncio.run(round_trip())
    assert parsed == Person(name="Zoë", age=7)
    assert "rain" in (last or "")


def test_a_copy_of_the_client_with_other_options_works(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").chat.completions.create(
            model="echo", messages=user("hi")
        )
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).chat.completions.create(model="slow", messages=user("hi"))


def test_completions_of_the_older_api_are_streamed(client: OpenAI) -> None:
    stream = client.completions.create(model="echo", prompt="Say this, all of it.", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "Say this, all of it."


# --- responses


def test_a_response_is_kept_and_can_be_gone_on_from(client: OpenAI) -> None:
    first = client.responses.create(model="echo", input=steer(["one", "two"]))
    assert first.output_text == "one"
    second = client.responses.create(model="echo", input="go on", previous_response_id=first.id)
    assert second.output_text == "two"
    assert client.responses.retrieve(second.id).output_text == "two"
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)


def test_a_response_is_parsed(client: OpenAI) -> None:
    response = client.responses.parse(model="auto", input=PERSON, text_format=Person)
    assert response.output_parsed == Person(name="Zoë", age=7)


def test_a_response_makes_the_round_trip_of_a_tool(client: OpenAI) -> None:
    tool = openai.pydantic_function_tool(GetWeather)["function"]
    tools: Any = [{"type": "function", **tool}]
    first = client.responses.create(model="auto", input=QUESTION, tools=tools)
    (call,) = (item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"city": "Paris"}
    last = client.responses.create(
        model="auto",
        tools=tools,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}],
    )
    assert "rain" in last.output_text


def test_a_streamed_response_tells_its_events_in_order(client: OpenAI) -> None:
    stream = client.responses.create(model="echo", input=steer("One, two", chunks=2), stream=True)
    events = list(stream)
    types = [event.type for event in events]
    assert (types[0], types[-1]) == ("response.created", "response.completed")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "One, two"


def test_a_response_is_read_raw(client: OpenAI) -> None:
    raw = client.responses.with_raw_response.create(model="echo", input="hi")
    assert raw.parse().output_text == "hi"
    assert raw.headers["x-request-id"]
