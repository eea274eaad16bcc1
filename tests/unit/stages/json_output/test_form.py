"""The JSON that a request wants."""

import json
from typing import Any

import pytest

from langfast_wsgi.emulator.obedient import answer
from langfast_wsgi.errors import BadRequest
from langfast_wsgi.stages.instructions import instructed
from langfast_wsgi.stages.json_output.form import Form, NotFitting

PERSON: dict[str, Any] = {
    "title": "Person",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (None, '{"any": [1, 2]}', '{"any": [1, 2]}'),
        (None, 'Here:\n```json\n{"a": 1}\n```\nDone.', '{"a": 1}'),
        (None, "{'a': True,}", '{"a": true}'),
        (None, '{"a": 1 "b": 2}', '{"a": 1, "b": 2}'),
        (PERSON, '{"name": "Zoë", "age": 3}', '{"name": "Zoë", "age": 3}'),
        ({"type": "array", "items": {"type": "integer"}}, "So: [1, 2]", "[1, 2]"),
        ({"anyOf": [{"type": "array"}, {"type": "object"}]}, "[1]", "[1]"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_json_is_taken_out_of_an_answer(schema: Any, text: str, expected: str) -> None:
    assert Form(schema).take(text) == expected


@pytest.mark.parametrize(
    ("schema", "text", "problem"),
    [
        (None, "words", "it holds no complete and valid JSON."),
        (None, '{"a": "trunc', "it holds no complete and valid JSON."),
        (PERSON, '{"name": "Zoë"}', 'the JSON does not fit the schema: "age" is a required'),
        (PERSON, '{"name": 3, "age": 3}', "the JSON does not fit the schema: at /name: "),
        ({"type": "array"}, '{"a": 1}', "it holds no complete"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_why_an_answer_does_not_fit_is_told_in_a_sentence(
    schema: Any, text: str, problem: str
) -> None:
    form = Form(schema)
    with pytest.raises(NotFitting) as refused:
        form.take(text)
    assert str(refused.value).startswith(problem)
    assert str(refused.value) in form.correction(refused.value)


def test_what_is_no_schema_is_the_callers_fault() -> None:
    with pytest.raises(BadRequest) as refused:
        Form({"type": "strin"})
    assert (refused.value.code, refused.value.param) == (
        "invalid_json_schema",
        "response_format.json_schema.schema",
    )
    with pytest.raises(BadRequest) as refused:
        Form({"type": "strin"}, place="text.format.schema")
    assert refused.value.param == "text.format.schema"


def obeyed(form: Form, words: str) -> str:
    messages = instructed([{"role": "user", "content": words}], form.instructions())
    return answer([dict(message) for message in messages])


def test_an_obedient_model_fills_the_schema_without_a_fence() -> None:
    form = Form(PERSON)
    text = obeyed(form, "Alice is 30 years old.")
    assert form.take(text) == text
    assert json.loads(text) == {"name": "Alice", "age": 30}


def test_an_obedient_model_gives_an_object_without_a_fence() -> None:
    text = obeyed(Form(), 'Bob is 42. JSON with the keys "name" and "age".')
    assert json.loads(text) == {"name": "Bob", "age": 42}
