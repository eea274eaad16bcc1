"""JSON from a model that writes plain text, with the real SDK against a real gunicorn."""

import json
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway
from tests.support.stream import Stream, read_stream, steer


class Person(BaseModel):
    name: str
    age: int
    mood: Literal["good", "bad"] = "good"


SCHEMA: Any = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
STRICT: Any = {
    "type": "json_schema",
    "json_schema": {"name": "person", "schema": SCHEMA, "strict": True},
}
OBJECT: Any = {"type": "json_object"}
GOOD = '{"name": "Zoë", "age": 7}'
PARSED = {"name": "Zoë", "age": 7}


def user(*texts: str, **steering: Any) -> str:
    """A message, with the word json in it, that makes the model say these texts, turn by turn."""
    return steer(list(texts), nonce="json", **steering)  # type: ignore[arg-type]


def ask(client: OpenAI, *texts: str, model: str = "gpt-4o", **fields: Any) -> Any:
    messages: Any = [{"role": "user", "content": user(*texts)}]
    return client.chat.completions.create(model=model, messages=messages, **fields).choices[0]


def streamed(client: OpenAI, *texts: str, model: str = "gpt-4o", **fields: Any) -> Any:
    """The same, streamed and put together by the SDK."""
    messages: Any = [{"role": "user", "content": user(*texts)}]
    with client.chat.completions.stream(model=model, messages=messages, **fields) as stream:
        return stream.get_final_completion().choices[0]


ASKING = pytest.mark.parametrize("asking", [ask, streamed], ids=["unstreamed", "streamed"])


def deltas(stream: Stream) -> list[str]:
    found = [chunk["choices"][0]["delta"].get("content") for chunk in stream.chunks]
    return [delta for delta in found if delta]


# --- the SDK's way


def test_the_sdk_parses_an_answer_to_a_pydantic_model(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Alice is 31 years old, and her mood is bad."}]
    completion = client.chat.completions.parse(
        model="auto", messages=messages, response_format=Person
    )
    found = completion.choices[0].message
    assert found.parsed
    assert (found.parsed.name, found.parsed.age) == ("Alice", 31)
    assert found.refusal is None


def test_the_sdks_stream_helper_parses_it_too(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": user('{"name":"Zoë","age":7,"mood":"bad"}')}]
    with client.chat.completions.stream(
        model="gpt-4o", messages=messages, response_format=Person
    ) as stream:
        kinds = [event.type for event in stream]
        completion = stream.get_final_completion()
    assert completion.choices[0].message.parsed == Person(name="Zoë", age=7, mood="bad")
    assert kinds[-1] == "content.done"


def test_an_answer_that_a_limit_cuts_raises_in_the_sdk(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": user(GOOD)}]
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="gpt-4o", messages=messages, response_format=Person, max_completion_tokens=4
        )


# --- a schema


@ASKING
@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"Here you are:\n```json\n{GOOD}\n```\nAnything else?",
        "{'name': 'Zoë', age: 7,}",
        '{"name": "Zoë", "age": 7',
        f"{GOOD}\n{GOOD}",
    ],
    ids=["plain", "fenced", "drifted", "unclosed", "twice"],
)
def test_what_comes_is_json_that_fits(client: OpenAI, asking: Any, text: str) -> None:
    choice = asking(client, text, response_format=STRICT)
    assert json.loads(choice.message.content) == PARSED
    assert choice.finish_reason == "stop"


@ASKING
def test_json_that_does_not_fit_is_asked_for_again_with_the_reason(
    client: OpenAI, emulator: EmulatorProcess, asking: Any
) -> None:
    choice = asking(client, '{"name": "Zoë"}', GOOD, response_format=STRICT)
    assert json.loads(choice.message.content) == PARSED
    system, _, said, correction = emulator.runs()[-1]["prompt_meta"]["messages"]
    assert '"additionalProperties":false' in system["content"]
    assert said == {"role": "assistant", "content": '{"name": "Zoë"}'}
    assert '"age" is a required property' in correction["content"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("wanted", "text"),
    [(STRICT, '{"name": 1}'), (OBJECT, '["no", "object"]')],
    ids=["schema", "object"],
)
def test_json_that_stays_wrong_is_a_502(
    gateway: GatewayProcess, wanted: Any, text: str, stream: bool
) -> None:
    response = gateway.chat(user(text), response_format=wanted, stream=stream)
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_invalid_json"
    assert response.headers["x-should-retry"] == "false"


