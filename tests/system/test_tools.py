"""Tools on a model that writes plain text, with the real SDK against a real gunicorn.

Numbers are those of docs/openai-wire.md.
"""

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import read_stream, steer

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather.", "parameters": SCHEMA},
}
TIME: Any = {"type": "function", "function": {"name": "get_time"}}
TOOLS = [WEATHER, TIME]

GOOD = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
BAD = '<tool_call>{"name": "get_weather", "arguments": {"days": 2}}</tool_call>'
CLOCK = '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>'


def user(*texts: str, **steering: Any) -> Any:
    """A message that makes the model say these texts, turn by turn."""
    return [{"role": "user", "content": steer(list(texts), **steering)}]  # type: ignore[arg-type]


def ask(client: OpenAI, messages: Any, **fields: Any) -> Any:
    fields = {"model": "gpt-4o", "tools": TOOLS, **fields}
    return client.chat.completions.create(messages=messages, **fields).choices[0]


def streamed(client: OpenAI, messages: Any, **fields: Any) -> Any:
    """The same, streamed and put together by the SDK."""
    fields = {"model": "gpt-4o", "tools": TOOLS, **fields}
    with client.chat.completions.stream(messages=messages, **fields) as stream:
        return stream.get_final_completion().choices[0]


ASKING = pytest.mark.parametrize("asking", [ask, streamed], ids=["unstreamed", "streamed"])


def calls(choice: Any) -> list[tuple[str, Any]]:
    assert all(one.type == "function" for one in choice.message.tool_calls or ())
    return [
        (one.function.name, json.loads(one.function.arguments))
        for one in choice.message.tool_calls or ()
    ]


def seen(emulator: EmulatorProcess, back: int = 1) -> list[dict[str, Any]]:
    """The messages that a late run saw."""
    return list(emulator.runs()[-back]["prompt_meta"]["messages"])


# --- a round trip


@ASKING
def test_15_a_model_that_obeys_calls_and_then_tells_the_result(client: OpenAI, asking: Any) -> None:
    messages: list[Any] = [{"role": "user", "content": "How is the weather in Paris?"}]
    choice = asking(client, messages, model="auto", tools=[WEATHER])
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert calls(choice) == [("get_weather", {"city": "Paris"})]
    call = choice.message.tool_calls[0]
    assert call.id.startswith("call_")
    messages += [
        {"role": "assistant", "tool_calls": [call.model_dump(include={"id", "type", "function"})]},
        {"role": "tool", "tool_call_id": call.id, "content": "17 degrees and rain"},
    ]
    choice = asking(client, messages, model="auto", tools=[WEATHER])
    assert choice.finish_reason == "stop"
    assert "17 degrees and rain" in choice.message.content
    assert not choice.message.tool_calls


def test_the_model_is_told_past_calls_as_text(client: OpenAI, emulator: EmulatorProcess) -> None:
    history: list[Any] = [
        *user(GOOD, "In Paris: {result}."),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]
    assert ask(client, history).message.content == "In Paris: rain."
    system, question, said, result = seen(emulator)
    assert '"name":"get_weather"' in system["content"]
    assert question == history[0]
    assert said == {
        "role": "assistant",
        "content": '<tool_call>\n{"name": "get_weather", "arguments": {"city":"Paris"}}\n'
        "</tool_call>",
    }
    assert result["role"] == "user"
    assert "rain" in result["content"]
    # Without tools the past is told all the same.
    assert ask(client, history, tools=openai.omit).message.content == "In Paris: rain."
    assert {message["role"] for message in seen(emulator)} == {"system", "user", "assistant"}


@ASKING
def test_text_that_is_no_call_comes_as_it_is(client: OpenAI, asking: Any) -> None:
    text = 'No tool helps. {"name": "x"} <b>bold</b> [1]'
    choice = asking(client, user(text))
    assert (choice.message.content, choice.finish_reason) == (text, "stop")
    assert not choice.message.tool_calls


