"""pydantic's errors to OpenAI's: code, ``param`` path and sentence.

Only the first error is told, as OpenAI does. A sentence quotes single words, names and numbers of
the request, cut short, and never a whole content.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from langfast_wsgi.dialects._kind import STEPS, WRONG_KIND
from langfast_wsgi.errors import BadRequest

LONGEST_QUOTE = 100
TOO_MANY_PROPERTIES = "too_many_properties"
NAME_TOO_LONG = "name_too_long"

# Errors of one type to code and sentence; the words in braces come from _words().
_MISSING = ("missing_required_parameter", "Missing required parameter: '{path}'.")
_WRONG_TYPE = (
    "invalid_type",
    "Invalid type for '{path}': expected {expected}, but got {kind} instead.",
)
_UNFIT = ("invalid_value", "Invalid value for '{path}'.")
_TOLD = {
    "missing": _MISSING,
    WRONG_KIND: _WRONG_TYPE,
    "literal_error": (
        "invalid_value",
        "Invalid value: '{value}'. Supported values are: {supported}.",
    ),
    "too_short": (
        "empty_array",
        "Invalid '{path}': empty array. Expected an array with minimum length {min_length},"
        " but got an empty array instead.",
    ),
    "too_long": (
        "array_above_max_length",
        "Invalid '{path}': array too long. Expected an array with maximum length {max_length},"
        " but got an array with length {length} instead.",
    ),
    "string_too_short": (
        "empty_string",
        "Invalid '{path}': empty string. Expected a string with minimum length {min_length},"
        " but got an empty string instead.",
    ),
    "string_too_long": (
        "string_above_max_length",
        "Invalid '{path}': string too long. Expected a string with maximum length {max_length},"
        " but got a string with length {length} instead.",
    ),
    "string_pattern_mismatch": (
        "invalid_value",
        "Invalid '{path}': string does not match pattern."
        " Expected a string that matches the pattern '{pattern}'.",
    ),
    "less_than_equal": (
        "{number}_above_max_value",
        "Invalid '{path}': {number} above maximum value."
        " Expected a value <= {le:g}, but got {value} instead.",
    ),
    "greater_than_equal": (
        "{number}_below_min_value",
        "Invalid '{path}': {number} below minimum value."
        " Expected a value >= {ge:g}, but got {value} instead.",
    ),
    TOO_MANY_PROPERTIES: (
        "object_above_max_properties",
        "Invalid '{path}': too many properties. Expected an object with at most {max_length}"
        " properties, but got an object with {length} properties instead.",
    ),
    NAME_TOO_LONG: (
        "property_name_above_max_length",
        "Invalid property name in '{parent}': '{value}' is too long. Expected a string with"
        " maximum length {max_length}, but got a string with length {length} instead.",
    ),
}
_EXPECTED = {
    "string_type": "a string",
    "bool_type": "a boolean",
    "int_type": "an integer",
    "float_type": "a decimal",
    "model_type": "an object",
}
_KINDS = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def fault(kind: str, *where: str, value: object, **context: object) -> ValidationError:
    """An error for a validator to raise about a place below its value; pydantic adds the rest."""
    error = PydanticCustomError(kind, "does not fit", context)
    details = InitErrorDetails(type=error, loc=where, input=value)
    return ValidationError.from_exception_data("request", [details])


def bad_request(error: ValidationError) -> BadRequest:
    """The first of the errors, as OpenAI would put it."""
    first = error.errors(include_url=False)[0]
    kind, value = first["type"], first["input"]
    words = _words(value, first.get("ctx", {}))
    if kind in _EXPECTED:
        return _told(_WRONG_TYPE, first["loc"], words | {"expected": _EXPECTED[kind]})
    if kind == "literal_error" and not isinstance(value, str):
        return _told(_WRONG_TYPE, first["loc"], words | {"expected": words["one_of"]})
    return _told(_TOLD.get(kind, _UNFIT), first["loc"], words)


def missing(*where: int | str) -> BadRequest:
    """Something must stand at this place."""
    return _told(_MISSING, where, {})


def cut(text: str, limit: int = LONGEST_QUOTE) -> str:
    """The text, or its beginning when it is long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _told(
    template: tuple[str, str], where: Sequence[int | str], words: dict[str, Any]
) -> BadRequest:
    code, sentence = template
    words = words | {"path": _path(where), "parent": _path(where[:-1])}
    return BadRequest(
        sentence.format_map(words), code=code.format_map(words), param=words["path"] or None
    )


def _path(where: Sequence[int | str]) -> str:
    """``messages[0].content``, as OpenAI writes paths; steps may be the caller's own names."""
    path = ""
    for step in where:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in STEPS:
            path += f".{cut(step)}" if path else cut(step)
    return path


def _words(value: object, context: dict[str, Any]) -> dict[str, Any]:
    """What the sentences may speak of, besides the path."""
    words = context | {"kind": _KINDS.get(type(value), "another value")}
    if isinstance(value, str | list | dict):
        words["length"] = len(value)
    if isinstance(value, str | int | float):
        words["value"] = cut(str(value))
    if "le" in context or "ge" in context:
        # pydantic gives the bound in the type of the field, whatever the value is.
        bound = context.get("le", context.get("ge"))
        words["number"] = "decimal" if isinstance(bound, float) else "integer"
    if "expected" in context:
        options = context["expected"].replace(" or ", ", ").split(", ")
        words["supported"] = _listed(options, "and")
        words["one_of"] = f"one of {_listed(options, 'or')}" if len(options) > 1 else options[0]
    return words


def _listed(options: list[str], joint: str) -> str:
    """``'a'`` · ``'a' and 'b'`` · ``'a', 'b', and 'c'``"""
    if len(options) < 3:
        return f" {joint} ".join(options)
    return f"{', '.join(options[:-1])}, {joint} {options[-1]}"
