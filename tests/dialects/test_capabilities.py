"""The table of what becomes of each parameter: whatever is said of it elsewhere agrees with it."""

from typing import Any

import pytest
from openai.types.chat import completion_create_params

from langfast_wsgi.dialects._capabilities.chat import CHAT
from langfast_wsgi.dialects._capabilities.offered import extension
from langfast_wsgi.dialects.chat.parse import parse
from langfast_wsgi.errors import BadRequest
from tests.dialects import capability_table

# A value that asks for something, for each parameter that does not work as OpenAI says.
ASKING: dict[str, Any] = {
    "logprobs": True,
    "top_logprobs": 2,
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy"},
    "web_search_options": {},
    "moderation": {"model": "m"},
    "seed": 1,
    "logit_bias": {"1": 1},
    "prediction": {"type": "content"},
    "reasoning_effort": "low",
    "verbosity": "low",
    "service_tier": "flex",
    "store": True,
    "metadata": {"a": "b"},
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
}


def taken(**fields: Any) -> tuple[str, ...]:
    body = {"messages": [{"role": "user", "content": "hi"}], **fields}
    return parse(body, default_model="m", reject_unsupported=False).ignored


def test_the_table_has_exactly_the_parameters_that_the_sdk_has() -> None:
    known = {*completion_create_params.CompletionCreateParamsBase.__annotations__, "stream"}
    assert set(CHAT) == known


def test_the_page_has_the_tables_of_the_code() -> None:
    assert capability_table.PAGE.read_text(encoding="utf-8") == capability_table.page(), (
        "write it anew: .venv/bin/python -m tests.dialects.capability_table"
    )


@pytest.mark.parametrize("name", [name for name, one in CHAT.items() if one.how == "ignored"])
def test_what_the_table_ignores_is_reported(name: str) -> None:
    assert taken(**{name: ASKING[name]}) == (name,)


@pytest.mark.parametrize("name", [name for name, one in CHAT.items() if one.how == "rejected"])
def test_what_the_table_rejects_is_a_400(name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        taken(**{name: ASKING[name]})
    assert caught.value.param == name


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, one in CHAT.items() for value in one.idle],
    ids=str,
)
def test_a_value_that_asks_for_nothing_is_taken_without_a_word(name: str, value: object) -> None:
    assert taken(**{name: value}) == ()


def test_programs_are_told_the_same() -> None:
    told = extension("m", ())["chat_completions"]
    assert isinstance(told, dict)
    assert told["parameters"] == {name: one.how for name, one in CHAT.items()}
