"""The fields of a response's body: type and range of each, in one place.

null means that an optional field is absent. Fields are checked in the order in which they are
declared; unknown ones are no error here. What becomes of each field stands in ``_capabilities``.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from langfast_wsgi.dialects._fields import (
    Limit,
    Metadata,
    Object,
    Share,
    Strict,
    Temperature,
    Text,
)
from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects.responses.items import Items
from langfast_wsgi.dialects.responses.variants import ByType

MOST_ITEMS = 4096
MOST_TOOLS = 128

ToolName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]


def _asks(value: dict[str, Any]) -> dict[str, Any] | None:
    """An object that holds nothing but nulls is as good as none."""
    return value if any(one is not None for one in value.values()) else None


class TextFormat(Strict):
    type: Literal["text"]


class JsonObject(Strict):
    type: Literal["json_object"]


class JsonSchema(Strict):
    type: Literal["json_schema"]
    name: ToolName
    schema_: Annotated[Object, Field(alias="schema")]
    description: str | None = None
    strict: bool | None = None


class TextConfig(Strict):
    format: (
        Annotated[
            TextFormat | JsonObject | JsonSchema,
            ByType({"text": TextFormat, "json_object": JsonObject, "json_schema": JsonSchema}),
        ]
        | None
    ) = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Tool(Strict):
    type: Literal["function"]
    name: ToolName
    description: str | None = None
    parameters: Object | None = None
    strict: bool | None = None


class Choice(Strict):
    type: str


class NamedTool(Choice):
    type: Literal["function"]
    name: Text


class AllowedTools(Choice):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[
        list[Annotated[NamedTool, ByType({"function": NamedTool})]],
        Field(min_length=1, max_length=MOST_TOOLS, fail_fast=True),
        Kind("an array of objects"),
    ]


ToolChoice = Annotated[
    Literal["none", "auto", "required"]
    | Annotated[Choice, ByType({"function": NamedTool, "allowed_tools": AllowedTools})],
    Kind("one of 'none', 'auto', or 'required' or object"),
]


class StreamOptions(Strict):
    include_obfuscation: bool | None = None


class Body(Strict):
    """The body."""

    input: (
        Annotated[
            str | Annotated[Items, Field(max_length=MOST_ITEMS, fail_fast=True)],
            Kind("one of a string or array of objects"),
        ]
        | None
    ) = None
    model: Text | None = None
    instructions: str | None = None
    previous_response_id: Text | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    max_output_tokens: Limit | None = None
    max_tool_calls: Limit | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    include: Annotated[list[str], Field(fail_fast=True), Kind("an array of strings")] | None = None

    tools: (
        Annotated[
            list[Annotated[Tool, ByType({"function": Tool})]],
            Field(max_length=MOST_TOOLS, fail_fast=True),
            Kind("an array of objects"),
        ]
        | None
    ) = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None

    background: bool | None = None
    background_options: Object | None = None
    conversation: Annotated[str | dict[str, Any], Kind("one of a string or object")] | None = None
    moderation: Object | None = None
    prompt: Object | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    access_programs: Object | None = None
    context_management: Annotated[list[Any], Kind("an array of objects")] | None = None
    image: Object | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Object | None = None
    prompt_cache_retention: str | None = None
    reasoning: Annotated[Object, AfterValidator(_asks)] | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
