"""What the obedient model answers to prompts of several dialects."""

import json
import re
import time

import pytest

from langfast_wsgi.emulator.obedient import answer

WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
}
ADD = {
    "name": "add_numbers",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "maximum": 100}},
        "required": ["a", "b"],
    },
}


def wrapped(*tools):
    return [{"type": "function", "function": tool} for tool in tools]


def lines(*tools):
    return "\n".join(json.dumps(tool) for tool in wrapped(*tools))


def hermes(*tools):
    return (
        "You may call one or more functions. Do not call functions that are not listed.\n"
        f"<tools>\n{lines(*tools)}\n</tools>\n"
        "For each function call return a json object with function name and arguments within "
        "<tool_call></tool_call> XML tags as follows:\n"
        '<tool_call>\n{"name": <function-name>, "arguments": <args-dict>}\n</tool_call>'
    )


def listed(*tools):
    return (
        "# Tools\nIf a tool helps, you may call it. Available tools:\n"
        + json.dumps(wrapped(*tools), indent=2)
        + "\n\nTo call tools, reply with exactly this JSON and nothing else:\n"
        '{"tool_calls": [{"name": "tool name", "arguments": {...}}, ...]}'
    )


def bulleted(*tools):
    return (
        "You can use these tools:\n"
        + "\n".join(
            f"- name: {tool['name']}\n  parameters: {json.dumps(tool['parameters'])}"
            for tool in tools
        )
        + '\n\nCall one like this:\n```json\n{"name": "...", "arguments": {...}}\n```\n'
        "and wait for the result."
    )


def headed(*tools):
    """ReAct, with a heading and a pretty-printed schema for each tool."""
    return (
        "Answer with the help of tools.\n\n"
        + "\n\n".join(
            f"### {tool['name']}\nIt is useful.\n\nArguments schema:\n"
            f"```json\n{json.dumps(tool['parameters'], indent=2)}\n```"
            for tool in tools
        )
        + "\n\nUse this format:\nThought: what you think\nAction: the tool\n"
        "Action Input: its input as JSON\nObservation: the result"
    )


def anthropic(*tools):
    schemas = [{"name": tool["name"], "input_schema": tool["parameters"]} for tool in tools]
    return f"Tools, one in a line:\n<functions>{json.dumps(schemas)}</functions>"


def says(*messages):
    return answer([{"role": role, "content": content} for role, content in messages])


def calls_in(text):
    """Read the calls of any of the dialects above."""
    react = re.findall(r"Action: (.*)\nAction Input: (.*)", text)
    if react:
        return [(name, json.loads(arguments)) for name, arguments in react]
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            value = json.loads(line)
            found += value.get("tool_calls", [value])
    return [(call["name"], call["arguments"]) for call in found]


DIALECTS = [hermes, listed, bulleted, headed, anthropic]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("place", ["system", "developer", "user", "same message"])
class TestToolsAreCalledInEveryDialect:
    def ask(self, dialect, place, tools, words):
        instructions = dialect(*tools)
        if place == "same message":
            return calls_in(says(("user", f"{instructions}\n\n{words}")))
        return calls_in(says((place, instructions), ("user", words)))

    def test_the_named_tool_is_called(self, dialect, place):
        found = self.ask(dialect, place, [WEATHER, ADD], "Please add numbers 2 and 300.")
        assert found == [("add_numbers", {"a": 2, "b": 100})]

    def test_the_first_tool_is_called_when_none_is_named(self, dialect, place):
        found = self.ask(dialect, place, [WEATHER, ADD], "How is it in New York in fahrenheit?")
        assert found == [("get_weather", {"city": "New York", "unit": "fahrenheit"})]

    def test_both_means_all_tools(self, dialect, place):
        found = self.ask(dialect, place, [WEATHER, ADD], "Use both for Oslo, 3 and 4.")
        assert found == [("get_weather", {"city": "Oslo"}), ("add_numbers", {"a": 3, "b": 4})]

    def test_both_with_one_tool_means_a_call_for_each_value(self, dialect, place):
        found = self.ask(dialect, place, [WEATHER], "What is it like in both Rome and San José?")
        assert found == [("get_weather", {"city": "Rome"}), ("get_weather", {"city": "San José"})]


