"""Tool calls and JSON for one request, on the emulator's obedient model."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.conversation.events import Event, Text
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.emulator.obedient import answer
from langfast_wsgi.errors import BadRequest
from langfast_wsgi.stages.emulation import Emulation, emulation_of
from langfast_wsgi.stages.json_output.form import Form
from langfast_wsgi.stages.length import limited
from langfast_wsgi.stages.stop import stopped
from langfast_wsgi.stages.tool_calls import prompt
from tests.unit.stages.json_output.test_form import PERSON
from tests.unit.stages.streams import calls_of, cut, reason_of, text_of
from tests.unit.stages.tool_calls.offers import WEATHER, offer

CALLED = [
    {"role": "user", "content": "How is Paris?"},
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
]


def user(words: str) -> dict[str, Any]:
    return {"role": "user", "content": words}


class Model:
    """The obedient model, or what it is told to say first."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked: list[Sequence[Any]] = []

    def __call__(self, messages: Sequence[Any]) -> Iterator[Event]:
        self.asked.append(messages)
        text = self.texts.pop(0) if self.texts else answer([dict(one) for one in messages])
        yield from cut(text, range(0, len(text), 7))


def run(emulation: Emulation, model: Model | None = None, budget: int = 1) -> list[Event]:
    return list(emulation.run(model or Model(), budget))


def test_a_round_trip_with_a_tool() -> None:
    said = run(Emulation([user("How is Paris?")], offer=offer(WEATHER), streamed=True))
    assert calls_of(said) == [("get_weather", '{"city":"Paris"}')]
    assert reason_of(said) == "tool_calls"
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny, 21 °C"}
    said = run(Emulation([*CALLED, result], offer=offer(WEATHER), streamed=True))
    assert text_of(said) == "The tool says: sunny, 21 °C"
    assert reason_of(said) == "stop"


def test_an_invalid_call_is_asked_for_again() -> None:
    model = Model('<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>')
    said = run(Emulation([user("How is Paris?")], offer=offer(WEATHER)), model)
    assert [name for name, _ in calls_of(said)] == ["get_weather"]
    assert len(model.asked) == 2
    assert '"city" is a required property' in model.asked[1][-1]["content"]


def test_json_of_a_schema() -> None:
    said = run(Emulation([user("Alice is 30.")], form=Form(PERSON), streamed=True))
    assert json.loads(text_of(said)) == {"name": "Alice", "age": 30}


def test_json_that_does_not_fit_is_asked_for_again() -> None:
    model = Model('{"name": "Alice"}')
    said = run(Emulation([user("Alice is 30.")], form=Form(PERSON)), model)
    assert set(json.loads(text_of(said))) == {"name", "age"}
    assert len(model.asked) == 2


def test_a_tool_is_called_first_and_the_answer_is_json_then() -> None:
    both: dict[str, Any] = {"offer": offer(WEATHER), "form": Form(PERSON)}
    said = run(Emulation([user("How is Paris?")], **both))
    assert calls_of(said) == [("get_weather", '{"city":"Paris"}')]
    result = {"role": "tool", "tool_call_id": "call_1", "content": "name: Zoë, age: 9"}
    said = run(Emulation([*CALLED, result], **both))
    assert json.loads(text_of(said)) == {"name": "Zoë", "age": 9}


def test_either_judge_may_ask_again() -> None:
    both: dict[str, Any] = {"offer": offer(WEATHER), "form": Form(PERSON)}
    model = Model("words", '<tool_call>{"name": "nothing"}</tool_call>', '{"name": "x", "age": 1}')
    assert text_of(run(Emulation([user("Hi")], **both), model, 2)) == '{"name": "x", "age": 1}'
    assert len(model.asked) == 3


def test_json_streams_only_where_the_answer_is_streamed() -> None:
    for streamed in (True, False):
        emulation = Emulation([user("Say json")], form=Form(), streamed=streamed)
        said = run(emulation, Model('{"a": "some text that is long"}'))
        assert (len([one for one in said if isinstance(one, Text)]) > 1) is streamed


