"""Whether a value fits a JSON Schema."""

import time
from typing import Any

import pytest

from langfast_wsgi.stages import schemas
from langfast_wsgi.stages.schemas import Schema, UnusableSchema

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}
TREE = {
    "$defs": {"node": {"properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}] * 20}}}},
    "type": "object",
    "$ref": "#/$defs/node",
}


def doubled(levels: int, word: str = "anyOf") -> dict[str, Any]:
    """Each level refers twice to the next."""
    levels_ = {
        f"l{level}": {word: [{"$ref": f"#/$defs/l{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$defs": {**levels_, f"l{levels}": {"type": "string"}}, "$ref": "#/$defs/l0"}


def nested(levels: int, inner: Any) -> Any:
    value = inner
    for _ in range(levels):
        value = {"next": value}
    return value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"name": "Zoë", "age": 3}, None),
        ({"name": "x"}, None),
        ({}, '"name" is a required property'),
        ({"name": 3}, 'at /name: 3 is not of type "string"'),
        ({"name": "x", "age": -1}, "at /age: -1 is less than the minimum of 0"),
        ({"name": "x", "city": 1}, "Additional properties are not allowed ('city' was unexpected)"),
        ([], '[] is not of type "object"'),
    ],
)
def test_a_value_fits_or_a_sentence_says_why_not(value: Any, problem: str | None) -> None:
    assert Schema(PERSON).problem(value) == problem


def test_the_sentence_is_short() -> None:
    problem = Schema(PERSON).problem({"name": ["x" * 5000]})
    assert problem is not None
    assert len(problem) == schemas.LONGEST_TOLD


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ({"type": "strin"}, '"strin" is not valid'),
        ({"type": "string", "pattern": "((("}, '"((("'),
        ({"properties": {"a": None}}, "null is not of types"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "no part of it"),
        ({"$ref": "file:///etc/passwd"}, "no part of it"),
        ({"properties": {"a": {"$ref": "#/nope"}}}, "no part of it: #/nope"),
        ({"$ref": "#anchor", "$defs": {"a": {"$anchor": "anchor"}}}, "no part of it"),
        ({"items": {"$ref": 3}}, "3"),
        (doubled(40), "more than can be checked"),
        (doubled(40, "allOf"), "more than can be checked"),
        ({"enum": [], "x": [{}] * schemas.LARGEST}, "more than can be checked"),
        (
            {
                "$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(5000)},
                "$ref": "#/$defs/0",
            },
            "too deep",
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_schema_that_cannot_be_checked_against_is_refused(schema: Any, sentence: str) -> None:
    with pytest.raises(UnusableSchema) as refused:
        Schema(schema)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": {"a/b": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a~1b"}}},
        {"anyOf": [{"type": "string"}, {"$ref": "#/anyOf/0"}]},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}},
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "exclusiveMinimum": True,
            "minimum": 1,
        },
        {},
    ],
    ids=repr,
)
def test_references_to_its_own_parts_and_older_drafts_are_understood(schema: Any) -> None:
    assert Schema(schema).problem("text") is None


def test_formats_are_not_checked() -> None:
    assert Schema({"type": "string", "format": "date-time"}).problem("2024-01-15T12:00:00") is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubled(10), 3),
        (doubled(10, "oneOf"), 3),
        (TREE, nested(60, 3)),
        (TREE, nested(4, {"next": {"next": 3}})),
        ({"type": "string", "pattern": "^(a+)+(?=b)$"}, "a" * 5000),
        ({"type": "string", "pattern": r"^(a|a)*(?!x)\1?c$"}, "a" * 5000),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_neither_schema_nor_value_can_hold_up_the_worker(schema: Any, value: Any) -> None:
    checker = Schema(schema)
    begun = time.process_time()
    checker.problem(value)
    assert time.process_time() - begun < 1


def test_of_a_schema_that_refers_to_itself_the_sentence_says_less() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert Schema(schema).problem({"next": {"next": 3}}) == "it does not fit the schema"
