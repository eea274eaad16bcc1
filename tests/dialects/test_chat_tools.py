"""What a chat completion asks for beyond plain text: tools, a format, stop sequences, media."""

from typing import Any

import pytest

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.dialects.chat.parse import ChatRequest, parse
from langfast_wsgi.errors import BadRequest

Json = dict[str, Any]

HELLO: Json = {"role": "user", "content": "Hello"}
SCHEMA: Json = {"type": "object", "properties": {"x": {"type": "integer"}}}
F: Json = {"name": "f", "description": "What f does", "parameters": SCHEMA, "strict": True}
G: Json = {"name": "g"}
TOOLS = [{"type": "function", "function": F}, {"type": "function", "function": G}]
OFFERED = [Tool("f", "What f does", SCHEMA), Tool("g")]
PLACE = "tools[{}].function.parameters"
DEPRECATED = "functions[{}].parameters"


def read(media: tuple[str, ...] = (), **fields: Any) -> ChatRequest:
    request = {"messages": [HELLO], **fields}
    return parse(request, default_model="m", reject_unsupported=True, media_models=media)


def refused(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    return caught.value


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *names: str) -> Json:
    tools = [named(name) for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


# --- tools


@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [
        (None, "auto", None),
        ("auto", "auto", None),
        ("none", "none", None),
        ("required", "required", None),
        (named("g"), "required", ["g"]),
        (allowed("auto", "f"), "auto", ["f"]),
        (allowed("required", "g", "f"), "required", ["g", "f"]),
    ],
    ids=str,
)
def test_a_choice_is_a_mode_and_names(choice: object, mode: str, names: list[str] | None) -> None:
    use = read(tools=TOOLS, tool_choice=choice).run.tools
    assert use == ToolUse(OFFERED, mode, names, True, PLACE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parallel", "several"), [(None, True), (True, True), (False, False)], ids=str
)
def test_parallel_calls_are_allowed_unless_forbidden(parallel: object, several: bool) -> None:
    use = read(tools=TOOLS, parallel_tool_calls=parallel).run.tools
    assert use is not None
    assert use.parallel is several


@pytest.mark.parametrize(
    ("call", "mode", "names"),
    [
        (None, "auto", None),
        ("auto", "auto", None),
        ("none", "none", None),
        ({"name": "g"}, "required", ["g"]),
    ],
    ids=str,
)
def test_deprecated_functions_are_tools_of_which_one_is_called(
    call: object, mode: str, names: list[str] | None
) -> None:
    request = read(functions=[F, G], function_call=call)
    assert request.run.tools == ToolUse(OFFERED, mode, names, False, DEPRECATED)  # type: ignore[arg-type]
    assert request.deprecated


def test_a_request_with_tools_is_not_deprecated() -> None:
    assert not read(tools=TOOLS).deprecated


@pytest.mark.parametrize(
    "fields", [{}, {"tools": []}, {"tools": None, "tool_choice": "none", "function_call": "auto"}]
)
def test_no_tools_are_no_use_of_tools(fields: Json) -> None:
    assert read(**fields).run.tools is None


ONLY = "Invalid value for '{0}': '{0}' is only allowed when '{1}' are specified."


