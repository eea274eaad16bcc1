"""How tools are told to a model; the emulator's obedient one follows."""

from typing import Any

import pytest

from langfast_wsgi.emulator.obedient import answer
from langfast_wsgi.stages.instructions import instructed
from langfast_wsgi.stages.tool_calls import prompt
from langfast_wsgi.stages.tool_calls.reading import read
from tests.unit.stages.tool_calls.offers import ADD, PING, WEATHER, offer


def obeyed(words: str, *tools: Any, **use: Any) -> str:
    made = offer(*tools, **use)
    messages = instructed([{"role": "user", "content": words}], prompt.instructions(made))
    return answer([dict(message) for message in messages])


def called(text: str) -> list[tuple[str, Any]]:
    return [(found.name, found.arguments) for found in read(text, offer(), marked=True)]


@pytest.mark.parametrize(
    ("words", "use", "calls"),
    [
        ("How is Paris?", {}, [("get_weather", {"city": "Paris"})]),
        ("Please add numbers 2 and 300.", {}, [("add_numbers", {"a": 2, "b": 300})]),
        ("Ping Bob.", {}, [("ping", {})]),
        (
            "Use both get weather and add numbers for Oslo, 3 and 4.",
            {},
            [("get_weather", {"city": "Oslo"}), ("add_numbers", {"a": 3, "b": 4})],
        ),
        (
            "Use both get weather and add numbers for Oslo, 3 and 4.",
            {"parallel": False},
            [("get_weather", {"city": "Oslo"})],
        ),
        ("say exactly: no", {}, []),
        ("say exactly: no", {"choice": "required"}, [("get_weather", {"city": "no"})]),
        (
            "say exactly: no",
            {"choice": "required", "allowed": ["add_numbers"]},
            [("add_numbers", {"a": 1, "b": 1})],
        ),
    ],
    ids=repr,
)
def test_an_obedient_model_calls_as_it_is_told(words: str, use: dict, calls: list) -> None:
    text = obeyed(words, **use)
    assert called(text) == calls
    assert text.startswith(prompt.OPENING) is bool(calls)


def test_with_one_tool_both_means_a_call_for_each_value() -> None:
    text = obeyed("What is it like in both Rome and San José?", WEATHER)
    assert called(text) == [
        ("get_weather", {"city": "Rome"}),
        ("get_weather", {"city": "San José"}),
    ]


def test_a_tool_is_told_in_one_compact_line() -> None:
    lines = prompt.instructions(offer(WEATHER, ADD, PING)).splitlines()
    at = lines.index("<tools>")
    assert lines[at + 3] == '{"name":"ping","parameters":{"type":"object","properties":{}}}'
    assert lines[at + 1].startswith(
        '{"name":"get_weather","description":"Tells the weather in a city.","parameters":{"type":'
    )
    assert lines[at + 4] == "</tools>"


def test_only_what_may_be_called_is_told() -> None:
    told = prompt.instructions(offer(choice="required", allowed=["ping"]))
    assert "get_weather" not in told
    assert 'You must call the tool "ping" now.' in told
