"""Chat completion bodies: what they become, and what is refused with which words."""

import copy
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._capabilities.chat import CHAT
from langfast_wsgi.dialects.chat.fields import Body
from langfast_wsgi.dialects.chat.parse import ChatRequest, parse
from langfast_wsgi.errors import BadRequest

Json = dict[str, Any]

HELLO: Json = {"role": "user", "content": "Hello"}
CALL: Json = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING: Json = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWER: Json = {"role": "tool", "tool_call_id": "c1", "content": "4"}
TOOL: Json = {"type": "function", "function": {"name": "f"}}


def body(**fields: Any) -> Json:
    return {"messages": [HELLO], **fields}


def said(*messages: Any) -> Json:
    return {"messages": list(messages)}


def parts(*content: Any) -> Json:
    return said({"role": "user", "content": list(content)})


def read(request: Json, *, reject: bool = False, media: tuple[str, ...] = ()) -> ChatRequest:
    return parse(
        request, default_model="gpt-default", reject_unsupported=reject, media_models=media
    )


def refused(request: Json, *, reject: bool = False) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(request, reject=reject)
    assert caught.value.status == 400
    return caught.value


# --- what is passed on


def test_a_request_with_messages_only_runs_the_default_model_with_nothing_said() -> None:
    assert read(body()) == ChatRequest(
        run=RunRequest(model="gpt-default", messages=[HELLO]),
        choices=1,
        stream=False,
        include_usage=False,
        deprecated=False,
        ignored=(),
    )


def test_all_that_the_upstream_takes_is_passed_on() -> None:
    request = body(
        model="gpt-4o",
        temperature=0.5,
        top_p=1,
        frequency_penalty=-2,
        presence_penalty=2.0,
        max_completion_tokens=7,
    )
    assert read(request, reject=True).run == RunRequest(
        model="gpt-4o",
        messages=[HELLO],
        temperature=0.5,
        top_p=1,
        frequency_penalty=-2,
        presence_penalty=2,
        max_completion_tokens=7,
    )


def test_messages_are_the_callers_own_objects_untouched() -> None:
    request = said(
        {"role": "system", "content": "x", "cache_control": {"type": "ephemeral"}},
        {"role": "user", "content": [{"type": "text", "text": "x", "more": [1]}], "name": None},
        CALLING,
        ANSWER,
    )
    before = copy.deepcopy(request)
    run = read(request).run
    assert run.messages is request["messages"]
    assert request == before


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": None}, 5),
        ({"max_tokens": None}, None),
    ],
)
def test_max_completion_tokens_wins_over_max_tokens(fields: Json, limit: int | None) -> None:
    assert read(body(**fields)).run.max_completion_tokens == limit


@pytest.mark.parametrize(
    ("fields", "stream", "include_usage"),
    [
        ({"stream": True}, True, False),
        ({"stream": False}, False, False),
        ({"stream": True, "stream_options": {}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, True),
        ({"stream": True, "stream_options": {"include_usage": None}}, True, False),
        ({"stream": True, "stream_options": {"include_obfuscation": False}}, True, False),
        ({"stream": False, "stream_options": None}, False, False),
    ],
)
def test_stream_and_its_options_are_read(fields: Json, stream: bool, include_usage: bool) -> None:
    request = read(body(**fields), reject=True)
    assert (request.stream, request.include_usage) == (stream, include_usage)


@pytest.mark.parametrize(("n", "choices"), [(None, 1), (1, 1), (2, 2), (8, 8)])
def test_n_is_the_number_of_choices(n: int | None, choices: int) -> None:
    assert read(body(n=n), reject=True).choices == choices


def test_null_means_absent_for_every_optional_field() -> None:
    fields = {name: None for name in CHAT if name != "messages"}
    assert read(body(**fields, unheard_of=None), reject=True) == read(body())


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param(said({"role": role, "content": "x"}), id=f"role {role}")
        for role in ("system", "assistant", "user", "function", "developer")
    ]
    + [
        pytest.param(said({"role": "user"}), id="content absent"),
        pytest.param(said({"role": "user", "content": None}), id="content null"),
        pytest.param(said({"role": "user", "content": ""}), id="content empty"),
        pytest.param(parts({"type": "text", "text": ""}), id="a text part"),
        pytest.param(parts({"type": "refusal", "refusal": "no"}), id="a refusal part"),
        pytest.param(said(HELLO, CALLING, ANSWER), id="a tool answers"),
        pytest.param(said(CALLING, ANSWER, ANSWER), id="two tools answer"),
        pytest.param(said(CALLING, ANSWER, HELLO, CALLING, ANSWER), id="tools twice"),
        pytest.param(said({**HELLO, "name": "Ada", "tool_calls": None}), id="a name"),
        pytest.param(said({"role": "assistant", "tool_calls": []}), id="no calls"),
        pytest.param(said(*[HELLO] * 2048), id="2,048 messages"),
        pytest.param(said({"role": "user", "content": "\u202e\u200b\x00" * 9}), id="odd text"),
        pytest.param(body(model="any/model:at-all"), id="a model that is not known here"),
        pytest.param(body(temperature=2, top_p=0, n=1, max_tokens=2**63), id="bounds"),
    ],
)
def test_a_valid_request_without_unsupported_fields_is_taken(request_body: Json) -> None:
    assert read(request_body, reject=True).ignored == ()


