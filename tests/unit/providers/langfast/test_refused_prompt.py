"""What upstreams say of prompts that they do not take, in the shapes in which it is handed on."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfast_wsgi.errors import ContentFiltered, PromptTooLong
from langfast_wsgi.providers.langfast.refused_prompt import message_of, refused_prompt

TOO_LONG: list[dict[str, Any]] = [
    {
        "message": "This model's maximum context length is 8192 tokens. However, your messages"
        " resulted in 9001 tokens. Please reduce the length of the messages.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    },
    {"code": "context_length_exceeded"},
    {"code": "string_above_max_length", "message": "Invalid 'input': string too long."},
    {"message": "Your input exceeds the context window of this model. Please adjust your input."},
    {"type": "invalid_request_error", "message": "prompt is too long: 200251 tokens > 200000"},
    {"message": "Input is too long for requested model."},
    {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."},
    {"message": "the request exceeds the available context size. try increasing it"},
    {"message": "Too many tokens in the prompt."},
    {"error_code": "model_context_window_exceeded"},
]
FILTERED: list[dict[str, Any]] = [
    {"code": "content_filter"},
    {"code": "content_policy_violation", "message": "Your request was rejected."},
    {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content"
        " management policy.",
        "code": None,
    },
    {"message": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
    {"message": "Your request was rejected as a result of our safety system."},
    {"message": "Your prompt was flagged as potentially violating our usage policy."},
    {"message": "This violates our content policies.", "code": "invalid_prompt"},
    {"code": "moderation_blocked"},
    {"message": "Content was filtered."},
    {"msg": "blocked by the Content-Filter"},
]


def shapes(error: dict[str, Any]) -> list[Any]:
    text = json.dumps(error)
    return [
        error,
        {"error": error},
        {"error": text},
        {"error": {"message": f"400 {text}"}},
        {"errors": [error, {"code": "other"}]},
        {"detail": {"error": error}},
        text,
    ]


@pytest.mark.parametrize("error", TOO_LONG, ids=lambda one: str(one)[:60])
def test_a_prompt_that_is_too_long_is_known_by_word_and_sentence(error: dict[str, Any]) -> None:
    for found in shapes(error):
        assert isinstance(refused_prompt(found, ""), PromptTooLong), found


@pytest.mark.parametrize("error", FILTERED, ids=lambda one: str(one)[:60])
def test_a_filter_is_known_by_word_and_sentence(error: dict[str, Any]) -> None:
    for found in shapes(error):
        assert isinstance(refused_prompt(found, ""), ContentFiltered), found


@pytest.mark.parametrize(
    "found",
    [
        None,
        7,
        [],
        {},
        "",
        "no such prompt",
        {"code": "bad_request", "message": "The request is not valid."},
        {"message": "max_tokens is too large: 100000. This model supports at most 16384."},
        {"error": {"message": "Unsupported value: 'temperature' does not support 3."}},
        {"message": "The model `gpt-99` does not exist.", "code": "model_not_found"},
        {"message": "The request body is not valid JSON."},
        {"error": "violates check constraint on table prompts"},
    ],
    ids=str,
)
def test_any_other_refusal_is_none_of_both(found: object) -> None:
    assert refused_prompt(found, "") is None


def test_what_repeats_the_prompt_is_not_looked_at() -> None:
    """Servers that check bodies send back what they were sent."""
    prompt = "What is a content policy, and what is meant by maximum context length?"
    found = {"detail": [{"type": "value_error", "msg": "Bad.", "input": prompt}], "content": prompt}
    assert refused_prompt(found, "") is None


def test_the_fault_says_what_the_upstream_said_and_is_not_to_be_repeated() -> None:
    fault = refused_prompt({"code": "context_length_exceeded"}, "Too long by far.")
    assert fault is not None
    assert (fault.status, fault.code, fault.param, fault.retry) == (
        400,
        "context_length_exceeded",
        None,
        False,
    )
    assert fault.message == "Too long by far."
    silent = refused_prompt({"code": "content_filter"}, "")
    assert silent is not None
    assert (silent.status, silent.code, silent.retry) == (400, "content_filter", False)
    assert silent.message == "The upstream's content filter refused the prompt."


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"message": "a", "error": "b"}, "a"),
        ({"msg": "a"}, "a"),
        ({"error": "b"}, "b"),
        ({"error": {"message": "c"}}, "c"),
        ({"message": {"message": "d"}}, "d"),
        ({"message": "", "error": {"message": "e"}}, "e"),
        ({"message": 7, "error": {"message": 7}}, ""),
        ({"error": ["x"]}, ""),
        ({}, ""),
    ],
    ids=str,
)
def test_the_words_of_an_error_stand_in_one_of_a_few_places(
    found: dict[str, Any], message: str
) -> None:
    assert message_of(found) == message


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=30),
        lambda inner: (
            st.lists(inner, max_size=6)
            | st.dictionaries(st.sampled_from(["error", "errors", "code", "detail", "x"]), inner)
        ),
        max_leaves=20,
    )
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_found_there_is_an_answer(found: object) -> None:
    fault = refused_prompt(found, "")
    assert fault is None or fault.status == 400


@pytest.mark.parametrize("word", ["exceed", "exceeds a b ", "violates ", "flagged x", "context "])
def test_a_long_text_made_to_be_slow_is_looked_at_quickly(word: str) -> None:
    text = word * (1_000_000 // len(word))
    began = time.perf_counter()
    refused_prompt({"errors": [{"message": text, "code": text}] * 10}, "")
    assert time.perf_counter() - began < 1.0


def test_an_error_that_is_nested_without_end_is_not_followed() -> None:
    found: Any = {"code": "content_filter"}
    for _ in range(10_000):
        found = {"error": found}
    assert refused_prompt(found, "") is None
