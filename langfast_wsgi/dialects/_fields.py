"""The types that the bodies of several dialects are made of.

Types are strict: nothing is coerced, but an integer may stand for a decimal.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects._validation import NAME_TOO_LONG, TOO_MANY_PROPERTIES, fault

MOST_PAIRS = 16
LONGEST_NAME = 64
LONGEST_VALUE = 512


class Strict(BaseModel):
    """The manners that all models here share."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())


def _are_few_and_short(pairs: dict[str, Any]) -> dict[str, Any]:
    if len(pairs) > MOST_PAIRS:
        raise fault(TOO_MANY_PROPERTIES, value=pairs, max_length=MOST_PAIRS)
    for name, value in pairs.items():
        if len(name) > LONGEST_NAME:
            raise fault(NAME_TOO_LONG, name, value=name, max_length=LONGEST_NAME)
        if not isinstance(value, str):
            raise fault("string_type", name, value=value)
        if len(value) > LONGEST_VALUE:
            raise fault("string_too_long", name, value=value, max_length=LONGEST_VALUE)
    return pairs


# Lists stop at their first error: a body may hold a million of them.
Object = Annotated[dict[str, Any], Kind("an object")]
Text = Annotated[str, Field(min_length=1)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Limit = Annotated[int, Field(ge=1)]
Choices = Annotated[int, Field(ge=1, le=128)]
StopWord = Annotated[str, Field(max_length=1000)]  # all text is searched for it as it comes
Stop = Annotated[
    StopWord | Annotated[list[StopWord], Field(max_length=4, fail_fast=True)],
    Kind("one of a string or array of strings"),
]
Metadata = Annotated[
    Object,
    AfterValidator(_are_few_and_short),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MOST_PAIRS,
            "propertyNames": {"maxLength": LONGEST_NAME},
            "additionalProperties": {"type": "string", "maxLength": LONGEST_VALUE},
        }
    ),
]


class StreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
