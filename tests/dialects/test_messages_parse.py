"""Bodies of messages: what they become, and what is refused with which words."""

import copy
from typing import Any

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_create_params as beta_create_params

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._anthropic import error_body
from langfast_wsgi.dialects._capabilities.messages import MESSAGES
from langfast_wsgi.dialects._capabilities.offered import TABLES
from langfast_wsgi.dialects.messages.fields import Asked, Body
from langfast_wsgi.dialects.messages.parse import MessagesRequest, parse, parse_count
from langfast_wsgi.errors import BadRequest

Json = dict[str, Any]

HELLO: Json = {"role": "user", "content": "Hello"}
SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL: Json = {"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}
CALL: Json = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}
RESULT: Json = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}
CALLED: Json = {
    "id": "toolu_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
}
PNG: Json = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
}
PDF: Json = {
    "type": "document",
    "title": "a.pdf",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"},
}
# Headers in disguise: the SDK sends none of these in a body.
HEADERS = {"user_profile_id", "workspace_id", "betas"}


def body(**fields: Any) -> Json:
    return {"messages": [HELLO], "max_tokens": 10, **fields}


def text(*words: str) -> list[Json]:
    return [{"type": "text", "text": word} for word in words]


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def read(request: Json, *, reject: bool = False, media: tuple[str, ...] = ()) -> MessagesRequest:
    return parse(
        request, default_model="gpt-default", reject_unsupported=reject, media_models=media
    )


def said(*messages: Json, media: tuple[str, ...] = (), **fields: Any) -> list[Any]:
    """The conversation that becomes of these messages."""
    return list(read(body(messages=list(messages), **fields), media=media).run.messages)


def refused(request: Json, *, reject: bool = False, media: tuple[str, ...] = ()) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(request, reject=reject, media=media)
    return caught.value


# --- what is passed on


def test_a_request_with_what_is_required_says_nothing_else() -> None:
    assert read(body()) == MessagesRequest(
        run=RunRequest(
            model="gpt-default",
            messages=[HELLO],
            max_completion_tokens=10,
            json_place="output_format.schema",
        ),
        stream=False,
        ignored=(),
    )


def test_all_that_the_upstream_takes_is_passed_on() -> None:
    request = read(
        body(
            model="gpt-4o",
            temperature=1,
            top_p=0.5,
            stop_sequences=["a", "b", "a"],
            stream=True,
        ),
        reject=True,
    )
    run = request.run
    assert (run.model, run.temperature, run.top_p) == ("gpt-4o", 1, 0.5)
    assert (run.stop, request.stream) == (("a", "b"), True)


def test_the_caller_is_named_in_the_run() -> None:
    asked = parse(body(), default_model="m", reject_unsupported=False, caller="somebody")
    assert asked.run.caller == "somebody"


def test_the_body_is_left_as_it_is() -> None:
    request = body(
        system=text("x"),
        messages=[user(*text("a")), assistant(CALL), user(RESULT)],
        tools=[TOOL],
    )
    before = copy.deepcopy(request)
    read(request)
    assert request == before


@pytest.mark.parametrize(
    ("system", "told"),
    [
        ("Be brief.", ["Be brief."]),
        (text("Be brief.", "Be kind."), ["Be brief.\nBe kind."]),
        ([{**text("x")[0], "cache_control": {"type": "ephemeral", "ttl": "1h"}}], ["x"]),
        ("", []),
        ([], []),
        (None, []),
    ],
)
def test_system_stands_in_front_of_the_messages(system: Any, told: list[str]) -> None:
    *instructions, last = said(HELLO, system=system)
    assert instructions == [{"role": "system", "content": one} for one in told]
    assert last == HELLO