# --- what nobody acts on

UNSUPPORTED: list[tuple[Json, str]] = [
    ({"seed": 0}, "seed"),
    ({"seed": -(2**63)}, "seed"),
    ({"user": ""}, "user"),
    ({"logit_bias": {"50256": -100}}, "logit_bias"),
    ({"prediction": {"type": "content", "content": ""}}, "prediction"),
    ({"reasoning_effort": "low", "verbosity": "high"}, "reasoning_effort verbosity"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"store": True, "metadata": {"k" * 64: "v" * 512}}, "metadata store"),
    (
        {"safety_identifier": "s" * 64, "prompt_cache_key": "p"},
        "prompt_cache_key safety_identifier",
    ),
    (
        {"prompt_cache_retention": "24h", "prompt_cache_options": {"mode": "explicit"}},
        "prompt_cache_options prompt_cache_retention",
    ),
    ({"zeta": 0, "alpha": False, "seed": 1}, "alpha seed zeta"),
    ({"top_k": 40, "nothing": None}, "top_k"),
]


@pytest.mark.parametrize(("fields", "names"), UNSUPPORTED)
def test_unsupported_fields_are_named_in_order(fields: Json, names: str) -> None:
    request = read(body(**fields))
    assert request.ignored == tuple(names.split())
    assert request.run == read(body()).run


@pytest.mark.parametrize(("fields", "names"), UNSUPPORTED)
def test_unsupported_fields_are_refused_when_told_so(fields: Json, names: str) -> None:
    first = names.split()[0]
    error = refused(body(**fields), reject=True)
    assert (error.code, error.param) == ("unsupported_parameter", first)
    assert error.message == f"Unsupported parameter: '{first}' is not supported by this service."


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 20}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "mp3"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation"),
    ],
)
@pytest.mark.parametrize("reject", [True, False])
def test_what_changes_the_answers_shape_is_refused_in_any_case(
    fields: Json, name: str, reject: bool
) -> None:
    error = refused(body(**fields), reject=reject)
    assert (error.code, error.param) == ("unsupported_parameter", name)


@pytest.mark.parametrize(
    "fields",
    [
        {"store": False, "logprobs": False, "parallel_tool_calls": True},
        {"parallel_tool_calls": False, "audio": {}, "moderation": {}},
        {"tools": [], "stop": [], "logit_bias": {}, "metadata": {}, "modalities": []},
        {"tool_choice": "none"},
        {"tool_choice": "auto", "tools": []},
        {"stop": ""},
        {"function_call": "auto"},
        {"modalities": ["text"]},
        {"service_tier": "auto"},
        {"service_tier": "default"},
        {"top_logprobs": 0},
        {"n": 1},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "text", "json_schema": None}},
    ],
)
def test_a_field_that_asks_for_nothing_is_not_reported(fields: Json) -> None:
    assert read(body(**fields), reject=True).ignored == ()


def test_ignored_names_are_fit_for_a_header() -> None:
    names = ["", "a b", "x\r\nset-cookie: y", "\u00e9", "k" * 5000, "ok_.-9"]
    assert read(body(**dict.fromkeys(names, 1))).ignored == (
        "?",
        "a?b",
        "k" * 64,
        "ok_.-9",
        "x??set-cookie??y",
    )