def test_text_streams_while_it_is_written_though_there_are_tools(gateway: GatewayProcess) -> None:
    content = steer("word " * 40, chunks=40, interval=0.02)
    stream = read_stream(gateway.chat(content, stream=True, tools=TOOLS))
    assert stream.text == "word " * 40
    assert len(stream.chunks) > 20


@ASKING
def test_a_call_may_stand_behind_text(client: OpenAI, asking: Any) -> None:
    choice = asking(client, user(f"Let me look.\n{GOOD}"))
    assert choice.message.content.strip() == "Let me look."
    assert calls(choice) == [("get_weather", {"city": "Paris"})]
    assert choice.finish_reason == "tool_calls"


DRIFTED = [
    '```json\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n```',
    "<tool_call>{'name': 'get_weather', 'arguments': {'city': 'Paris',}}",
    '<|tool_call|>{"name": "functions.get_weather", "parameters": {"city": "Paris"}}',
    '[TOOL_CALLS] [{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}]',
    '{"tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]}',
]


@pytest.mark.parametrize("text", DRIFTED)
def test_calls_in_other_forms_are_calls(client: OpenAI, text: str) -> None:
    for asking in (ask, streamed):
        assert calls(asking(client, user(text))) == [("get_weather", {"city": "Paris"})]


# --- the wire of a stream


def test_31_a_calls_first_delta_names_it_and_later_ones_bring_arguments(
    gateway: GatewayProcess,
) -> None:
    content = steer(f"{GOOD}\n{CLOCK}")
    options = {"include_usage": True}
    stream = read_stream(gateway.chat(content, stream=True, tools=TOOLS, stream_options=options))
    *chunks, usage = stream.chunks
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": None}
    assert deltas[-1] == {}
    fragments = [delta["tool_calls"] for delta in deltas[1:-1]]
    assert all(list(delta) == ["tool_calls"] for delta in deltas[1:-1])
    assert all(len(one) == 1 for one in fragments)
    firsts = [one for (one,) in fragments if "id" in one]
    assert [one["index"] for one in firsts] == [0, 1]
    assert all(set(one) == {"index", "id", "type", "function"} for one in firsts)
    assert [one["function"]["name"] for one in firsts] == ["get_weather", "get_time"]
    assert len({one["id"] for one in firsts}) == 2
    others = [one for (one,) in fragments if "id" not in one]
    assert all(set(one) == {"index", "function"} for one in others)
    assert all(set(one["function"]) == {"arguments"} for one in others)
    assert stream.finish_reasons == ["tool_calls"]
    assert stream.done
    unstreamed = gateway.chat(content, tools=TOOLS).json()
    assert usage["usage"] == unstreamed["usage"]
    assert usage["usage"]["prompt_tokens"] > 100, "the model was told the tools"
    assert usage["usage"]["completion_tokens"] >= 8


def test_no_two_calls_have_the_same_id(client: OpenAI) -> None:
    ids = [call.id for _ in range(3) for call in ask(client, user(GOOD + CLOCK)).message.tool_calls]
    assert len(set(ids)) == 6


# --- what is allowed


@ASKING
def test_several_calls_come_unless_parallel_ones_are_forbidden(client: OpenAI, asking: Any) -> None:
    both = user(f"{GOOD}\n{CLOCK}")
    assert [name for name, _ in calls(asking(client, both))] == ["get_weather", "get_time"]
    one = asking(client, both, parallel_tool_calls=False)  # 32
    assert calls(one) == [("get_weather", {"city": "Paris"})]


@ASKING
def test_where_a_call_is_required_words_are_asked_for_again(
    client: OpenAI, emulator: EmulatorProcess, asking: Any
) -> None:
    choice = asking(client, user("I would rather talk.", GOOD), tool_choice="required")
    assert calls(choice) == [("get_weather", {"city": "Paris"})]
    said, correction = seen(emulator)[-2:]
    assert said == {"role": "assistant", "content": "I would rather talk."}
    assert correction["role"] == "user"
    assert "Your answer could not be used" in correction["content"]