def test_a_message_of_the_systems_stays_where_it_is() -> None:
    late = {"role": "system", "content": text("From now on in French.")}
    told = {"role": "system", "content": "From now on in French."}
    assert said(HELLO, late, HELLO) == [HELLO, told, HELLO]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ""),
        ("hi", "hi"),
        (text("a"), "a"),
        (text("a", "b"), "a\nb"),
        (
            [
                {
                    "type": "document",
                    "title": "T",
                    "context": "C",
                    "source": {"type": "text", "media_type": "text/plain", "data": "D"},
                    "citations": {"enabled": False},
                }
            ],
            "T\nC\nD",
        ),
        ([{"type": "document", "source": {"type": "content", "content": "D"}}], "D"),
        (
            [{"type": "document", "source": {"type": "content", "content": text("D", "E")}}],
            "D\nE",
        ),
        (
            [{"type": "search_result", "source": "s", "title": "t", "content": text("f")}],
            "t\ns\nf",
        ),
    ],
)
def test_words_of_the_users_are_told_as_text(content: Any, told: str) -> None:
    assert said({"role": "user", "content": content}) == [{"role": "user", "content": told}]


def test_thinking_is_left_out() -> None:
    thinking: Json = {"type": "thinking", "thinking": "hm", "signature": "s"}
    redacted: Json = {"type": "redacted_thinking", "data": "x"}
    told = said(HELLO, assistant(thinking, redacted, *text("yes")), HELLO)
    assert told == [HELLO, {"role": "assistant", "content": "yes"}, HELLO]


@pytest.mark.parametrize("blocks", [[], [{"type": "thinking", "thinking": "x", "signature": "s"}]])
def test_an_assistant_that_said_nothing_leaves_no_message(blocks: list[Json]) -> None:
    assert said(HELLO, assistant(*blocks), HELLO) == [HELLO, HELLO]


def test_m4_an_assistants_beginning_at_the_end_is_passed_on() -> None:
    beginning = {"role": "assistant", "content": "The answer is ("}
    assert said(HELLO, beginning) == [HELLO, beginning]


# --- calls and results


def test_a_round_of_calls_becomes_a_chats_own() -> None:
    again = {**CALL, "id": "toolu_2"}
    other = {**RESULT, "tool_use_id": "toolu_2", "content": text("sun", "wind")}
    told = said(
        HELLO,
        assistant(*text("Let me look."), CALL, again),
        user(RESULT, other, *text("Well?")),
    )
    assert told == [
        HELLO,
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [CALLED, {**CALLED, "id": "toolu_2"}],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "sun\nwind"},
        {"role": "user", "content": "Well?"},
    ]


def test_calls_without_words_have_no_content() -> None:
    assert said(HELLO, assistant(CALL), user(RESULT))[1]["content"] is None


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({}, "rain"),
        ({"content": None}, ""),
        ({"content": []}, ""),
        ({"is_error": False}, "rain"),
        ({"is_error": True}, "The tool failed: rain"),
        ({"is_error": True, "content": None}, "The tool failed: "),
        (
            {"content": [{"type": "search_result", "source": "s", "title": "t", "content": []}]},
            "t\ns",
        ),
    ],
)
def test_a_result_is_text(result: Json, told: str) -> None:
    assert said(HELLO, assistant(CALL), user({**RESULT, **result}))[-1]["content"] == told


def test_results_may_come_in_several_messages_as_turns_of_one_role_are_one() -> None:
    again = {**CALL, "id": "toolu_2"}
    other = {**RESULT, "tool_use_id": "toolu_2"}
    note: Json = {"role": "system", "content": "x"}
    told = said(HELLO, assistant(CALL), assistant(again), user(other), note, user(RESULT))
    ids = [message["tool_call_id"] for message in told if message["role"] == "tool"]
    assert ids == ["toolu_2", "toolu_1"]


@pytest.mark.parametrize(
    "messages",
    [
        [user(RESULT)],
        [HELLO, assistant(*text("x")), user(RESULT)],
        [HELLO, assistant({**CALL, "id": "toolu_2"}), user(RESULT)],
        [HELLO, assistant(CALL), user(RESULT), assistant(*text("x")), user(RESULT)],
    ],
)
def test_m5_a_result_without_its_call_is_refused(messages: list[Json]) -> None:
    fault = refused(body(messages=messages))
    assert "'tool_use' block with the id 'toolu_1'" in fault.message
    assert fault.param == f"messages[{len(messages) - 1}].content[0].tool_use_id"


# --- images and documents


def test_images_and_pdfs_are_passed_on_to_models_that_take_them() -> None:
    url: Json = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    (told,) = said(user(PNG, url, PDF, *text("what?")), media=("gpt-*",))
    assert told["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"},
        },
        {"type": "text", "text": "what?"},
    ]


