"""Bodies of the Responses API: what they become, and what is refused with which words."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import input_token_count_params, response_create_params

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._capabilities.responses import RESPONSES
from langfast_wsgi.dialects._service import Kept
from langfast_wsgi.dialects.responses.fields import Body
from langfast_wsgi.dialects.responses.ids import OWN_INPUT, item_id, response_of
from langfast_wsgi.dialects.responses.keeping import kept_items
from langfast_wsgi.dialects.responses.parse import ResponsesRequest, parse
from langfast_wsgi.dialects.responses.recalling import MOST_LINKS
from langfast_wsgi.errors import BadRequest

Json = dict[str, Any]
FIRST = "resp_" + "1" * 32
SECOND = "resp_" + "2" * 32

HELLO: Json = {"role": "user", "content": "Hello"}
CALL: Json = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
ANSWER: Json = {"type": "function_call_output", "call_id": "c1", "output": "4"}
TOOL: Json = {"type": "function", "name": "f", "parameters": {"type": "object"}}
IMAGE: Json = {"type": "input_image", "image_url": "data:,x", "detail": "low"}
CALLED: Json = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def read(
    request: Json,
    *,
    reject: bool = False,
    media: tuple[str, ...] = (),
    kept: Mapping[str, Kept] | None = None,
    keeps: bool = True,
) -> ResponsesRequest:
    return parse(
        request,
        default_model="gpt-default",
        reject_unsupported=reject,
        media_models=media,
        get=({} if kept is None else kept).get,
        keeps=keeps,
    )


def said(*items: Any, **options: Any) -> list[Mapping[str, Any]]:
    """What the model is told of these items."""
    return list(read({"input": list(items)}, **options).run.messages)


def refused(request: Json, **options: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(request, **options)
    assert caught.value.status == 400
    return caught.value


def user(*parts: Any) -> Json:
    return {"role": "user", "content": list(parts)}


def keep(response_id: str, *items: Json, before: str | None = None, text: str = "Hi") -> Kept:
    """A response as it would be kept."""
    message = {
        "id": item_id("msg", response_id, 0),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }
    response = {"id": response_id, "previous_response_id": before, "output": [message]}
    return Kept(response, kept_items(items, response_id))


# --- what is passed on


def test_a_text_is_a_message_of_the_users() -> None:
    assert read({"input": "Hello"}) == ResponsesRequest(
        run=RunRequest(model="gpt-default", messages=[HELLO], json_place="text.format.schema"),
        body={"input": "Hello"},
        given=[{"type": "message", **HELLO}],
        stream=False,
        store=True,
        ignored=(),
    )


def test_all_that_the_upstream_takes_is_passed_on() -> None:
    request = {"input": "Hello", "model": "m", "temperature": 0.5, "top_p": 1}
    run = read({**request, "max_output_tokens": 7, "stream": True}, reject=True).run
    assert (run.model, run.temperature, run.top_p, run.max_completion_tokens) == ("m", 0.5, 1, 7)


def test_the_body_is_left_as_it_came() -> None:
    request = {"input": [HELLO, CALL, ANSWER, user(IMAGE)], "tools": [TOOL], "metadata": {"a": "b"}}
    before = copy.deepcopy(request)
    kept_items(read(request, media=("*",)).given, FIRST)
    assert request == before


def test_instructions_stand_in_front_as_a_system_message() -> None:
    kept = {FIRST: keep(FIRST, HELLO)}
    request = {"input": "And?", "instructions": "Be brief.", "previous_response_id": FIRST}
    assert read(request, kept=kept).run.messages == [
        {"role": "system", "content": "Be brief."},
        HELLO,
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "And?"},
    ]


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ([{"type": "message", **HELLO, "status": "completed"}], [HELLO]),
        ([user({"type": "input_text", "text": "Hello"})], [HELLO]),
        ([user()], [{"role": "user", "content": ""}]),
        (
            [user({"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"})],
            [user({"type": "text", "text": "a"}, {"type": "text", "text": "b"})],
        ),
        ([{"role": "developer", "content": "x"}], [{"role": "developer", "content": "x"}]),
        (
            [
                {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "content": [
                        {"type": "output_text", "text": "a", "annotations": []},
                        {"type": "refusal", "refusal": "no"},
                    ],
                }
            ],
            [{"role": "assistant", "content": "a\nno"}],
        ),
        ([{"type": "reasoning", "id": "rs_1", "summary": []}, HELLO], [HELLO]),
        (
            [CALL, {**ANSWER, "output": [{"type": "input_text", "text": "4"}]}],
            [
                {"role": "assistant", "content": None, "tool_calls": [CALLED]},
                {"role": "tool", "tool_call_id": "c1", "content": "4"},
            ],
        ),
    ],
)
def test_items_become_the_messages_of_a_chat(items: list[Json], messages: list[Json]) -> None:
    assert said(*items) == messages


def test_calls_stand_in_the_message_that_they_follow() -> None:
    text = {"role": "assistant", "content": "Let me see."}
    reasoning = {"type": "reasoning", "summary": []}
    other = {**CALL, "call_id": "c2"}
    found = said(HELLO, text, reasoning, CALL, reasoning, other, ANSWER, CALL)
    assert [one["role"] for one in found] == ["user", "assistant", "tool", "assistant"]
    assert found[1]["content"] == "Let me see."
    assert [one["id"] for one in found[1]["tool_calls"]] == ["c1", "c2"]
    assert found[3] == {"role": "assistant", "content": None, "tool_calls": [CALLED]}


def test_media_are_passed_on_in_the_words_of_the_chat_to_models_that_take_them() -> None:
    file = {"type": "input_file", "filename": "a.pdf", "file_data": "data:,x"}
    sound = {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}
    text = {"type": "input_text", "text": "See."}
    assert said(user(text, IMAGE, file, sound), media=("gpt-*",)) == [
        user(
            {"type": "text", "text": "See."},
            {"type": "image_url", "image_url": {"url": "data:,x", "detail": "low"}},
            {"type": "file", "file": {"file_data": "data:,x", "filename": "a.pdf"}},
            sound,
        )
    ]


@pytest.mark.parametrize(
    ("items", "media", "param"),
    [
        ([user(IMAGE)], (), "input[0].content[0].type"),
        ([HELLO, user({"type": "input_file", "file_id": "f"})], (), "input[1].content[0].type"),
        ([{"role": "system", "content": [IMAGE]}], ("*",), "input[0].content[0].type"),
        ([CALL, {**ANSWER, "output": [IMAGE]}], ("*",), "input[1].output[0].type"),
        ([user({"type": "input_image", "file_id": "f"})], ("*",), "input[0].content[0].image_url"),
        ([user({"type": "input_file", "file_url": "x"})], ("*",), "input[0].content[0].file_data"),
    ],
)
def test_a_part_that_the_model_would_not_get_is_refused_by_its_place(
    items: list[Json], media: tuple[str, ...], param: str
) -> None:
    assert refused({"input": items}, media=media).param == param


def test_media_of_the_past_are_refused_where_the_model_has_changed() -> None:
    kept = {FIRST: keep(FIRST, user(IMAGE))}
    request = {"input": "And?", "previous_response_id": FIRST}
    assert read(request, kept=kept, media=("*",)).run.messages
    fault = refused(request, kept=kept)
    assert fault.param == "previous_response_id[0].content[0].type"


# --- what is wanted


def test_tools_come_in_the_flat_form() -> None:
    tools = [{**TOOL, "description": "d", "strict": True}, {"type": "function", "name": "g"}]
    assert read({"input": "x", "tools": tools}).run.tools == ToolUse(
        [Tool("f", "d", {"type": "object"}), Tool("g")], place="tools[{}].parameters"
    )


@pytest.mark.parametrize(
    ("choice", "mode", "allowed"),
    [
        (None, "auto", None),
        ("none", "none", None),
        ("required", "required", None),
        ({"type": "function", "name": "f"}, "required", ["f"]),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            "auto",
            ["f"],
        ),
    ],
)
def test_the_choice_among_tools(choice: Any, mode: str, allowed: list[str] | None) -> None:
    request = {"input": "x", "tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False}
    use = read(request).run.tools
    assert use is not None
    assert (use.choice, use.allowed, use.parallel) == (mode, allowed, False)


@pytest.mark.parametrize(
    ("text", "json", "schema"),
    [
        (None, False, None),
        ({"verbosity": None}, False, None),
        ({"format": {"type": "text"}}, False, None),
        ({"format": {"type": "json_object"}}, True, None),
        ({"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}}}, True, {"a": 1}),
        (
            {"format": {"type": "json_schema", "name": "n", "schema": {}, "description": "d"}},
            True,
            {"description": "d"},
        ),
    ],
)
def test_the_format_of_the_text(text: Any, json: bool, schema: Json | None) -> None:
    run = read({"input": "JSON, please", "text": text}).run
    assert (run.json, run.json_schema) == (json, schema)


@pytest.mark.parametrize(
    "fields",
    [{"input": "Json"}, {"input": "x", "instructions": "As JSON."}, {"input": [HELLO]}],
)
def test_json_has_to_be_spoken_of_where_it_is_wanted(fields: Json) -> None:
    request = {**fields, "text": {"format": {"type": "json_object"}}}
    if fields["input"] == [HELLO]:
        assert refused(request).param == "input"
    else:
        assert read(request).run.json


# --- what was said before


def test_a_chain_of_responses_comes_in_its_order() -> None:
    kept = {
        FIRST: keep(FIRST, {"role": "user", "content": "1"}, text="2"),
        SECOND: keep(SECOND, {"role": "user", "content": "3"}, before=FIRST, text="4"),
    }
    request = {"input": "5", "previous_response_id": SECOND}
    contents = [one["content"] for one in read(request, kept=kept).run.messages]
    assert contents == ["1", "2", "3", "4", "5"]
    assert [one["content"] for one in read(request, kept=kept).given] == ["5"]


def test_a_response_may_be_gone_on_from_without_a_word() -> None:
    request = {"previous_response_id": FIRST}
    assert len(read(request, kept={FIRST: keep(FIRST, HELLO)}).run.messages) == 2


@pytest.mark.parametrize("gone", [FIRST, SECOND])
def test_half_a_conversation_does_not_pass_for_the_whole(gone: str) -> None:
    kept = {FIRST: keep(FIRST, HELLO), SECOND: keep(SECOND, HELLO, before=FIRST)}
    del kept[gone]
    fault = refused({"input": "x", "previous_response_id": SECOND}, kept=kept)
    assert (fault.code, fault.param) == ("previous_response_not_found", "previous_response_id")
    assert fault.message == f"Previous response with id '{gone}' not found."


def test_a_chain_has_an_end() -> None:
    asked: list[str] = []

    class Ring(dict[str, Kept]):
        def get(self, key: str, default: Any = None) -> Kept:
            asked.append(key)
            return keep(key, before=f"resp_{len(asked):032x}")

    fault = refused({"input": "x", "previous_response_id": FIRST}, kept=Ring())
    assert (fault.param, len(asked)) == ("previous_response_id", MOST_LINKS + 1)


def test_a_response_that_comes_after_itself_ends_as_well() -> None:
    kept = {FIRST: keep(FIRST, before=FIRST)}
    assert refused({"input": "x", "previous_response_id": FIRST}, kept=kept).code == "invalid_value"


@pytest.mark.parametrize("kind", [{"type": "item_reference"}, {}])
def test_an_item_is_found_by_its_id_alone(kind: Json) -> None:
    kept = {FIRST: keep(FIRST, HELLO)}
    answer, question = item_id("msg", FIRST, 0), item_id("msg", FIRST, OWN_INPUT)
    found = said({**kind, "id": question}, {**kind, "id": answer}, HELLO, kept=kept)
    assert found == [HELLO, {"role": "assistant", "content": "Hi"}, HELLO]


def test_an_item_with_the_callers_own_id_is_found_in_the_conversation() -> None:
    kept = {FIRST: keep(FIRST, {**HELLO, "id": "mine"})}
    request = {"input": [{"id": "mine"}], "previous_response_id": FIRST}
    assert read(request, kept=kept).run.messages[-1] == HELLO
    assert refused({"input": [{"id": "mine"}]}, kept=kept).param == "input"


@pytest.mark.parametrize("name", ["x", "", "msg_" + "1" * 37, "msg_" + "3" * 37, "é" * 300])
def test_an_item_that_is_not_kept_is_refused(name: str) -> None:
    fault = refused({"input": [{"id": name}]}, kept={FIRST: keep(FIRST)})
    assert fault.param == "input"
    assert "not found" in fault.message
    assert len(fault.message) < 300


def test_not_without_end_is_looked_for_items() -> None:
    asked: list[str] = []

    class Empty(dict[str, Kept]):
        def get(self, key: str, default: Any = None) -> Kept:
            asked.append(key)
            return keep(key)

    items = [{"id": item_id("msg", f"resp_{number:032x}", 0)} for number in range(MOST_LINKS + 2)]
    assert refused({"input": items}, kept=Empty()).code == "invalid_value"
    assert len(asked) == MOST_LINKS + 1


def test_an_output_needs_its_call() -> None:
    fault = refused({"input": [HELLO, ANSWER]})
    assert fault.message == "No tool call found for function call output with call_id c1."
    kept = {FIRST: keep(FIRST, CALL)}
    assert read({"input": [ANSWER], "previous_response_id": FIRST}, kept=kept)


# --- what is kept


def test_items_are_kept_in_one_form_and_with_ids() -> None:
    items = [
        HELLO,
        {"type": "reasoning", "summary": []},
        {"role": "assistant", "content": "Hi", "id": "msg_9"},
        {**CALL, "status": "completed", "namespace": None},
        {**ANSWER, "id": None},
    ]
    text = {"type": "output_text", "annotations": [], "logprobs": [], "text": "Hi"}
    kept = kept_items(items, FIRST)
    assert kept == [
        {
            "id": item_id("msg", FIRST, OWN_INPUT),
            "type": "message",
            "status": "completed",
            **user({"type": "input_text", "text": "Hello"}),
        },
        {
            "id": "msg_9",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [text],
        },
        {"id": item_id("fc", FIRST, OWN_INPUT + 3), "status": "completed", **CALL},
        {"id": item_id("fco", FIRST, OWN_INPUT + 4), "status": "completed", **ANSWER},
    ]
    assert said(*kept) == said(*items)


def test_an_id_leads_to_its_response() -> None:
    assert response_of(item_id("fc", FIRST, 3)) == FIRST
    assert response_of(item_id("msg", FIRST, OWN_INPUT + 4095)) == FIRST
    assert response_of("msg_1") is None
    assert response_of(FIRST) is None


@pytest.mark.parametrize(
    ("fields", "keeps", "store", "ignored"),
    [
        ({}, True, True, ()),
        ({"store": None}, True, True, ()),
        ({"store": False}, True, False, ()),
        ({}, False, False, ()),
        ({"store": True}, False, False, ("store",)),
    ],
)
def test_whether_a_response_is_kept(
    fields: Json, keeps: bool, store: bool, ignored: tuple[str, ...]
) -> None:
    asked = read({"input": "x", **fields}, keeps=keeps)
    assert (asked.store, asked.ignored) == (store, ignored)


def test_without_keeping_there_is_nothing_to_go_on_from() -> None:
    fault = refused({"input": "x", "previous_response_id": FIRST}, keeps=False)
    assert (fault.code, fault.param) == ("unsupported_parameter", "previous_response_id")
    assert refused({"input": "x", "store": True}, keeps=False, reject=True).param == "store"


# --- what is refused


@pytest.mark.parametrize(
    ("request_", "code", "param"),
    [
        ({}, "missing_required_parameter", "input"),
        ({"input": None}, "missing_required_parameter", "input"),
        ({"input": []}, "missing_required_parameter", "input"),
        ({"input": [{"type": "reasoning"}]}, "missing_required_parameter", "input"),
        ({"input": 5}, "invalid_type", "input"),
        ({"input": [5]}, "invalid_type", "input[0]"),
        ({"input": [HELLO, {}]}, "missing_required_parameter", "input[1].type"),
        ({"input": [{"type": 5}]}, "invalid_type", "input[0].type"),
        ({"input": [{"type": "local_shell_call"}]}, "invalid_value", "input[0].type"),
        ({"input": [{"type": "compaction"}]}, "invalid_value", "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "invalid_value", "input[0].role"),
        ({"input": [{"role": "user"}]}, "missing_required_parameter", "input[0].content"),
        ({"input": [{"role": "user", "content": None}]}, "invalid_type", "input[0].content"),
        ({"input": [user(3)]}, "invalid_type", "input[0].content[0]"),
        ({"input": [user({"type": "text"})]}, "invalid_value", "input[0].content[0].type"),
        (
            {"input": [user({"type": "input_text"})]},
            "missing_required_parameter",
            "input[0].content[0].text",
        ),
        (
            {"input": [{"type": "function_call_output", "output": "x"}]},
            "missing_required_parameter",
            "input[0].call_id",
        ),
        ({"input": [{**CALL, "arguments": {}}]}, "invalid_type", "input[0].arguments"),
        ({"input": [HELLO] * 4097}, "array_above_max_length", "input"),
        ({"input": "x", "model": ""}, "empty_string", "model"),
        ({"input": "x", "temperature": 2.5}, "decimal_above_max_value", "temperature"),
        ({"input": "x", "max_output_tokens": 0}, "integer_below_min_value", "max_output_tokens"),
        ({"input": "x", "instructions": ["x"]}, "invalid_type", "instructions"),
        ({"input": "x", "metadata": {"a": 1}}, "invalid_type", "metadata.a"),
        ({"input": "x", "truncation": "no"}, "invalid_value", "truncation"),
        ({"input": "x", "stream_options": {}}, None, "stream_options"),
        ({"input": "x", "text": {"format": {}}}, "missing_required_parameter", "text.format.type"),
        ({"input": "x", "text": {"format": {"type": "xml"}}}, "invalid_value", "text.format.type"),
        (
            {"input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}},
            "missing_required_parameter",
            "text.format.schema",
        ),
        (
            {"input": "x", "text": {"format": {"type": "json_schema", "name": "é", "schema": {}}}},
            "invalid_value",
            "text.format.name",
        ),
        ({"input": "x", "tools": [{**TOOL, "name": "a b"}]}, "invalid_value", "tools[0].name"),
        ({"input": "x", "tools": [TOOL, TOOL]}, "invalid_value", "tools[1].name"),
        ({"input": "x", "tool_choice": "required"}, None, "tool_choice"),
        ({"input": "x", "tools": [TOOL], "tool_choice": "any"}, "invalid_value", "tool_choice"),
        (
            {"input": "x", "tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}},
            "invalid_value",
            "tool_choice",
        ),
        (
            {"input": "x", "tools": [TOOL], "tool_choice": {"type": "web_search_preview"}},
            "invalid_value",
            "tool_choice.type",
        ),
        (
            {"input": "x", "include": ["message.output_text.logprobs"]},
            "unsupported_value",
            "include",
        ),
    ],
)
def test_what_is_refused(request_: Json, code: str | None, param: str) -> None:
    fault = refused(request_)
    assert (fault.code, fault.param) == (code, param)


@pytest.mark.parametrize(
    "kind",
    [
        *("web_search", "web_search_preview", "file_search", "code_interpreter", "computer", "mcp"),
        *("computer_use_preview", "image_generation", "local_shell", "shell", "apply_patch"),
        *("custom", "namespace", "tool_search", "programmatic_tool_calling", "what next"),
    ],
)
def test_a_tool_that_nobody_runs_is_refused_by_its_place(kind: str) -> None:
    fault = refused({"input": "x", "tools": [TOOL, {"type": kind, "name": "x"}]})
    assert (fault.code, fault.param) == ("invalid_value", "tools[1].type")
    assert f"'{kind}'" in fault.message


# --- the table

ASKING: Json = {
    "background": True,
    "background_options": {"completion_window": "8h"},
    "conversation": "conv_1",
    "moderation": {"model": "m"},
    "prompt": {"id": "pmpt_1"},
    "top_logprobs": 2,
    "access_programs": {"cyber": "daybreak_red"},
    "context_management": [{"type": "compaction"}],
    "image": {"context_compression": "enabled"},
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "reasoning": {"effort": "low"},
    "safety_identifier": "s",
    "service_tier": "flex",
    "truncation": "auto",
    "user": "u",
}


def test_the_table_has_exactly_the_parameters_that_the_sdk_has() -> None:
    known = {*response_create_params.ResponseCreateParamsBase.__annotations__, "stream"}
    assert set(RESPONSES) == known == set(Body.model_fields)
    counted = set(input_token_count_params.InputTokenCountParams.__annotations__)
    assert counted - known == {"personality"}


@pytest.mark.parametrize("name", [name for name, one in RESPONSES.items() if one.how == "ignored"])
def test_what_the_table_ignores_is_reported(name: str) -> None:
    request = {"input": "x", name: ASKING[name]}
    assert read(request).ignored == (name,)
    assert refused(request, reject=True).param == name


@pytest.mark.parametrize("name", [name for name, one in RESPONSES.items() if one.how == "rejected"])
def test_what_the_table_rejects_is_a_400(name: str) -> None:
    fault = refused({"input": "x", name: ASKING[name]})
    assert (fault.code, fault.param) == ("unsupported_parameter", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name, one in RESPONSES.items() for value in one.idle),
        *((name, None) for name in RESPONSES if name != "input"),
        ("reasoning", {"effort": None, "summary": None}),
        ("include", ["reasoning.encrypted_content", "web_search_call.action.sources"]),
        ("text", {"verbosity": "medium"}),
    ],
    ids=str,
)
def test_a_value_that_asks_for_nothing_is_taken_without_a_word(name: str, value: object) -> None:
    assert read({"input": "x", name: value}, reject=True).ignored == ()


def test_what_lies_deeper_is_reported_as_well() -> None:
    request = {"input": "x", "text": {"verbosity": "low"}, "include": ["new.thing"], "what": 1}
    assert read(request).ignored == ("include", "text.verbosity", "what")
    assert refused({"input": "x", "text": {"verbosity": "low"}}, reject=True).param == (
        "text.verbosity"
    )


# --- whatever comes

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "text", "id", "call_id", "name", "output", "arguments"]
            )
            | st.text(max_size=3),
            inner | st.sampled_from(["message", "user", "function_call", "input_text"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(sorted(Body.model_fields)), _JSON, max_size=6),
    st.lists(_JSON, max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_no_body_is_answered_with_anything_but_a_request_or_a_400(
    fields: Json, items: list[Any]
) -> None:
    try:
        asked = read({"input": items, **fields}, media=("*",))
        kept_items(asked.given, FIRST)
    except BadRequest as caught:
        fault = caught
    else:
        return
    assert fault.status == 400
    assert len(fault.message) < 1000