def test_past_calls_are_told_as_text_even_where_no_tool_may_be_called() -> None:
    result = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
    for emulation in (
        Emulation([*CALLED, result], offer=offer(WEATHER, choice="none")),
        Emulation([*CALLED, result]),
    ):
        model = Model()
        assert text_of(run(emulation, model)) == "The tool says: rain"
        (messages,) = model.asked
        assert messages[0] == {"role": "system", "content": prompt.NO_TOOLS}
        assert {message["role"] for message in messages} == {"system", "user", "assistant"}


def test_a_conversation_without_any_of_it_stays_the_callers_own() -> None:
    messages = [user("Hi")]
    emulation = Emulation(messages, offer=offer(WEATHER, choice="none"))
    assert emulation.messages is messages
    assert text_of(run(emulation, Model("Hello"))) == "Hello"


# --- what a request asks for

USE = ToolUse([Tool("f", parameters={"type": "object"})])


@pytest.mark.parametrize(
    "request_",
    [
        RunRequest("m", [user("Hi")], stop=("x",), max_completion_tokens=5),
        RunRequest("m", [user("Hi"), {"role": "assistant", "content": "", "tool_calls": []}]),
        RunRequest("m", []),
    ],
    ids=["limits", "no calls", "nothing"],
)
def test_what_a_runner_can_do_by_itself_is_not_emulated(request_: RunRequest) -> None:
    assert emulation_of(request_, streamed=True) is None


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (RunRequest("m", [user("Hi")], tools=USE), "<tools>"),
        (RunRequest("m", [user("Hi")], json=True), "one JSON object"),
        (RunRequest("m", [user("Hi")], json=True, json_schema=PERSON), "JSON Schema"),
        (RunRequest("m", CALLED), "You cannot call tools any more."),
    ],
    ids=["tools", "object", "schema", "past calls"],
)
def test_what_it_cannot_do_is_told_to_the_model(request_: RunRequest, told: str) -> None:
    emulation = emulation_of(request_, streamed=True)
    assert emulation
    assert told in emulation.messages[0]["content"]


def test_tools_that_may_not_be_called_are_not_told() -> None:
    request = RunRequest("m", [user("Hi")], tools=ToolUse(USE.tools, "none"))
    emulation = emulation_of(request, streamed=True)
    assert emulation
    assert emulation.messages is request.messages


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (
            RunRequest("m", [], tools=ToolUse([Tool("f", None, {"type": 7})], place="t[{}].p")),
            "t[0].p",
        ),
        (
            RunRequest("m", [], json=True, json_schema={"type": 7}, json_place="text.format"),
            "text.format",
        ),
    ],
    ids=["tool", "format"],
)
def test_a_bad_schema_is_named_as_the_dialect_names_it(request_: RunRequest, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        emulation_of(request_, streamed=False)
    assert caught.value.param == param


def test_a_stop_sequence_ends_text_and_no_call() -> None:
    emulation = Emulation([user("How is Paris?")], offer=offer(WEATHER))
    said = list(stopped(emulation.run(Model(), 1), ["\n", "tool"]))
    assert calls_of(said) == [("get_weather", '{"city":"Paris"}')]
    said = list(stopped(emulation.run(Model("One.\nTwo."), 1), ["\n", "tool"]))
    assert (text_of(said), reason_of(said)) == ("One.", "stop")


def test_a_limit_holds_for_each_answer_and_what_it_cuts_is_not_asked_for_again() -> None:
    model = Model('<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>')
    emulation = Emulation([user("How is Paris?")], offer=offer(WEATHER, choice="required"))
    said = list(emulation.run(lambda messages: limited(model(messages), 8), 1))
    assert reason_of(said) == "length"
    assert calls_of(said) == []
    assert len(model.asked) == 1