ENVELOPES = [
    ("", "<tool_call>\n{}\n</tool_call>"),
    ('<tool_call>{"name": "...", "arguments": {...}}</tool_call>', "<tool_call>{}</tool_call>"),
    ('Write: <fn>{"name": <n>, "arguments": <a>}</fn>', "<fn>{}</fn>"),
    ('[TOOL_CALL]\n{"name": "x", "arguments": {}}\n[/TOOL_CALL]', "[TOOL_CALL]\n{}\n[/TOOL_CALL]"),
    ('```tool_code\n{"name": "x", "arguments": {}}\n```', "```tool_code\n{}\n```"),
    ('Call like: TOOL_CALL: {"name": "x", "arguments": {}}', "{}"),
    ('TOOL_CALL: {"name": "x", "arguments": {}}', "TOOL_CALL: {}"),
    ('For example:\n{"name": "x", "arguments": {"k": 1}}\nis a call.', "{}"),
    ('<|python_tag|>{"name": "x", "arguments": {}}', "<|python_tag|>{}"),
    ('<c>\n```json\n{"name": "x", "arguments": {}}\n```\n</c>', "<c>\n```json\n{}\n```\n</c>"),
    ('```\n<c>\n{"name": "x", "arguments": {}}\n</c>\n```', "<c>\n{}\n</c>"),
    (
        "Calls go between <function_call> and </function_call>.",
        "<function_call>\n{}\n</function_call>",
    ),
    (
        "Put each call in <function_call></function_call> tags.",
        "<function_call>\n{}\n</function_call>",
    ),
]


@pytest.mark.parametrize(("instruction", "form"), ENVELOPES)
def test_calls_take_the_envelope_that_the_prompt_shows(instruction, form):
    text = says(("system", f"Tools:\n{lines(WEATHER)}\n{instruction}"), ("user", "Paris"))
    call = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
    assert text == (form or "<tool_call>\n{}\n</tool_call>").replace("{}", call)


UNITS = [
    ('{"tool": "...", "input": {...}}', '{"tool": "get_weather", "input": ARGS}'),
    ('{"arguments": <a>, "name": <n>}', '{"arguments": ARGS, "name": "get_weather"}'),
    (
        '{"action": "x", "action_input": {"q": 1}}',
        '{"action": "get_weather", "action_input": ARGS}',
    ),
    (
        '{"type": "function", "name": "x", "parameters": {"city": "Rome"}}',
        '{"type": "function", "name": "get_weather", "parameters": ARGS}',
    ),
    (
        '{"tool_calls": [{"id": "c1", "function": {"name": "x", "arguments": "{\\"a\\": 1}"}}]}',
        '{"tool_calls": [{"id": "call_1", "function": {"name": "get_weather", '
        '"arguments": TEXT}}]}',
    ),
    ('[{"name": "x", "arguments": {}}, ...]', '[{"name": "get_weather", "arguments": ARGS}]'),
    ('<function=name>{"a": "b"}</function>', "<function=get_weather>ARGS</function>"),
    ('<invoke name="x">{"a": "b"}</invoke>', '<invoke name="get_weather">ARGS</invoke>'),
]


@pytest.mark.parametrize(("example", "expected"), UNITS)
def test_calls_take_the_keys_that_the_prompt_shows(example, expected):
    text = says(("system", f"Tools:\n{lines(WEATHER)}\nCalls:\n{example}"), ("user", "Paris"))
    arguments = '{"city": "Paris"}'
    expected = expected.replace("ARGS", arguments).replace("TEXT", json.dumps(arguments))
    assert text == expected


def test_a_call_in_an_example_is_no_tool():
    example = '{"name": "search", "parameters": {"query": "weather"}}'
    text = says(("system", f"{example}\n{lines(WEATHER)}"), ("user", "Paris"))
    assert "get_weather" in text


