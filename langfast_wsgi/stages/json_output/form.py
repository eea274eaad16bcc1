"""The JSON that a request wants: how it is told to the model, and what checks it."""

import json
from collections.abc import Mapping
from typing import Any

from langfast_wsgi.errors import BadRequest
from langfast_wsgi.stages.instructions import compact
from langfast_wsgi.stages.repair import dumps, guessed, mended
from langfast_wsgi.stages.schemas import Schema, UnusableSchema

PLACE = "response_format.json_schema.schema"  # how a chat completion names it
_BARE = "nothing else: no words around it, no code fence."


class NotFitting(Exception):
    """Why an answer is not the JSON that was asked for, in a sentence for the model."""


class Form:
    """One JSON object; with a schema, whatever fits it."""

    def __init__(self, schema: Mapping[str, Any] | None = None, place: str = PLACE) -> None:
        """Raises BadRequest for what is no JSON Schema; ``place`` is its param."""
        self._told = None if schema is None else dumps(compact(schema))
        self.brackets = "{" if schema is None else _brackets(schema)
        self._schema: Schema | None = None
        if schema is not None:
            try:
                self._schema = Schema(schema)
            except UnusableSchema as error:
                raise BadRequest(
                    f"Invalid schema for response_format: {error}",
                    code="invalid_json_schema",
                    param=place,
                ) from error

    def __repr__(self) -> str:
        return f"<Form {'with' if self.has_schema else 'without'} a schema>"

    @property
    def has_schema(self) -> bool:
        """Whether not every object will do."""
        return self._schema is not None

    def instructions(self, *, beside_tools: bool = False) -> str:
        """What the model has to know. ``beside_tools``: its answer may be a tool call as well."""
        when = "When you answer without a tool call, answer" if beside_tools else "Answer"
        if self._told is None:
            return f"{when} with one JSON object and {_BARE}"
        return (
            f"{when} with JSON and {_BARE} The JSON must conform to this JSON Schema:\n{self._told}"
        )

    def correction(self, problem: NotFitting) -> str:
        """What the model is told, in order that it does better."""
        what = "one JSON object" if self._told is None else "JSON that conforms to the schema"
        return f"Your answer could not be used: {problem}\nAnswer again, with {what} and {_BARE}"

    def take(self, text: str) -> str:
        """The JSON in an answer. Raises NotFitting."""
        found = mended(text, self.brackets) or guessed(text, self.brackets)
        if found is None:
            raise NotFitting("it holds no complete and valid JSON.")
        self._check(found[0])
        return found[0]

    def _check(self, text: str) -> None:
        if self._schema is None:
            return
        try:
            problem = self._schema.problem(json.loads(text))
        except ValueError:  # an integer that is too long for Python
            problem = "it holds a number that is too large"
        if problem is not None:
            raise NotFitting(f"the JSON does not fit the schema: {problem}.")


def _brackets(schema: Mapping[str, Any]) -> str:
    kinds = {"object": "{", "array": "["}
    return kinds.get(str(schema.get("type")), "{" if "properties" in schema else "{[")