def test_words_alone_are_text_for_such_a_model_too() -> None:
    assert said(user(*text("a", "b")), media=("*",)) == [{"role": "user", "content": "a\nb"}]


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([user(*text("x"), PNG)], "messages[0].content[1]"),
        ([user(PDF)], "messages[0].content[0]"),
        ([HELLO, assistant(CALL), user({**RESULT, "content": [PNG]})], None),
    ],
)
def test_m3_media_for_any_other_model_are_refused_by_their_place(
    messages: list[Json], place: str | None
) -> None:
    fault = refused(body(messages=messages))
    assert fault.param == f"{place or 'messages[2].content[0].content[0]'}.type"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([HELLO, assistant(PNG)], "messages[1].content[0].type"),
        ([HELLO, assistant(RESULT)], "messages[1].content[0].type"),
        ([user(CALL)], "messages[0].content[0].type"),
        ([user(RESULT | {"content": [CALL]})], "messages[0].content[0].tool_use_id"),
        (
            [HELLO, assistant(CALL), user(RESULT | {"content": [PNG]})],
            "messages[2].content[0].content[0].type",
        ),
        ([{"role": "system", "content": [PNG]}], "messages[0].content[0].type"),
        (
            [user({"type": "image", "source": {"type": "file", "file_id": "f"}})],
            "messages[0].content[0].source.type",
        ),
        (
            [user({"type": "document", "source": {"type": "url", "url": "u"}})],
            "messages[0].content[0].source.type",
        ),
        (
            [
                user(
                    {
                        "type": "document",
                        "source": {"type": "text", "data": "x"},
                        "citations": {"enabled": True},
                    }
                )
            ],
            "messages[0].content[0].citations",
        ),
    ],
)
def test_what_a_model_would_not_get_is_refused_even_where_media_are_taken(
    messages: list[Json], param: str
) -> None:
    assert refused(body(messages=messages), media=("*",)).param == param


# --- tools


def test_tools_are_offered_with_their_schemas() -> None:
    use = read(body(tools=[TOOL, {"type": "custom", "name": "f", "input_schema": {}}])).run.tools
    assert use == ToolUse(
        [Tool("get_weather", "The weather.", SCHEMA), Tool("f", None, {})],
        place="tools[{}].input_schema",
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ("auto", None, True)),
        ({"type": "auto"}, ("auto", None, True)),
        ({"type": "auto", "disable_parallel_tool_use": True}, ("auto", None, False)),
        ({"type": "any"}, ("required", None, True)),
        ({"type": "any", "disable_parallel_tool_use": True}, ("required", None, False)),
        ({"type": "tool", "name": "get_weather"}, ("required", ["get_weather"], True)),
        ({"type": "none"}, ("none", None, True)),
    ],
)
def test_how_free_the_model_is(choice: Any, expected: tuple[Any, ...]) -> None:
    use = read(body(tools=[TOOL], tool_choice=choice)).run.tools
    assert use is not None
    assert (use.choice, use.allowed, use.parallel) == expected


@pytest.mark.parametrize("tools", [None, []])
@pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "none"}])
def test_without_tools_there_is_nothing_to_choose(tools: Any, choice: Any) -> None:
    assert read(body(tools=tools, tool_choice=choice)).run.tools is None


@pytest.mark.parametrize(
    "kind",
    [
        *("web_search_20250305", "bash_20250124", "text_editor_20250728", "computer_20250124"),
        *("code_execution_20250825", "memory_20250818", "mcp_toolset", "web_fetch_20250910"),
        *("tool_search_tool_regex_20251119", "browser_toolset_20260801", ""),
    ],
)
def test_a_tool_that_is_not_the_callers_own_is_refused_by_its_type(kind: str) -> None:
    fault = refused(body(tools=[TOOL, {"type": kind, "name": "x"}]))
    assert (fault.param, fault.code) == ("tools[1].type", "unsupported_value")
    assert f"'{kind}'" in fault.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema"),
        ({"tools": [TOOL, TOOL]}, "tools[1].name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "required"}}, "tool_choice.type"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [], "tool_choice": {"type": "tool", "name": "f"}}, "tool_choice"),
    ],
)
def test_tools_that_make_no_sense_are_refused(fields: Json, param: str) -> None:
    assert refused(body(**fields)).param == param