CHOICES = [
    ('You must call the tool "add_numbers".', "How is Paris?", ["add_numbers"]),
    ("You must call `add_numbers` now.", "say exactly: no", ["add_numbers"]),
    (
        'tool_choice: {"type": "function", "function": {"name": "add_numbers"}}',
        "Hi",
        ["add_numbers"],
    ),
    ("You must call a tool.", "say exactly: no", ["get_weather"]),
    ("tool_choice: required", "say exactly: no", ["get_weather"]),
    ("Call exactly one tool.", "Use both for Rome", ["get_weather"]),
    ("Make at most one tool call.", "Use all tools", ["get_weather"]),
    ("parallel_tool_calls: false", "Use both", ["get_weather"]),
    ("Call at most one tool in an answer.", "use both, add numbers first", ["add_numbers"]),
    ("If you need no tool, do not call a tool.", "How is Paris?", ["get_weather"]),
    ("Never call tools that are not listed.", "How is Paris?", ["get_weather"]),
    ("You may not need to use a tool.", "How is Paris?", ["get_weather"]),
    ("If you call a tool you must use the tool's name.", "say exactly: no", []),
    ("Do not call any tools.", "How is Paris?", []),
    ("tool_choice: none", "How is Paris? Use both", []),
    ("Answer without calling tools.", "add numbers 1 and 2", []),
]


@pytest.mark.parametrize(("instruction", "words", "names"), CHOICES)
@pytest.mark.parametrize("dialect", [hermes, listed])
def test_a_choice_in_the_instructions_is_obeyed(dialect, instruction, words, names):
    text = says(("system", f"{dialect(WEATHER, ADD)}\n\n{instruction}"), ("user", words))
    found = calls_in(text) if text.startswith(("<", "{")) else []
    assert [name for name, _ in found] == names


def test_a_longer_name_is_not_taken_for_a_shorter():
    longer = {**WEATHER, "name": "get_weather_forecast"}
    found = calls_in(
        says(("system", hermes(WEATHER, longer)), ("user", "get weather forecast: Rome"))
    )
    assert found == [("get_weather_forecast", {"city": "Rome"})]


def test_two_named_of_three_tools_are_called_in_the_order_of_their_names():
    third = {**WEATHER, "name": "get_news"}
    words = 'First get_news on "Bonn", then both add-numbers 1, 2.'
    found = calls_in(says(("system", hermes(WEATHER, ADD, third)), ("user", words)))
    assert [name for name, _ in found] == ["get_news", "add_numbers"]


def test_a_tool_without_parameters_is_called_with_none():
    tool = {"type": "function", "function": {"name": "ping", "description": "Pings."}}
    assert calls_in(says(("user", f"{json.dumps(tool)}\n\nPing Bob."))) == [("ping", {})]


RESULTS = [
    "<tool_response>\nsunny, 21 °C\n</tool_response>",
    '<tool_response>{"name": "get_weather", "content": "sunny, 21 °C"}</tool_response>',
    '<tool_result tool_call_id="call_1">sunny, 21 °C</tool_result>',
    "Tool result for get_weather: sunny, 21 °C",
    "Tool get_weather returned: sunny, 21 °C",
    "get_weather returned: sunny, 21 °C",
    "[tool result] sunny, 21 °C",
    "[Tool result for get_weather (call_1)]\nsunny, 21 °C",
    "TOOL RESULT (call_1): sunny, 21 °C",
    "**Tool output:** sunny, 21 °C",
    "Result of get_weather: sunny, 21 °C",
    "Observation: sunny, 21 °C",
    '{"role": "tool", "tool_call_id": "call_1", "content": "sunny, 21 °C"}',
]


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_after_a_rewritten_result_the_answer_holds_it(dialect, result):
    text = says(
        ("system", dialect(WEATHER)),
        ("user", "How is Paris?"),
        ("assistant", '<tool_call>\n{"name": "get_weather", "arguments": {}}\n</tool_call>'),
        ("user", result),
    )
    assert text == "The tool says: sunny, 21 °C"


def test_after_native_results_the_answer_holds_all_of_them():
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    text = answer(
        [
            {"role": "user", "content": f"{lines(WEATHER)}\nHow is it?"},
            {"role": "assistant", "content": None, "tool_calls": [call, call]},
            {"role": "tool", "tool_call_id": "1", "content": '{"temp": 21}'},
            {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "rain"}]},
            {"role": "system", "content": hermes(WEATHER)},
        ]
    )
    assert text == 'The tools say: {"temp": 21}\nrain'


def test_results_in_several_user_messages_are_all_told():
    text = says(("user", "Tool result for a: one"), ("user", "Tool result for b: two"))
    assert text == "The tools say: one\ntwo"