def test_at_most_fifty_ignored_names_are_given() -> None:
    assert len(read(body(**{f"k{i:04}": i for i in range(5000)})).ignored) == 50


# --- what is refused


def invalid_type(path: str, expected: str, actual: str) -> tuple[str, str, str]:
    sentence = f"Invalid type for '{path}': expected {expected}, but got {actual} instead."
    return ("invalid_type", path, sentence)


def absent(path: str) -> tuple[str, str, str]:
    return ("missing_required_parameter", path, f"Missing required parameter: '{path}'.")


def bound(path: str, number: str, side: str, limit: str, actual: str) -> tuple[str, str, str]:
    word, sign = ("above maximum", "<=") if side == "above_max" else ("below minimum", ">=")
    return (
        f"{number}_{side}_value",
        path,
        f"Invalid '{path}': {number} {word} value."
        f" Expected a value {sign} {limit}, but got {actual} instead.",
    )


def empty_array(path: str) -> tuple[str, str, str]:
    return (
        "empty_array",
        path,
        f"Invalid '{path}': empty array. Expected an array with minimum length 1,"
        " but got an empty array instead.",
    )


def long_array(path: str, limit: int, actual: int) -> tuple[str, str, str]:
    return (
        "array_above_max_length",
        path,
        f"Invalid '{path}': array too long. Expected an array with maximum length {limit},"
        f" but got an array with length {actual} instead.",
    )


def long_string(path: str, limit: int, actual: int) -> tuple[str, str, str]:
    return (
        "string_above_max_length",
        path,
        f"Invalid '{path}': string too long. Expected a string with maximum length {limit},"
        f" but got a string with length {actual} instead.",
    )


def empty_string(path: str) -> tuple[str, str, str]:
    return (
        "empty_string",
        path,
        f"Invalid '{path}': empty string. Expected a string with minimum length 1,"
        " but got an empty string instead.",
    )


def unknown(path: str, value: str, supported: str) -> tuple[str, str, str]:
    sentence = f"Invalid value: '{value}'. Supported values are: {supported}."
    return ("invalid_value", path, sentence)


