"""Instructions of the gateway's own."""

from typing import Any

import pytest

from langfast_wsgi.stages.instructions import compact, instructed, text_of

USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER], [{"role": "system", "content": "Do."}, USER]),
        ([], [{"role": "system", "content": "Do."}]),
        (
            [{"role": "developer", "content": "Be kind.", "name": "x"}, USER],
            [{"role": "developer", "content": "Be kind.\n\nDo.", "name": "x"}, USER],
        ),
        ([{"role": "system", "content": None}], [{"role": "system", "content": "Do."}]),
        (
            [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}],
            [
                {
                    "role": "system",
                    "content": [
                        {"type": "text", "text": "Be kind."},
                        {"type": "text", "text": "Do."},
                    ],
                }
            ],
        ),
        (
            [USER, {"role": "system", "content": "x"}],
            [{"role": "system", "content": "Do."}, USER, {"role": "system", "content": "x"}],
        ),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_instructions_come_behind_the_callers_own_or_before_all(
    messages: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    before = repr(messages)
    assert instructed(messages, "Do.") == expected
    assert repr(messages) == before


def test_the_text_of_a_message_is_its_string_or_its_parts() -> None:
    assert text_of("a") == "a"
    assert text_of(None) == ""
    assert text_of([{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}]) == "a\nb"


def test_a_schema_is_told_without_what_says_nothing() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "x",
        "title": "Weather",
        "type": "object",
        "properties": {
            "title": {"title": "Title", "type": "string", "default": {"title": "kept"}},
            "kind": {"enum": [{"title": "kept"}]},
        },
        "$defs": {"title": {"title": "gone", "anyOf": [{"title": "gone", "type": "null"}]}},
        "required": ["title"],
        "additionalProperties": False,
    }
    assert compact(schema) == {
        "type": "object",
        "properties": {
            "title": {"type": "string", "default": {"title": "kept"}},
            "kind": {"enum": [{"title": "kept"}]},
        },
        "$defs": {"title": {"anyOf": [{"type": "null"}]}},
        "required": ["title"],
        "additionalProperties": False,
    }