def test_a_new_question_after_a_result_is_answered_by_a_new_call():
    text = says(
        ("system", hermes(WEATHER)),
        ("user", "How is Paris?"),
        ("user", "<tool_response>rain</tool_response>"),
        ("assistant", "It rains."),
        ("user", "And Rome?"),
    )
    assert calls_in(text) == [("get_weather", {"city": "Rome"})]


def test_instructions_behind_the_users_words_do_not_hide_them():
    text = says(("user", "How is Rome?"), ("user", hermes(WEATHER)))
    assert calls_in(text) == [("get_weather", {"city": "Rome"})]


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
SCHEMA_PROMPTS = [
    f"Respond with JSON that conforms to this JSON Schema:\n{json.dumps(PERSON, indent=2)}",
    f"The answer must match the schema.\n```json\n{json.dumps(PERSON)}\n```\nNo code fences.",
    "Use this schema: " + json.dumps({"name": "person", "schema": PERSON, "strict": True}),
    "Follow the schema in <schema>" + json.dumps({"json_schema": {"schema": PERSON}}) + "</schema>",
    "Structured output: "
    + json.dumps({"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}),
]


@pytest.mark.parametrize("prompt", SCHEMA_PROMPTS)
@pytest.mark.parametrize("template", ["{prompt}\n\n{words}", "{words}\n\n{prompt}"])
def test_a_schema_is_filled(prompt, template):
    words = "Alice is 30 years old."
    expected = {"name": "Alice", "age": 30}
    assert json.loads(says(("system", prompt), ("user", words))) == expected
    same = template.format(prompt=prompt, words=words)
    assert json.loads(says(("user", same))) == expected


def test_a_demanded_fence_is_put_around_the_json():
    text = says(("system", f"{SCHEMA_PROMPTS[0]}\nWrap it in a code fence."), ("user", "Bob, 4"))
    assert text == '```json\n{"name": "Bob", "age": 4}\n```'


def test_exact_words_go_into_the_strings_of_a_schema():
    text = says(("system", SCHEMA_PROMPTS[0]), ("user", "say exactly: so be it"))
    assert json.loads(text)["name"] == "so be it"


def test_a_schema_comes_after_the_calls_and_takes_the_result():
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
    }
    system = (
        f"{hermes(WEATHER)}\n\nThe final answer must fit this JSON Schema: {json.dumps(schema)}"
    )
    question = ("user", "How is Paris?")
    assert calls_in(says(("system", system), question)) == [("get_weather", {"city": "Paris"})]
    text = says(("system", system), question, ("tool", "light rain, 9 degrees"))
    assert json.loads(text) == {"answer": "light rain, 9 degrees"}


def test_a_json_result_fills_a_schema_by_its_names():
    result = '{"age": 9, "person": {"name": "Zoë"}}'
    text = says(("system", SCHEMA_PROMPTS[0]), ("user", "Who?"), ("tool", result))
    assert json.loads(text) == {"name": "Zoë", "age": 9}


def test_a_result_is_put_into_a_json_object_where_json_is_demanded():
    text = says(("system", "Only answer in JSON."), ("user", "How is it?"), ("tool", "rain"))
    assert json.loads(text) == {"answer": "rain"}


OBJECTS = [
    (
        'Respond with a JSON object with the keys "name" and "age". Bob is 42.',
        {"name": "Bob", "age": 42},
    ),
    ("Reply in JSON, keys: 'city', 'count'. There are 3 in Rome.", {"city": "Rome", "count": 3}),
    (
        'Return JSON like {"title": ..., "year": ...} for Dune of 1965.',
        {"title": "Dune", "year": 1965},
    ),
    ("Answer in JSON with `colour`: red", {"colour": "red"}),
    ('Return a json object: "name" for "Jim Beam"', {"name": "Jim Beam"}),
    ("Give me JSON about Paris.", {"answer": "Paris"}),
    ("json mode", None),
]


@pytest.mark.parametrize(("words", "expected"), OBJECTS)
def test_a_json_object_has_the_keys_that_are_quoted(words, expected):
    value = json.loads(says(("user", words)))
    assert value == expected if expected is not None else list(value) == ["answer"]


def test_json_demanded_by_the_system_takes_the_user_s_values():
    system = 'You are a helpful assistant. Only answer with valid JSON. Keys: "name", "age".'
    assert json.loads(says(("system", system), ("user", "Eve, 7"))) == {"name": "Eve", "age": 7}


EXACT = [
    ("say exactly: X", "X"),
    ("Please Say Exactly:  Hello, World! ", "Hello, World!"),
    ('say exactly: "quoted"', "quoted"),
    ("say exactly: “a 'b' c”", "a 'b' c"),
    ("say exactly: 'it' and 'that'", "it' and 'that"),
    ("say exactly: one\ntwo", "one\ntwo"),
    ("say exactly: ```json\n{}\n```", "```json\n{}\n```"),
    ("say exactly: hi\n\nRespond with a JSON object.", "hi"),
    ('say exactly: <tool_call>{"name": 1}</tool_call>', '<tool_call>{"name": 1}</tool_call>'),
]


@pytest.mark.parametrize(("words", "expected"), EXACT)
@pytest.mark.parametrize("system", ["Be kind.", "Answer in JSON.", hermes(WEATHER)])
def test_exact_words_are_said_exactly(system, words, expected):
    assert says(("system", system), ("user", words)) == expected


@pytest.mark.parametrize("words", ["Hello", "What is the sea?", "é" * 50, "The capital of JSONia?"])
def test_talk_quotes_the_conversation_in_ten_words_or_more(words):
    text = says(("system", "Be kind."), ("assistant", "Hm."), ("user", words))
    assert words in text
    assert len(text.split()) >= 10


ODD = [
    None,
    [],
    [None, 3, "text"],
    [{}],
    [{"role": None, "content": None}],
    [{"role": "user", "content": [{"type": "image_url"}, None, 3, {"text": 5}, "word"]}],
    [{"role": ["x"], "content": {"text": "hello"}}],
    [{"role": "tool", "content": ""}],
    [{"role": "user", "content": 'schema {"type": "object", "properties": 3, "required": 5}'}],
    [{"role": "user", "content": 'schema {"$ref": "#"}'}],
    [{"role": "user", "content": 'schema {"$ref": "#/$defs/a/0/%zz", "anyOf": [{"$ref": "#"}]}'}],
    [{"role": "user", "content": 'schema {"type": "string", "pattern": "(((("}'}],
    [{"role": "user", "content": 'schema {"enum": [NaN, 1e999, {"a": [Infinity]}]}'}],
    [{"role": "user", "content": 'say exactly: \ud800 schema {"const": "\\ud800"}'}],
    [{"role": "user", "content": '{"name": "x", "parameters": {"type": 3, "properties": [1]}}'}],
    [{"role": "user", "content": '{"name": "x", "arguments": "parameters"}}}}'}],
]


@pytest.mark.parametrize("messages", ODD)
def test_odd_messages_get_an_answer_that_can_be_sent(messages):
    assert answer(messages).encode()


HUGE = [
    "{" * 200_000,
    "[" * 200_000,
    '{"' * 100_000,
    '{"a":' * 40_000,
    '{"name"' * 28_000,
    "[{" * 100_000,
    '["' + "a" * 199_000,
    "[" * 900 + '"' + "a" * 199_000,
    "[[" * 450 + "1" * 199_000,
    "<tool_response>" * 13_000,
    "```" * 66_000,
    '"' * 200_000,
    "'" * 200_000,
    "\n" * 200_000,
    " " * 200_000,
    "a" * 200_000,
    "A " * 100_000,
    "1," * 100_000,
    "call " * 40_000,
    "tool_choice" * 18_000,
    "must " * 40_000,
    "in json " * 25_000,
    '{"arguments": ' * 14_000,
    "<a " * 66_000,
    "Action:\n" * 25_000,
    "name: " * 33_000,
    '"arguments":' * 16_000,
    "-" * 200_000,
    "a@" * 100_000,
    "[TOOL" * 40_000,
    "say exactly:" * 16_000,
    "- tool result for " * 11_000,
    "User: " * 33_000,
    "both " + 'schema {"type": "object"} ' * 7_000,
    json.dumps(wrapped(WEATHER)) * 600,
]


@pytest.mark.parametrize("text", HUGE, ids=lambda text: repr(text[:20]))
@pytest.mark.parametrize("role", ["system", "user"])
def test_huge_texts_are_read_within_a_second(role, text):
    begin = time.process_time()
    assert says((role, text), ("user", "Hello in JSON"))
    assert says((role, text))
    assert time.process_time() - begin < 2