@ASKING
def test_a_named_tool_alone_is_told_and_called(
    client: OpenAI, emulator: EmulatorProcess, asking: Any
) -> None:
    named = {"type": "function", "function": {"name": "get_time"}}
    choice = asking(client, user(GOOD, CLOCK), tool_choice=named)
    assert calls(choice) == [("get_time", {})]
    assert "get_weather" not in seen(emulator)[0]["content"]


def test_allowed_tools_are_the_only_ones_that_are_told(
    client: OpenAI, emulator: EmulatorProcess
) -> None:
    tools = [{"type": "function", "function": {"name": "get_time"}}]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": tools}}
    assert calls(ask(client, user(CLOCK), tool_choice=allowed)) == [("get_time", {})]
    assert "get_weather" not in seen(emulator)[0]["content"]


@ASKING
def test_where_no_call_is_allowed_no_tool_is_told_and_all_is_text(
    client: OpenAI, emulator: EmulatorProcess, asking: Any
) -> None:
    messages = user(GOOD)
    choice = asking(client, messages, tool_choice="none")
    assert (choice.message.content, choice.finish_reason) == (GOOD, "stop")
    assert seen(emulator) == messages


# --- calls that are not valid


@ASKING
def test_arguments_that_do_not_fit_are_asked_for_again_with_the_reason(
    client: OpenAI, emulator: EmulatorProcess, asking: Any
) -> None:
    choice = asking(client, user(BAD, GOOD))
    assert calls(choice) == [("get_weather", {"city": "Paris"})]
    assert choice.message.content is None
    said, correction = seen(emulator)[-2:]
    assert said["content"] == BAD
    assert '"city" is a required property' in correction["content"]


@ASKING
def test_a_call_that_stays_wrong_is_the_text_that_it_is(client: OpenAI, asking: Any) -> None:
    choice = asking(client, user(BAD))
    assert (choice.message.content, choice.finish_reason) == (BAD, "stop")


@pytest.mark.parametrize("stream", [True, False])
def test_where_a_call_is_required_and_none_comes_it_is_a_502(
    gateway: GatewayProcess, stream: bool
) -> None:
    response = gateway.chat(steer("No."), tools=TOOLS, tool_choice="required", stream=stream)
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_no_tool_call"
    assert response.headers["x-should-retry"] == "false"
    assert gateway.metrics()['langfast_runs_total{outcome="upstream_no_tool_call"}'] >= 1


def test_with_a_budget_of_0_no_model_is_asked_twice(emulator: EmulatorProcess) -> None:
    with running_gateway(emulator, MIN_CREDENTIALS=1, REASK_BUDGET=0) as frugal:
        before = emulator.started()
        message = frugal.chat(user(BAD, GOOD)[0]["content"], tools=TOOLS).json()["choices"][0]
        assert message["message"]["content"] == BAD
        assert emulator.started() == before + 1


def test_with_a_budget_of_3_the_fourth_answer_counts(emulator: EmulatorProcess) -> None:
    with running_gateway(emulator, MIN_CREDENTIALS=1, REASK_BUDGET=3) as patient:
        texts = user(BAD, "no", CLOCK.replace("get_time", "get_nothing"), GOOD)[0]["content"]
        answer = patient.chat(texts, tools=[WEATHER], tool_choice="required").json()
        assert answer["choices"][0]["finish_reason"] == "tool_calls"


