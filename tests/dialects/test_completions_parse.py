"""Bodies of legacy completions: what they become, and what is refused with which words."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import completion_create_params

from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._capabilities.completions import COMPLETIONS
from langfast_wsgi.dialects._capabilities.offered import extension
from langfast_wsgi.dialects.completions.fields import Body
from langfast_wsgi.dialects.completions.parse import CompletionRequest, parse
from langfast_wsgi.errors import BadRequest

Json = dict[str, Any]


def body(**fields: Any) -> Json:
    return {"prompt": "Once upon", **fields}


def read(request: Json, *, reject: bool = False) -> CompletionRequest:
    return parse(request, default_model="gpt-default", reject_unsupported=reject, caller="c")


def refused(request: Json, *, reject: bool = False) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(request, reject=reject)
    assert caught.value.status == 400
    return caught.value


def run(prompt: str = "Once upon", **fields: Any) -> RunRequest:
    model = fields.pop("model", "gpt-default")
    return RunRequest(model, [{"role": "user", "content": prompt}], caller="c", **fields)


# --- what is passed on


def test_a_prompt_alone_is_what_a_user_says_to_the_default_model() -> None:
    assert read(body()) == CompletionRequest(
        runs=[run()], choices=1, stream=False, include_usage=False, echoes=[""], ignored=()
    )


def test_all_that_the_upstream_takes_is_passed_on() -> None:
    request = body(
        model="gpt-4o",
        temperature=0.5,
        top_p=1,
        frequency_penalty=-2,
        presence_penalty=2.0,
        max_tokens=7,
        stop=["a", "b", "a", ""],
    )
    assert read(request, reject=True).runs == [
        run(
            model="gpt-4o",
            temperature=0.5,
            top_p=1,
            frequency_penalty=-2,
            presence_penalty=2,
            max_completion_tokens=7,
            stop=("a", "b"),
        )
    ]


def test_nothing_is_cut_at_sixteen_tokens_unless_somebody_says_so() -> None:
    assert read(body()).runs[0].max_completion_tokens is None
    assert read(body(max_tokens=16)).runs[0].max_completion_tokens == 16


def test_each_of_several_prompts_is_a_run_of_its_own() -> None:
    asked = read(body(prompt=["a", "", "a"], n=2, stop="x", temperature=1))
    assert asked.runs == [run(text, stop=("x",), temperature=1) for text in ("a", "", "a")]
    assert asked.choices == 2
    assert asked.echoes == ["", "", ""]


def test_the_echo_is_what_each_prompt_said() -> None:
    assert read(body(echo=True)).echoes == ["Once upon"]
    assert read(body(prompt=["a", "b"], echo=True, n=2)).echoes == ["a", "b"]
    assert read(body(prompt=["a"], echo=False)).echoes == [""]


@pytest.mark.parametrize(
    ("fields", "stream", "include_usage"),
    [
        ({}, False, False),
        ({"stream": True}, True, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, True),
        ({"stream": True, "stream_options": {"include_obfuscation": True}}, True, False),
        ({"stream": False, "stream_options": None}, False, False),
    ],
)
def test_stream_and_its_options_are_read(fields: Json, stream: bool, include_usage: bool) -> None:
    request = read(body(**fields), reject=True)
    assert (request.stream, request.include_usage) == (stream, include_usage)


def test_null_means_absent_for_every_optional_field() -> None:
    fields = {name: None for name in COMPLETIONS if name != "prompt"}
    assert read(body(**fields, unheard_of=None), reject=True) == read(body())


# --- how many answers


@pytest.mark.parametrize(
    ("prompts", "n"), [("a", 8), (["a"], 8), (["a"] * 2, 4), (["a"] * 8, 1), (["a"] * 8, None)]
)
def test_eight_answers_are_taken_however_they_come_about(prompts: Any, n: int | None) -> None:
    asked = read(body(prompt=prompts, n=n))
    assert len(asked.runs) * asked.choices == 8


@pytest.mark.parametrize(
    ("prompts", "n", "words"),
    [
        ("a", 9, "support 9 here"),
        ("a", 128, "support 128 here"),
        (["a"] * 2, 5, "support 5 with 2 prompts here"),
        (["a"] * 8, 2, "support 2 with 8 prompts here"),
    ],
)
def test_more_than_eight_answers_are_refused(prompts: Any, n: int, words: str) -> None:
    fault = refused(body(prompt=prompts, n=n))
    assert (fault.code, fault.param) == ("unsupported_value", "n")
    assert words in fault.message


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"best_of": 1}, True),
        ({"best_of": 1, "n": None}, True),
        ({"best_of": 3, "n": 3}, True),
        ({"best_of": 2}, False),
        ({"best_of": 1, "n": 2}, False),
        ({"best_of": 4, "n": 2}, False),
    ],
    ids=str,
)
def test_best_of_may_be_no_other_than_n(fields: Json, taken: bool) -> None:
    if taken:
        assert read(body(**fields), reject=True).choices == fields.get("n") or 1
    else:
        fault = refused(body(**fields))
        assert (fault.code, fault.param) == ("unsupported_value", "best_of")
        assert "not ranked" in fault.message


# --- what is refused


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]], [[]], [0]], ids=str)
def test_tokens_are_refused_in_so_many_words(prompt: object) -> None:
    fault = refused(body(prompt=prompt))
    assert (fault.code, fault.param) == ("unsupported_value", "prompt")
    assert "arrays of tokens" in fault.message


@pytest.mark.parametrize(
    ("request_body", "code", "param"),
    [
        ({}, "missing_required_parameter", "prompt"),
        ({"prompt": None}, "missing_required_parameter", "prompt"),
        ({"messages": []}, "missing_required_parameter", "prompt"),
        (body(prompt=[]), "empty_array", "prompt"),
        (body(prompt=["a"] * 9), "array_above_max_length", "prompt"),
        (body(prompt=["a", 1]), "invalid_type", "prompt[1]"),
        (body(prompt=["a", ["b"]]), "invalid_type", "prompt[1]"),
        (body(prompt=[True]), "invalid_type", "prompt[0]"),
        (body(prompt={"text": "a"}), "invalid_type", "prompt"),
        (body(prompt=7), "invalid_type", "prompt"),
        (body(model=""), "empty_string", "model"),
        (body(temperature=2.1), "decimal_above_max_value", "temperature"),
        (body(top_p="1"), "invalid_type", "top_p"),
        (body(max_tokens=0), "integer_below_min_value", "max_tokens"),
        (body(n=0), "integer_below_min_value", "n"),
        (body(n=129), "integer_above_max_value", "n"),
        (body(best_of=21), "integer_above_max_value", "best_of"),
        (body(logprobs=6), "integer_above_max_value", "logprobs"),
        (body(stop=["a"] * 5), "array_above_max_length", "stop"),
        (body(stop="a" * 1001), "string_above_max_length", "stop"),
        (body(echo="yes"), "invalid_type", "echo"),
        (body(stream="yes"), "invalid_type", "stream"),
        (body(stream_options={}), None, "stream_options"),
        (body(stream=False, stream_options={}), None, "stream_options"),
        (body(suffix="the end."), "unsupported_parameter", "suffix"),
        (body(logprobs=0), "unsupported_parameter", "logprobs"),
        (body(logprobs=5), "unsupported_parameter", "logprobs"),
        (body(logit_bias=[]), "invalid_type", "logit_bias"),
        (body(user=1), "invalid_type", "user"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_what_cannot_be_served_is_a_400_that_says_what(
    request_body: Json, code: str | None, param: str
) -> None:
    fault = refused(request_body)
    assert (fault.code, fault.param) == (code, param)
    assert len(fault.message) < 400


# --- the table

ASKING: Json = {
    "logprobs": 1,
    "suffix": "end",
    "seed": 1,
    "logit_bias": {"50256": -100},
    "user": "u",
}


def test_the_table_has_exactly_the_parameters_that_the_sdk_has() -> None:
    known = {*completion_create_params.CompletionCreateParamsBase.__annotations__, "stream"}
    assert set(COMPLETIONS) == known == set(Body.model_fields)


@pytest.mark.parametrize("name", [name for name, one in COMPLETIONS.items() if one.how[0] == "i"])
def test_what_the_table_ignores_is_reported_or_refused(name: str) -> None:
    assert read(body(**{name: ASKING[name]})).ignored == (name,)
    assert refused(body(**{name: ASKING[name]}), reject=True).param == name


@pytest.mark.parametrize("name", [name for name, one in COMPLETIONS.items() if one.how[0] == "r"])
def test_what_the_table_rejects_is_a_400(name: str) -> None:
    assert refused(body(**{name: ASKING[name]})).param == name


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, one in COMPLETIONS.items() for value in one.idle],
    ids=str,
)
def test_a_value_that_asks_for_nothing_is_taken_without_a_word(name: str, value: object) -> None:
    assert read(body(**{name: value}), reject=True).ignored == ()


def test_fields_that_openai_does_not_know_are_reported_or_refused() -> None:
    assert read(body(messages=[], top_k=3)).ignored == ("messages", "top_k")
    assert refused(body(top_k=3), reject=True).param == "top_k"


def test_programs_are_told_the_same() -> None:
    told = extension("m", ())["completions"]
    assert told == {"parameters": {name: one.how for name, one in COMPLETIONS.items()}}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*COMPLETIONS, "more"]), anything))
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_is_a_request_or_a_400(fields: Json) -> None:
    try:
        asked = read(fields)
    except BadRequest:
        return
    assert 1 <= len(asked.runs) * asked.choices <= 8
    assert len(asked.echoes) == len(asked.runs)
