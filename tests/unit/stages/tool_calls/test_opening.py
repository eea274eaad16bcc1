"""Whether an answer calls tools, told from its first characters."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.stages.tool_calls.opening import Verdict, verdict

NAMES = ["get_weather", "add-numbers", "x"]
T, M, B, U = Verdict.TEXT, Verdict.MARKED, Verdict.BARE, Verdict.UNSURE


def told(text: str) -> tuple[Verdict, str]:
    """The verdict, and the text that was needed for it."""
    for end in range(len(text) + 1):
        found = verdict(text[:end], NAMES)
        if found is not U:
            return found, text[:end]
    return U, text


@pytest.mark.parametrize(
    ("text", "expected", "needed"),
    [
        ("It rains.", T, "I"),
        ("The tool", T, "Th"),
        ("To do it", T, "To d"),
        ("Tool calls are useful", T, "Tool calls a"),
        ("Tool call: none", T, "Tool call: n"),
        ("Tool call: to be", T, "Tool call: t"),
        ("**Bold** text", T, "**B"),
        ("1. One", T, "1"),
        ("été", T, "é"),
        ("<b>bold</b>", T, "<b"),
        ("<think>hm", T, "<th"),
        ("<tool>hammer</tool>", T, "<tool>"),
        ("< 3", T, "< "),
        ("[1] A book", T, "[1"),
        ("[tool, hammer]", T, "[tool,"),
        ("[link](http://x)", T, "[l"),
        ("```python\nprint()", T, "```p"),
        ('```json\n{"city": 1}', T, '```json\n{"c'),
        ("`code`", T, "`c"),
        ('{"city": "Paris"}', T, '{"c'),
        ('{"name": "Alice", "age": 3}', T, '{"name": "Al'),
        ('{"name": 3}', T, '{"name": 3'),
        ('{"type": "object"}', T, '{"type": "o'),
        ('{"id": 7}', T, '{"id": 7'),
        ("{}", T, "{}"),
        ("[]", T, "[]"),
        ("{x}", T, "{x}"),
        ("<tool_call>\n{", M, "<tool_call>"),
        ("\n\n  <tool_call>", M, "\n\n  <tool_call>"),
        ("<tool_calls>", M, "<tool_calls>"),
        ("<ToolCall>", M, "<ToolCall>"),
        ("<function_call>", M, "<function_call>"),
        ("<|tool_call|>", M, "<|tool_call|"),
        ("<｜tool▁calls▁begin｜>", M, "<｜tool▁calls▁begin｜"),
        ("<|python_tag|>{", M, "<|python_tag|"),
        ("<function=get_weather>", M, "<function="),
        ('<invoke name="x">', M, "<invoke "),
        ("[TOOL_CALL]\n{", M, "[TOOL_CALL]"),
        ("[TOOL_CALLS][{", M, "[TOOL_CALLS]"),
        ("[tool call]", M, "[tool call]"),
        ("TOOL_CALL: {", M, "TOOL_CALL: {"),
        ('**Tool Call:**\n```json\n{"name": "x"', M, '**Tool Call:**\n```json\n{"name": "x"'),
        ("tool_call\n<tool_call>", M, "tool_call\n<tool_call>"),
        ('```tool_call\n{"name": "x"', M, '```tool_call\n{"name": "x"'),
        ("```xml\n<tool_call>", M, "```xml\n<tool_call>"),
        ("```\n<tool_call>", M, "```\n<tool_call>"),
        ('{"name": "get_weather"', B, '{"name": "get_weather"'),
        ("{'name': 'getWeather'", B, "{'name': 'getWeather'"),
        ('{name: "x"', B, '{name: "x"'),
        ('{"tool": "functions.get_weather"', B, '{"tool": "functions.get_weather"'),
        ('[{"name" : "add_numbers"', B, '[{"name" : "add_numbers"'),
        ('```json\n[\n  {"action": "x"', B, '```json\n[\n  {"action": "x"'),
        ('{"tool_calls": [', B, '{"tool_calls": ['),
        ('{"get_weather": {', B, '{"get_weather": {'),
        ('{"function": {', B, '{"function": {'),
        ('{"type": "function"', B, '{"type": "function"'),
        ('{"id": "call_1"', B, '{"id": "call'),
        ('{"arguments": {', B, '{"arguments": {'),
        ("", U, ""),
        (" \n", U, " \n"),
        ("<tool_cal", U, "<tool_cal"),
        ('{"name": "get_w', U, '{"name": "get_w'),
    ],
)
def test_an_answer_is_told_as_soon_as_it_can_be(text: str, expected: Verdict, needed: str) -> None:
    assert told(text) == (expected, needed)


tokens = st.sampled_from(
    [
        *"<>[]{}()`~\"':,=|*_ \n1tTx-.",
        *("tool", "call", "s", "_call", "function", "functions.", "TOOL_CALL", "name", "arguments"),
        *("get_weather", "getWeather", "add-numbers", "```", "json", "invoke", '{"', '": "', "id"),
        *('"type"', "call_", "None", "｜", "▁", "python_tag", "xml", "```tool_call\n"),
    ]
)


@given(text=st.lists(tokens, max_size=12).map("".join))
@example(text="<" + "1" * 500 + "tool_call>")
@example(text='{"name": "' + " " * 500 + 'x"')
@settings(deadline=None, max_examples=1500)
def test_what_was_told_once_stays_whatever_comes(text: str) -> None:
    found = {verdict(text[:end], NAMES) for end in range(len(text) + 1)} - {U}
    assert len(found) <= 1


@given(text=st.text(max_size=40))
@settings(deadline=None)
def test_any_text_is_told(text: str) -> None:
    found = {verdict(text[:end], NAMES) for end in range(len(text) + 1)} - {U}
    assert len(found) <= 1


def test_within_four_hundred_characters_it_is_told() -> None:
    assert verdict('{"name":' + " " * 390, NAMES) is U
    assert verdict('{"name":' + " " * 400, NAMES) is T