@ASKING
def test_words_where_a_schema_was_to_be_filled_are_a_refusal(client: OpenAI, asking: Any) -> None:
    choice = asking(client, "I would rather not.", response_format=STRICT)
    assert choice.message.refusal == "I would rather not."
    assert choice.message.content is None
    assert choice.finish_reason == "stop"


def test_a_refusal_is_no_parsed_answer(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": user("Never.")}]
    completion = client.chat.completions.parse(
        model="gpt-4o", messages=messages, response_format=Person
    )
    message = completion.choices[0].message
    assert (message.parsed, message.refusal) == (None, "Never.")


def test_with_a_budget_of_0_no_model_is_asked_twice(emulator: EmulatorProcess) -> None:
    with running_gateway(emulator, MIN_CREDENTIALS=1, REASK_BUDGET=0) as frugal:
        before = emulator.started()
        response = frugal.chat(user('{"name": 1}', GOOD), response_format=STRICT)
        assert response.status_code == 502
        assert emulator.started() == before + 1


def test_a_schema_that_is_none_is_a_400_before_anything_runs(
    gateway: GatewayProcess, emulator: EmulatorProcess
) -> None:
    before = emulator.started()
    for schema in ({"type": "nothing"}, {"$ref": "http://127.0.0.1:1/schema.json"}):
        wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        for stream in (True, False):
            response = gateway.chat("hi", response_format=wanted, stream=stream)
            assert response.status_code == 400
            error = response.json()["error"]
            assert error["code"] == "invalid_json_schema"
            assert error["param"] == "response_format.json_schema.schema"
    assert emulator.started() == before


# --- any object


def test_an_object_streams_as_it_comes_without_what_is_around_it(gateway: GatewayProcess) -> None:
    text = "Sure!\n```json\n" + json.dumps({f"key {n}": f"value {n}" for n in range(20)}) + "\n```"
    content = steer(text, chunks=40, interval=0.02, nonce="json")
    stream = read_stream(gateway.chat(content, response_format=OBJECT, stream=True))
    assert len(json.loads(stream.text)) == 20
    assert len(deltas(stream)) > 10
    assert stream.finish_reasons == ["stop"]
    unstreamed = gateway.chat(content, response_format=OBJECT).json()
    assert unstreamed["choices"][0]["message"]["content"] == stream.text


def test_an_object_that_breaks_while_it_streams_is_an_error_and_no_end(
    gateway: GatewayProcess,
) -> None:
    content = steer('{"a": "some text", "b": ?, "c": 1}', chunks=8, nonce="json")
    stream = read_stream(gateway.chat(content, response_format=OBJECT, stream=True))
    assert '{"a": "some text", "b": '.startswith(stream.text)
    assert stream.text
    assert stream.error
    assert stream.error["code"] == "upstream_invalid_json"
    assert stream.finish_reasons == []
    assert stream.done


def test_an_unstreamed_object_that_breaks_is_asked_for_again(gateway: GatewayProcess) -> None:
    content = user("no object at all", '{"a": 1}')
    answer = gateway.chat(content, response_format=OBJECT).json()
    assert answer["choices"][0]["message"]["content"] == '{"a": 1}'


def test_an_answer_that_a_limit_cuts_is_the_beginning_of_json(gateway: GatewayProcess) -> None:
    for stream in (True, False):
        response = gateway.chat(
            user(GOOD), response_format=STRICT, max_completion_tokens=5, stream=stream
        )
        if stream:
            read = read_stream(response)
            text, reasons = read.text, read.finish_reasons
        else:
            choice = response.json()["choices"][0]
            text, reasons = choice["message"]["content"], [choice["finish_reason"]]
        assert GOOD.startswith(text)
        assert reasons == ["length"]


# --- beside tools


@ASKING
def test_a_model_may_call_a_tool_first_and_fill_the_schema_then(
    client: OpenAI, asking: Any
) -> None:
    tool: Any = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
    call = '<tool_call>{"name": "look_up", "arguments": {}}</tool_call>'
    choice = asking(client, call, response_format=STRICT, tools=[tool])
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.name == "look_up"
    choice = asking(client, GOOD, response_format=STRICT, tools=[tool])
    assert json.loads(choice.message.content) == PARSED
