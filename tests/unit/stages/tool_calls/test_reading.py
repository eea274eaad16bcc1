"""The calls in an answer that calls."""

import json
import time
from typing import Any

import pytest

from langfast_wsgi.stages.tool_calls.reading import bare_arguments, read
from tests.unit.stages.tool_calls.offers import WEATHER, offer

PARIS = [("get_weather", {"city": "Paris"})]
CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
ROME = '{"name": "get_weather", "arguments": {"city": "Rome"}}'


def found(text: str, *, marked: bool = True, cut: bool = False) -> list[tuple[str, Any]]:
    calls = read(text, offer(), marked=marked, cut=cut)
    return [(call.name, call.arguments) for call in calls]


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tool_call>{CALL}",
        f"<tool_call>\n{CALL}\n</tool_calls>\n\nI wait for the result.",
        f"<tool_call>\n```json\n{CALL}\n```\n</tool_call>",
        f"```json\n{CALL}\n```",
        f"[TOOL_CALLS] [{CALL}]",
        f"<|tool_call|>{CALL}<|/tool_call|>",
        f"TOOL_CALL: {CALL}",
        f'{{"tool_calls": [{CALL}]}}',
        f'{{"function_call": {CALL}}}',
        f"<tool_call>\n{CALL[:-1]}\n</tool_call>",
        f"<tool_call>\n{CALL[:-2]}\n</tool_call>",
        "<tool_call>\n{'name': 'get_weather', 'arguments': {'city': 'Paris'}}\n</tool_call>",
        '<tool_call>\n{name: "get_weather", arguments: {city: "Paris",},}\n</tool_call>',
        '<tool_call>\n{"name": "get_weather" "arguments": {"city": "Paris"}}\n</tool_call>',
        '<tool_call>\n{"name": "get_weather", "city": "Paris"}\n</tool_call>',
        '<tool_call>\n{"get_weather": {"city": "Paris"}}\n</tool_call>',
        '<function=get_weather>{"city": "Paris"}</function>',
        '<invoke name="get_weather">\n{"city": "Paris"}\n</invoke>',
        '<tool_call name="get_weather">{"city": "Paris"}</tool_call>',
        '{"tool": "get_weather", "input": {"city": "Paris"}}',
        '{"action": "get_weather", "action_input": {"city": "Paris"}}',
        '{"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}',
        '{"id": "call_1", "type": "function", "function": '
        '{"name": "get_weather", "arguments": {"city": "Paris"}}}',
        f"<tool_call>{CALL}</tool_call>\n<tool_response>\n{ROME}\n</tool_response>",
        f'<tool_call>{CALL}</tool_call>\nThe result is {{"temp": 21}}.\n<tool_call>{ROME}',
    ],
)
def test_a_call_is_found_in_whatever_form(text: str) -> None:
    assert found(text) == PARIS


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{ROME}\n</tool_call>",
        f"<tool_call>{CALL}</tool_call> and <tool_call>{ROME}</tool_call>",
        f"<tool_call>\n{CALL}\n{ROME}\n</tool_call>",
        f"<tool_call>\n{CALL},\n{ROME}\n</tool_call>",
        f"<tool_call>[{CALL}, {ROME}]</tool_call>",
        f'{{"tool_calls": [{CALL}, {ROME}]}}',
        f"<tool_call>{CALL[:-1]}</tool_call><tool_call>{ROME[:-1]}</tool_call>",
    ],
)
def test_several_calls_are_found_in_their_order(text: str) -> None:
    assert found(text) == [*PARIS, ("get_weather", {"city": "Rome"})]


def test_marks_within_the_strings_of_arguments_end_nothing() -> None:
    content = 'a </tool_call> b ``` c {"name": "x"} <tool_response> d'
    text = json.dumps({"name": "write", "arguments": {"content": content}})
    assert found(f"<tool_call>\n{text}\n</tool_call>") == [("write", {"content": content})]


@pytest.mark.parametrize(
    ("text", "marked", "calls"),
    [
        ('{"name": "Alice", "age": 3}', False, []),
        ('{"name": "Alice", "arguments": {}}', False, []),
        ('{"name": "get_weather", "purpose": "weather"}', False, []),
        ('{"name": "ping"}', False, [("ping", {})]),
        ('{"name": "Alice", "arguments": {}}', True, [("Alice", {})]),
        ('{"city": "Paris"}', True, []),
        ("no JSON", True, []),
        ("[]", True, []),
        ("[1, 2]", True, []),
    ],
)
def test_without_a_marker_only_a_known_name_makes_a_call(
    text: str, marked: bool, calls: list
) -> None:
    assert found(text, marked=marked) == calls


def test_a_call_that_stops_within_a_string_is_none() -> None:
    assert found('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Par') == []


def test_of_a_text_that_was_cut_only_whole_calls_are_found() -> None:
    text = f"<tool_call>{CALL}</tool_call><tool_call>{ROME[:-1]}"
    assert found(text, cut=True) == PARIS
    assert len(found(text)) == 2


@pytest.mark.parametrize(
    ("use", "found"),
    [
        ({"choice": "required", "allowed": ["get_weather"]}, PARIS),
        ({"choice": "required"}, []),
        ({"allowed": ["get_weather"]}, []),
    ],
)
def test_bare_arguments_are_a_call_where_one_tool_must_be_called(use: dict, found: list) -> None:
    calls = bare_arguments('Sure: {"city": "Paris"}', offer(**use))
    assert [(call.name, call.arguments) for call in calls] == found


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        '{"a</' * 20_000,
        "{'a': '</" * 12_000,
        '{"a": "</tool {b: 1,, ' * 5_000,
        "<a" * 50_000,
        "<a name=" * 12_000,
        "<a " + " " * 100_000,
        f"<tool_call>{CALL}</tool_call>" * 2_000,
        '{"name" ' * 12_000 + "}",
        ('{"a": [' + '."a"' * 740 + "]}</") * 60,
        '{"b": 2} ' * 110_000,
        f"<tool_call>{CALL}</tool_call>" + '{"name": "ping"} ' * 60_000,
    ],
    ids=lambda text: text[:12],
)
def test_the_worst_text_is_read_within_two_seconds(text: str) -> None:
    begun = time.process_time()
    assert len(read(text, offer(WEATHER), marked=True)) <= 128
    assert time.process_time() - begun < 2