def test_a_fault_of_the_run_that_asks_again_is_the_answers_own(tmp_path: Path) -> None:
    rules = [{"match": "could not be used", "fault": "fail", "at": 0}, {"reply": BAD}]
    script = tmp_path / "replies.json"
    script.write_text(json.dumps(rules))
    with (
        running_emulator("--replies", str(script)) as failing,
        running_gateway(failing, MIN_CREDENTIALS=1) as gateway,
    ):
        for stream in (True, False):
            response = gateway.chat("hi", tools=TOOLS, stream=stream)
            assert response.status_code == 502
            assert response.json()["error"]["code"] == "upstream_run_failed"
        assert len(failing.runs()) == 4
        wait_for(lambda: gateway.metrics()["langfast_leases"] == 0, "the places to be given back")
        assert gateway.metrics()["langfast_runs_in_flight"] == 0
        assert gateway.metrics()['langfast_runs_total{outcome="upstream_run_failed"}'] == 2


def test_a_schema_that_is_none_is_a_400_before_anything_runs(
    gateway: GatewayProcess, emulator: EmulatorProcess
) -> None:
    before = emulator.started()
    bad = {"type": "function", "function": {"name": "f", "parameters": {"type": "number?"}}}
    for stream in (True, False):
        response = gateway.chat("hi", tools=[TIME, bad], stream=stream)
        assert response.status_code == 400
        error = response.json()["error"]
        assert error["code"] == "invalid_function_parameters"
        assert error["param"] == "tools[1].function.parameters"
    response = gateway.chat("hi", functions=[bad["function"]])
    assert response.json()["error"]["param"] == "functions[0].parameters"
    assert emulator.started() == before


def test_a_tool_that_is_not_there_cannot_be_chosen(gateway: GatewayProcess) -> None:
    named = {"type": "function", "function": {"name": "get_nothing"}}
    response = gateway.chat("hi", tools=TOOLS, tool_choice=named)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "tool_choice"


# --- the SDK's own shorthands, and the deprecated form


class GetWeather(BaseModel):
    """The weather."""

    city: str
    days: int


def test_the_sdk_parses_arguments_to_the_model_that_it_was_given(client: OpenAI) -> None:
    text = '<tool_call>{"name": "GetWeather", "arguments": {"city": "Rome", "days": 2}}</tool_call>'
    completion = client.chat.completions.parse(
        model="gpt-4o", messages=user(text), tools=[openai.pydantic_function_tool(GetWeather)]
    )
    (call,) = completion.choices[0].message.tool_calls or ()
    assert call.function.parsed_arguments == GetWeather(city="Rome", days=2)


def test_deprecated_functions_are_answered_in_their_own_form(
    client: OpenAI, gateway: GatewayProcess
) -> None:
    functions = [WEATHER["function"], TIME["function"]]
    choice = ask(client, user(GOOD + CLOCK), tools=openai.omit, functions=functions)
    assert choice.finish_reason == "function_call"
    assert choice.message.content is None
    assert choice.message.tool_calls is None
    assert choice.message.function_call.name == "get_weather"
    assert json.loads(choice.message.function_call.arguments) == {"city": "Paris"}
    stream = read_stream(gateway.chat(steer(GOOD), stream=True, functions=functions))
    deltas = [chunk["choices"][0]["delta"] for chunk in stream.chunks]
    assert deltas == [
        {"role": "assistant", "content": None},
        {"function_call": {"name": "get_weather", "arguments": ""}},
        {"function_call": {"arguments": '{"city":"Paris"}'}},
        {},
    ]
    assert stream.finish_reasons == ["function_call"]
    history: list[Any] = [
        *user(GOOD, "In Paris: {result}."),
        {
            "role": "assistant",
            "content": None,
            "function_call": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
        },
        {"role": "function", "name": "get_weather", "content": "rain"},
    ]
    choice = ask(client, history, tools=openai.omit, functions=functions)
    assert choice.message.content == "In Paris: rain."


def test_a_deprecated_choice_is_enforced_as_well(client: OpenAI) -> None:
    functions = [WEATHER["function"], TIME["function"]]
    choice = ask(
        client,
        user("No.", CLOCK),
        tools=openai.omit,
        functions=functions,
        function_call={"name": "get_time"},
    )
    assert choice.message.function_call.name == "get_time"