@pytest.mark.parametrize(
    ("fields", "code", "param", "message"),
    [
        (
            {"tools": TOOLS, "tool_choice": named("h" * 200)},
            "invalid_value",
            "tool_choice",
            f"Invalid value for 'tool_choice': '{'h' * 99}…' is not found in 'tools'.",
        ),
        (
            {"tools": TOOLS, "tool_choice": allowed("auto", "f", "h")},
            "invalid_value",
            "tool_choice",
            "Invalid value for 'tool_choice': 'h' is not found in 'tools'.",
        ),
        (
            {"functions": [F], "function_call": {"name": "h"}},
            "invalid_value",
            "function_call",
            "Invalid value for 'function_call': 'h' is not found in 'functions'.",
        ),
        ({"tool_choice": "required"}, None, "tool_choice", ONLY.format("tool_choice", "tools")),
        ({"tool_choice": named("f")}, None, "tool_choice", ONLY.format("tool_choice", "tools")),
        (
            {"tools": [], "tool_choice": allowed("auto", "f")},
            None,
            "tool_choice",
            ONLY.format("tool_choice", "tools"),
        ),
        (
            {"function_call": {"name": "f"}},
            None,
            "function_call",
            ONLY.format("function_call", "functions"),
        ),
        (
            {"tools": TOOLS, "functions": [F]},
            None,
            "functions",
            "Invalid request: 'functions' and 'tools' cannot be used together.",
        ),
        (
            {"tools": [*TOOLS, TOOLS[1]]},
            "invalid_value",
            "tools[2].function.name",
            "Invalid value: 'g'. Each name may stand for one function only.",
        ),
        (
            {"functions": [G, G]},
            "invalid_value",
            "functions[1].name",
            "Invalid value: 'g'. Each name may stand for one function only.",
        ),
        (
            {"tools": TOOLS, "tool_choice": {"type": "custom", "custom": {"name": "f"}}},
            "invalid_value",
            "tool_choice.type",
            "Invalid value: 'custom'. Supported values are: 'function' and 'allowed_tools'.",
        ),
        (
            {"tools": TOOLS, "tool_choice": allowed("none", "f")},
            "invalid_value",
            "tool_choice.allowed_tools.mode",
            "Invalid value: 'none'. Supported values are: 'auto' and 'required'.",
        ),
        (
            {"tools": TOOLS, "tool_choice": allowed("auto")},
            "empty_array",
            "tool_choice.allowed_tools.tools",
            "Invalid 'tool_choice.allowed_tools.tools': empty array. Expected an array with minimum"
            " length 1, but got an empty array instead.",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_choice_that_cannot_be_made_is_refused(
    fields: Json, code: str | None, param: str, message: str
) -> None:
    error = refused(**fields)
    assert (error.code, error.param, error.message) == (code, param, message)


# --- a format, and the end


@pytest.mark.parametrize(
    ("given", "is_json", "schema"),
    [
        ({"type": "text"}, False, None),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, True, None),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, True, SCHEMA),
        (
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": SCHEMA, "description": "An x."},
            },
            True,
            {"description": "An x.", **SCHEMA},
        ),
        (
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "n",
                    "schema": {"description": "Its own."},
                    "description": "An x.",
                },
            },
            True,
            {"description": "Its own."},
        ),
    ],
    ids=str,
)
def test_a_format_is_json_or_not_and_perhaps_a_schema(
    given: Json, is_json: bool, schema: Json | None
) -> None:
    run = read(response_format=given).run
    assert (run.json, run.json_schema) == (is_json, schema)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("END", ("END",)),
        (["a", "", "b", "a"], ("a", "b")),
        ("s" * 1000, ("s" * 1000,)),
    ],
    ids=lambda value: str(value)[:20],
)
def test_stop_sequences_are_a_tuple_without_what_stops_nothing(
    given: object, words: tuple[str, ...]
) -> None:
    assert read(stop=given).run.stop == words


# --- media

IMAGE: Json = {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}}
MEDIA = [
    IMAGE,
    {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
    {"type": "file", "file": {"file_id": "f"}},
]


def saying(role: str, *parts: Json) -> list[Json]:
    return [HELLO, {"role": role, "content": [{"type": "text", "text": "x"}, *parts]}]


@pytest.mark.parametrize("part", MEDIA, ids=lambda part: part["type"])
@pytest.mark.parametrize("media", [(), ("gpt-4o", "m-*")])
def test_a_part_that_the_model_does_not_take_is_named(part: Json, media: tuple[str, ...]) -> None:
    error = refused(media=media, messages=saying("user", part))
    assert (error.code, error.param) == (None, "messages.[1].content.[1].type")
    assert error.message == (
        f"Invalid content type. {part['type']} is only supported by certain models."
    )


@pytest.mark.parametrize("part", MEDIA, ids=lambda part: part["type"])
@pytest.mark.parametrize("media", [("m",), ("*",), ("gpt-4o", "m*")])
def test_a_part_is_passed_on_to_a_model_that_takes_it(part: Json, media: tuple[str, ...]) -> None:
    messages = saying("user", part)
    assert read(media=media, messages=messages).run.messages is messages


@pytest.mark.parametrize("role", ["system", "developer", "assistant", "tool"])
def test_only_users_show_pictures(role: str) -> None:
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "tool_calls": [called]},
        {"role": role, "tool_call_id": "c", "content": [IMAGE]},
    ]
    error = refused(media=("*",), messages=messages)
    assert error.param == "messages.[1].content.[0].type"
    assert error.message.endswith("is only supported in messages of the user.")