# --- structured output

FORMAT = {"type": "json_schema", "schema": SCHEMA}


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"output_config": {"format": FORMAT}}, "output_config.format.schema"),
        ({"output_format": FORMAT}, "output_format.schema"),
        (
            {
                "output_config": {"format": FORMAT},
                "output_format": {"type": "json_schema", "schema": {}},
            },
            "output_config.format.schema",
        ),
    ],
)
def test_an_output_format_asks_for_json_of_its_schema(fields: Json, place: str) -> None:
    run = read(body(**fields), reject=True).run
    assert (run.json, run.json_schema, run.json_place) == (True, SCHEMA, place)


@pytest.mark.parametrize("config", [None, {}, {"format": None}])
def test_without_a_format_any_text_will_do(config: Any) -> None:
    assert not read(body(output_config=config)).run.json


# --- what is refused


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        ({"messages": [HELLO]}, "Missing required parameter: 'max_tokens'."),
        ({"max_tokens": 1}, "Missing required parameter: 'messages'."),
        (body(messages=[]), "Invalid 'messages': empty array."),
        (body(messages="hi"), "Invalid type for 'messages': expected an array of objects"),
        (body(messages=[{"role": "user"}]), "parameter: 'messages[0].content'."),
        (body(messages=[{"content": "x"}]), "parameter: 'messages[0].role'."),
        (body(messages=[{"role": "tool", "content": "x"}]), "messages[0].role: Invalid value"),
        (body(messages=[{"role": "user", "content": 5}]), "'messages[0].content': expected one of"),
        (body(messages=[user({"type": "text"})]), "parameter: 'messages[0].content[0].text'."),
        (body(messages=[user({"text": "x"})]), "parameter: 'messages[0].content[0].type'."),
        (
            body(messages=[user({"type": "server_tool_use", "id": "x"})]),
            "messages[0].content[0].type: Invalid value: 'server_tool_use'. Supported values are",
        ),
        (body(messages=[user({"type": "image"})]), "parameter: 'messages[0].content[0].source'."),
        (
            body(messages=[user({"type": "image", "source": {"type": "base64"}})]),
            "parameter: 'messages[0].content[0].source.media_type'.",
        ),
        (
            body(messages=[HELLO, assistant({**CALL, "input": "x"})]),
            "'messages[1].content[0].input': expected an object",
        ),
        (body(messages=[user()]), "messages: No message has any content."),
        (body(messages=[{"role": "system", "content": "x"}]), "No message has any content."),
        (body(max_tokens=0), "Invalid 'max_tokens': integer below minimum value."),
        (body(max_tokens="10"), "Invalid type for 'max_tokens': expected an integer"),
        (body(temperature=1.1), "Invalid 'temperature': decimal above maximum value."),
        (body(top_p=-0.1), "Invalid 'top_p': decimal below minimum value."),
        (body(top_k=-1), "Invalid 'top_k': integer below minimum value."),
        (body(stop_sequences=["x"] * 65), "Invalid 'stop_sequences': array too long."),
        (body(stop_sequences=[""]), "Invalid 'stop_sequences[0]': empty string."),
        (body(stop_sequences=["x" * 1001]), "Invalid 'stop_sequences[0]': string too long."),
        (body(stop_sequences="x"), "'stop_sequences': expected an array of strings"),
        (body(stream=1), "Invalid type for 'stream': expected a boolean"),
        (body(system=5), "Invalid type for 'system'"),
        (body(system=[PNG]), "system[0].type: Blocks of type 'image'"),
        (body(output_config={"format": {"type": "json"}}), "output_config.format.type"),
        (body(output_format={"type": "json_schema"}), "parameter: 'output_format.schema'."),
    ],
)
def test_what_does_not_fit_is_refused_in_words_that_name_the_place(
    request_body: Json, words: str
) -> None:
    told = error_body(refused(request_body), "req_1")
    assert told["error"]["type"] == "invalid_request_error"
    assert words in told["error"]["message"]


# --- the table