def no_match(path: str) -> tuple[str, str, str]:
    return (
        "invalid_value",
        path,
        f"Invalid '{path}': string does not match pattern."
        " Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    )


ROLES = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"
PARTS = "'text', 'image_url', 'input_audio', 'file', and 'refusal'"
STRING_OR_OBJECTS = "one of a string or array of objects"
CONTENT = "messages[0].content"
LONE_TOOL = (
    None,
    "messages.[{}].role",
    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with"
    " 'tool_calls'.",
)


def lone_tool(index: int) -> tuple[str | None, str, str]:
    return (LONE_TOOL[0], LONE_TOOL[1].format(index), LONE_TOOL[2])


WRONG_MESSAGES: list[tuple[Json, tuple[str | None, str, str]]] = [
    ({}, absent("messages")),
    ({"messages": None}, invalid_type("messages", "an array of objects", "null")),
    ({"messages": "x"}, invalid_type("messages", "an array of objects", "a string")),
    ({"messages": {}}, invalid_type("messages", "an array of objects", "an object")),
    ({"messages": []}, empty_array("messages")),
    (said(*[HELLO] * 2049), long_array("messages", 2048, 2049)),
    (said("x"), invalid_type("messages[0]", "an object", "a string")),
    (said(HELLO, None), invalid_type("messages[1]", "an object", "null")),
    (said({"content": "x"}), absent("messages[0].role")),
    (said(HELLO, {}), absent("messages[1].role")),
    (said({"role": "wizard"}), unknown("messages[0].role", "wizard", ROLES)),
    (said({"role": "w" * 900}), unknown("messages[0].role", "w" * 99 + "…", ROLES)),
    (
        said({"role": 1}),
        invalid_type(
            "messages[0].role",
            "one of 'system', 'assistant', 'user', 'function', 'tool', or 'developer'",
            "an integer",
        ),
    ),
    (said({"role": "user", "content": 7}), invalid_type(CONTENT, STRING_OR_OBJECTS, "an integer")),
    (said({"role": "user", "content": {}}), invalid_type(CONTENT, STRING_OR_OBJECTS, "an object")),
    (
        said({"role": "user", "content": True}),
        invalid_type(CONTENT, STRING_OR_OBJECTS, "a boolean"),
    ),
    (parts(), empty_array(CONTENT)),
    (parts("x"), invalid_type(f"{CONTENT}[0]", "an object", "a string")),
    (parts({"text": "x"}), absent(f"{CONTENT}[0].type")),
    (parts({"type": "video"}), unknown(f"{CONTENT}[0].type", "video", PARTS)),
    (
        parts({"type": ["text"]}),
        invalid_type(
            f"{CONTENT}[0].type",
            "one of 'text', 'image_url', 'input_audio', 'file', or 'refusal'",
            "an array",
        ),
    ),
    (parts({"type": "text"}), absent(f"{CONTENT}[0].text")),
    (parts({"type": "text", "text": None}), absent(f"{CONTENT}[0].text")),
    (
        parts({"type": "text", "text": "x"}, {"type": "text", "text": 1}),
        invalid_type(f"{CONTENT}[1].text", "a string", "an integer"),
    ),
    (parts({"type": "image_url"}), absent(f"{CONTENT}[0].image_url")),
    (
        parts({"type": "image_url", "image_url": "https://x"}),
        invalid_type(f"{CONTENT}[0].image_url", "an object", "a string"),
    ),
    (parts({"type": "image_url", "image_url": {}}), absent(f"{CONTENT}[0].image_url.url")),
    (
        parts({"type": "image_url", "image_url": {"url": 1.5}}),
        invalid_type(f"{CONTENT}[0].image_url.url", "a string", "a decimal number"),
    ),
    (parts({"type": "input_audio"}), absent(f"{CONTENT}[0].input_audio")),
    (
        parts({"type": "file", "file": "f"}),
        invalid_type(f"{CONTENT}[0].file", "an object", "a string"),
    ),
    (parts({"type": "refusal"}), absent(f"{CONTENT}[0].refusal")),
    (said({**HELLO, "name": 1}), invalid_type("messages[0].name", "a string", "an integer")),
    (
        said({**CALLING, "tool_calls": "x"}),
        invalid_type("messages[0].tool_calls", "an array of objects", "a string"),
    ),
    (said({**CALLING, "tool_calls": [{}]}), absent("messages[0].tool_calls[0].id")),
    (
        said({**CALLING, "tool_calls": [{**CALL, "type": "custom"}]}),
        unknown("messages[0].tool_calls[0].type", "custom", "'function'"),
    ),
    (
        said({**CALLING, "tool_calls": [{**CALL, "function": {"name": "f"}}]}),
        absent("messages[0].tool_calls[0].function.arguments"),
    ),
    (
        said({**CALLING, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}),
        invalid_type("messages[0].tool_calls[0].function.arguments", "a string", "an object"),
    ),
    (said(CALLING, {"role": "tool", "content": "4"}), absent("messages[1].tool_call_id")),
    (
        said(CALLING, {**ANSWER, "tool_call_id": 1}),
        invalid_type("messages[1].tool_call_id", "a string", "an integer"),
    ),
    (said(ANSWER), lone_tool(0)),
    (said({"role": "assistant", "tool_calls": []}, ANSWER), lone_tool(1)),
    (said(CALLING, HELLO, ANSWER), lone_tool(2)),
    (said({**CALLING, "role": "user"}, ANSWER), lone_tool(1)),
]

DECIMAL = "a decimal"
WRONG_FIELDS: list[tuple[Json, tuple[str | None, str, str]]] = [
    ({"model": ""}, empty_string("model")),
    ({"model": 4}, invalid_type("model", "a string", "an integer")),
    ({"temperature": 3}, bound("temperature", "decimal", "above_max", "2", "3")),
    ({"temperature": 2.01}, bound("temperature", "decimal", "above_max", "2", "2.01")),
    ({"temperature": -0.1}, bound("temperature", "decimal", "below_min", "0", "-0.1")),
    ({"temperature": "1"}, invalid_type("temperature", DECIMAL, "a string")),
    ({"temperature": True}, invalid_type("temperature", DECIMAL, "a boolean")),
    ({"top_p": 1.5}, bound("top_p", "decimal", "above_max", "1", "1.5")),
    ({"top_p": []}, invalid_type("top_p", DECIMAL, "an array")),
    ({"frequency_penalty": -3}, bound("frequency_penalty", "decimal", "below_min", "-2", "-3")),
    ({"presence_penalty": 1e300}, bound("presence_penalty", "decimal", "above_max", "2", "1e+300")),
    ({"max_tokens": 0}, bound("max_tokens", "integer", "below_min", "1", "0")),
    ({"max_tokens": 1.0}, invalid_type("max_tokens", "an integer", "a decimal number")),
    (
        {"max_completion_tokens": -1},
        bound("max_completion_tokens", "integer", "below_min", "1", "-1"),
    ),
    (
        {"max_completion_tokens": float(2**64)},
        invalid_type("max_completion_tokens", "an integer", "a decimal number"),
    ),
    ({"n": 0}, bound("n", "integer", "below_min", "1", "0")),
    ({"n": 129}, bound("n", "integer", "above_max", "128", "129")),
    ({"n": 10**9}, bound("n", "integer", "above_max", "128", "1000000000")),
    ({"n": True}, invalid_type("n", "an integer", "a boolean")),
    (
        {"n": 9},
        (
            "unsupported_value",
            "n",
            "Unsupported value: 'n' does not support 9 here: 8 choices are the most.",
        ),
    ),
    ({"stream": "yes"}, invalid_type("stream", "a boolean", "a string")),
    ({"stream": 1}, invalid_type("stream", "a boolean", "an integer")),
    (
        {"stream_options": {}},
        (
            None,
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
    ),
    (
        {"stream": False, "stream_options": {"include_usage": True}},
        (
            None,
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
    ),
    (
        {"stream": True, "stream_options": True},
        invalid_type("stream_options", "an object", "a boolean"),
    ),
    (
        {"stream": True, "stream_options": {"include_usage": "yes"}},
        invalid_type("stream_options.include_usage", "a boolean", "a string"),
    ),
    (
        {"stream": True, "stream_options": {"include_obfuscation": 0}},
        invalid_type("stream_options.include_obfuscation", "a boolean", "an integer"),
    ),
    ({"response_format": "json"}, invalid_type("response_format", "an object", "a string")),
    ({"response_format": {}}, absent("response_format.type")),
    (
        {"response_format": {"type": "xml"}},
        unknown("response_format.type", "xml", "'json_object', 'json_schema', and 'text'"),
    ),
    (
        {"response_format": {"type": "json_object"}},
        (
            None,
            "messages",
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type"
            " 'json_object'.",
        ),
    ),
    ({"response_format": {"type": "json_schema"}}, absent("response_format.json_schema")),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
        absent("response_format.json_schema.name"),
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}},
        no_match("response_format.json_schema.name"),
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n" * 65}}},
        long_string("response_format.json_schema.name", 64, 65),
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": ""}}},
        empty_string("response_format.json_schema.name"),
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": 1}}},
        invalid_type("response_format.json_schema.schema", "an object", "an integer"),
    ),
    ({"stop": 1}, invalid_type("stop", "one of a string or array of strings", "an integer")),
    ({"stop": ["a", 1]}, invalid_type("stop[1]", "a string", "an integer")),
    ({"stop": ["a"] * 5}, long_array("stop", 4, 5)),
    ({"stop": "s" * 1001}, long_string("stop", 1000, 1001)),
    ({"stop": ["a", "s" * 1001]}, long_string("stop[1]", 1000, 1001)),
    ({"seed": 1.5}, invalid_type("seed", "an integer", "a decimal number")),
    ({"user": {"a": 1}}, invalid_type("user", "a string", "an object")),
    ({"logit_bias": []}, invalid_type("logit_bias", "an object", "an array")),
    ({"logprobs": "true"}, invalid_type("logprobs", "a boolean", "a string")),
    (
        {"logprobs": True, "top_logprobs": 21},
        bound("top_logprobs", "integer", "above_max", "20", "21"),
    ),
    (
        {"logprobs": True, "top_logprobs": -1},
        bound("top_logprobs", "integer", "below_min", "0", "-1"),
    ),
    (
        {"top_logprobs": 1},
        (
            None,
            "top_logprobs",
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
        ),
    ),
    ({"tools": "none"}, invalid_type("tools", "an array of objects", "a string")),
    ({"tools": [{}]}, absent("tools[0].type")),
    ({"tools": [{"type": "magic"}]}, unknown("tools[0].type", "magic", "'function'")),
    (
        {"tools": [{"type": "custom", "custom": {"name": "c"}}]},
        unknown("tools[0].type", "custom", "'function'"),
    ),
    ({"tools": [TOOL, {"type": "function"}]}, absent("tools[1].function")),
    ({"tools": [{"type": "function", "function": {}}]}, absent("tools[0].function.name")),
    (
        {"tools": [{"type": "function", "function": {"name": "a.b"}}]},
        no_match("tools[0].function.name"),
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "f\n"}}]},
        no_match("tools[0].function.name"),
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "f" * 65}}]},
        long_string("tools[0].function.name", 64, 65),
    ),
    ({"tools": [TOOL] * 129}, long_array("tools", 128, 129)),
    (
        {"tool_choice": "any"},
        unknown("tool_choice", "any", "'none', 'auto', and 'required'"),
    ),
    (
        {"tool_choice": 7},
        invalid_type("tool_choice", "one of 'none', 'auto', or 'required' or object", "an integer"),
    ),
    ({"tool_choice": {"type": "function"}}, absent("tool_choice.function")),
    ({"tool_choice": {"type": "function", "function": {}}}, absent("tool_choice.function.name")),
    ({"functions": []}, empty_array("functions")),
    ({"functions": [{"name": "f"}] * 129}, long_array("functions", 128, 129)),
    ({"functions": [{}]}, absent("functions[0].name")),
    ({"function_call": "any"}, unknown("function_call", "any", "'none' and 'auto'")),
    ({"function_call": {}}, absent("function_call.name")),
    ({"parallel_tool_calls": 0}, invalid_type("parallel_tool_calls", "a boolean", "an integer")),
    ({"modalities": "text"}, invalid_type("modalities", "an array of strings", "a string")),
    ({"modalities": ["text", None]}, invalid_type("modalities[1]", "a string", "null")),
    ({"audio": []}, invalid_type("audio", "an object", "an array")),
    ({"prediction": "x"}, invalid_type("prediction", "an object", "a string")),
    ({"web_search_options": True}, invalid_type("web_search_options", "an object", "a boolean")),
    ({"reasoning_effort": 1}, invalid_type("reasoning_effort", "a string", "an integer")),
    ({"verbosity": {}}, invalid_type("verbosity", "a string", "an object")),
    ({"service_tier": 1}, invalid_type("service_tier", "a string", "an integer")),
    ({"store": "yes"}, invalid_type("store", "a boolean", "a string")),
    ({"metadata": []}, invalid_type("metadata", "an object", "an array")),
    (
        {"metadata": {f"k{i}": "v" for i in range(17)}},
        (
            "object_above_max_properties",
            "metadata",
            "Invalid 'metadata': too many properties. Expected an object with at most 16"
            " properties, but got an object with 17 properties instead.",
        ),
    ),
    ({"metadata": {"k": 7}}, invalid_type("metadata.k", "a string", "an integer")),
    ({"metadata": {"k": "v" * 513}}, long_string("metadata.k", 512, 513)),
    (
        {"metadata": {"k" * 500: "v"}},
        (
            "property_name_above_max_length",
            f"metadata.{'k' * 99}…",
            f"Invalid property name in 'metadata': '{'k' * 99}…' is too long. Expected a string"
            " with maximum length 64, but got a string with length 500 instead.",
        ),
    ),
    ({"safety_identifier": "s" * 65}, long_string("safety_identifier", 64, 65)),
    ({"prompt_cache_key": 1}, invalid_type("prompt_cache_key", "a string", "an integer")),
]