ASKING: Json = {
    "mcp_servers": [{"type": "url", "url": "u", "name": "n"}],
    "container": "c",
    "compaction": {"type": "auto"},
    "thread": {"type": "create"},
    "inference_geo": "eu",
    "top_k": 5,
    "thinking": {"type": "adaptive"},
    "cache_control": {"type": "ephemeral"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    "metadata": {"user_id": "u"},
    "service_tier": "priority",
    "speed": "fast",
    "diagnostics": {"previous_message_id": None},
    "fallbacks": "default",
    "fallback_credit_token": "t",
    "billing_policy": {"type": "billing_policy", "bill_to": "user_profile"},
}
HOW = {name: one.how for name, one in MESSAGES.items()}


@pytest.mark.parametrize(
    "parameters",
    [
        message_create_params.MessageCreateParamsBase,
        message_count_tokens_params.MessageCountTokensParams,
        beta_create_params.MessageCreateParamsBase,
    ],
)
def test_the_table_has_every_field_that_the_sdk_has(parameters: Any) -> None:
    assert set(parameters.__annotations__) - HEADERS <= set(MESSAGES)


def test_beside_them_it_has_those_alone_that_older_sdks_have() -> None:
    base = beta_create_params.MessageCreateParamsBase.__annotations__
    more = set(MESSAGES) - set(base) - {"stream"}
    assert more == {"temperature", "top_p", "top_k", "output_format"}


def test_the_table_and_the_models_know_the_same_fields() -> None:
    assert set(MESSAGES) == set(Body.model_fields)
    assert TABLES["messages"] is MESSAGES


@pytest.mark.parametrize("name", [name for name, how in HOW.items() if how == "ignored"])
def test_what_the_table_ignores_is_reported_or_refused(name: str) -> None:
    assert read(body(**{name: ASKING[name]})).ignored == (name,)
    assert refused(body(**{name: ASKING[name]}), reject=True).param == name


@pytest.mark.parametrize("name", [name for name, how in HOW.items() if how == "rejected"])
def test_what_the_table_rejects_is_a_400(name: str) -> None:
    fault = refused(body(**{name: ASKING[name]}))
    # The SDK's own loops try with a thread first, and go on without one where they are told this.
    code = "thread_unsupported_request" if name == "thread" else "unsupported_parameter"
    assert (fault.param, fault.code) == (name, code)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, one in MESSAGES.items() for value in one.idle],
    ids=str,
)
def test_a_value_that_asks_for_nothing_is_taken_without_a_word(name: str, value: object) -> None:
    assert read(body(**{name: value}), reject=True).ignored == ()


def test_null_means_absent_for_every_optional_field() -> None:
    fields = dict.fromkeys(MESSAGES.keys() - {"messages", "max_tokens"})
    assert read(body(**fields, unheard_of=None), reject=True) == read(body())


def test_effort_is_told_though_its_field_has_an_effect() -> None:
    request = body(output_config={"effort": "low", "format": FORMAT}, metadata={"user_id": "u"})
    assert read(request).ignored == ("metadata", "output_config.effort")
    assert refused(body(output_config={"effort": "low"}), reject=True).param == (
        "output_config.effort"
    )


def test_unknown_fields_are_told() -> None:
    assert read(body(whatever=1, zeal=2)).ignored == ("whatever", "zeal")


# --- counting


def test_a_count_asks_for_the_same_without_a_limit() -> None:
    request = body(system="s", tools=[TOOL], output_config={"format": FORMAT})
    counted = parse_count(
        {name: value for name, value in request.items() if name != "max_tokens"},
        default_model="gpt-default",
    )
    run = read(request).run
    assert (counted.messages, counted.tools) == (run.messages, run.tools)
    assert (counted.model, counted.json_schema) == ("gpt-default", SCHEMA)


def test_a_count_takes_media_for_the_same_models() -> None:
    request = body(messages=[user(PNG)])
    with pytest.raises(BadRequest):
        parse_count(request, default_model="m")
    assert parse_count(request, default_model="m", media_models=("m",)).messages


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        {"mcp_servers": ASKING["mcp_servers"]},
    ],
)
def test_a_count_refuses_what_a_message_would(fields: Json) -> None:
    with pytest.raises(BadRequest):
        parse_count(body(**fields), default_model="m")


def test_a_count_knows_the_fields_of_the_sdk() -> None:
    known = set(message_count_tokens_params.MessageCountTokensParams.__annotations__) - HEADERS
    assert known <= set(Asked.model_fields)