@pytest.mark.parametrize(("request_body", "expected"), WRONG_MESSAGES)
def test_wrong_messages_are_refused_as_openai_does(
    request_body: Json, expected: tuple[str | None, str, str]
) -> None:
    error = refused(request_body)
    assert (error.code, error.param, error.message) == expected


@pytest.mark.parametrize(("fields", "expected"), WRONG_FIELDS)
def test_a_wrong_field_is_refused_as_openai_does(
    fields: Json, expected: tuple[str | None, str, str]
) -> None:
    error = refused(body(**fields))
    assert (error.code, error.param, error.message) == expected


@pytest.mark.parametrize(
    "content",
    [
        "Answer in JSON.",
        "json",
        [{"type": "text", "text": "x"}, {"type": "text", "text": "as Json, please"}],
    ],
)
def test_json_object_is_taken_when_some_message_speaks_of_json(content: object) -> None:
    request = said({"role": "system", "content": content}, HELLO)
    taken = read({**request, "response_format": {"type": "json_object"}}, reject=True)
    assert (taken.run.json, taken.run.json_schema) == (True, None)


def test_of_several_errors_the_first_declared_is_told() -> None:
    assert refused({"n": 0, "temperature": 9, "messages": []}).param == "messages"
    assert refused(body(n=0, temperature=9)).param == "temperature"


def test_a_wrong_value_is_told_before_an_unsupported_field() -> None:
    assert refused(body(seed=1, temperature=9), reject=True).param == "temperature"


def test_a_refusal_never_quotes_a_whole_content() -> None:
    secret = "s3cret " * 1000
    for request in (
        said({"role": "user", "content": {"text": secret}}),
        parts({"type": "text", "text": [secret]}),
        parts({"type": secret}),
        body(metadata={"k": secret}),
        body(tool_choice=secret),
        body(tools=[{"type": "function", "function": {"name": secret}}]),
    ):
        assert len(refused(request).message) < 400


def test_every_field_that_is_declared_has_a_treatment() -> None:
    assert set(CHAT) == set(Body.model_fields)
    assert len(CHAT) == 37


# --- whatever comes, only a request or a 400 comes out

words = st.sampled_from(
    ["user", "tool", "assistant", "text", "function", "json_object", "json_schema", "auto", "", "f"]
)
members = st.sampled_from(
    ["role", "content", "type", "text", "image_url", "url", "name", "function", "tool_calls", "id"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | words
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(members | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(sorted(CHAT))
objects = st.dictionaries(names | st.text(max_size=70), anything, max_size=6)

FULL: Json = {
    "messages": [
        {"role": "developer", "content": "Speak json"},
        {
            "role": "user",
            "name": "Ada",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "image_url", "image_url": {"url": "data:,"}},
                {"type": "input_audio", "input_audio": {}},
                {"type": "file", "file": {}},
            ],
        },
        CALLING,
        ANSWER,
    ],
    "model": "gpt-4o",
    "temperature": 1,
    "top_p": 0.5,
    "n": 1,
    "max_tokens": 3,
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "stop": ["x"],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "tools": [TOOL, {"type": "function", "function": {"name": "g", "parameters": {}}}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
    "parallel_tool_calls": False,
    "function_call": "none",
    "logprobs": False,
    "top_logprobs": 0,
    "metadata": {"k": "v"},
    "modalities": ["text"],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path] * bool(path) + [p for key, one in inner for p in places(one, (*path, key))]


PLACES = places(FULL)


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    request = copy.deepcopy(FULL)
    for path in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        holder: Any = request
        try:
            for step in path[:-1]:
                holder = holder[step]
            if draw(st.booleans()):
                del holder[path[-1]]
            else:
                holder[path[-1]] = draw(anything)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    return request


def check(request: Json, reject: bool) -> None:
    taken = read_or_refused(request, reject)
    if isinstance(taken, BadRequest):
        assert taken.message.encode()
        assert len(taken.message) < 1000
        assert taken.param is None or len(taken.param) < 300
        return
    assert taken.run.messages is request["messages"]
    assert len(taken.ignored) <= 50
    assert list(taken.ignored) == sorted(taken.ignored)
    assert all(re.fullmatch(r"[A-Za-z0-9_.?-]{1,64}", name) for name in taken.ignored)


def read_or_refused(request: Json, reject: bool) -> ChatRequest | BadRequest:
    try:
        return read(request, reject=reject, media=("*",))
    except BadRequest as error:
        return error


@settings(max_examples=2000, deadline=None)
@given(objects, st.sampled_from([{}, {"messages": [HELLO]}]), st.booleans())
@example({"": 1}, {"messages": [HELLO]}, True)
def test_any_object_gives_a_request_or_a_400(fields: Json, more: Json, reject: bool) -> None:
    check({**fields, **more}, reject)


@settings(max_examples=2000, deadline=None)
@given(mutated(), st.booleans())
def test_a_valid_request_with_some_values_changed_gives_a_request_or_a_400(
    request_body: Json, reject: bool
) -> None:
    check(request_body, reject)


def test_the_request_that_is_changed_there_is_valid_itself() -> None:
    assert read(FULL, media=("*",)).include_usage
