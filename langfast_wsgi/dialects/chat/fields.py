"""The fields of a chat completion's body: type and range of each, in one place.

null means that an optional field is absent. Fields are checked in the order in which they are
declared; unknown ones are no error here. The models only look: what is passed on are the caller's
own objects. What becomes of each field stands in ``_capabilities``.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from langfast_wsgi.dialects._fields import (
    Choices,
    Limit,
    Metadata,
    Object,
    Penalty,
    Share,
    Stop,
    StreamOptions,
    Strict,
    Temperature,
    Text,
)
from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects._validation import fault


class Typed(Strict):
    """An object whose ``type`` names the member that holds the rest."""

    type: str

    @model_validator(mode="after")
    def _holds_what_its_type_names(self) -> Self:
        # A type without a member of its own ("json_object") is complete as it is.
        if getattr(self, self.type, self) is None:
            raise fault("missing", self.type, value=self)
        return self


ToolName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
Words = Annotated[list[str], Field(fail_fast=True), Kind("an array of strings")]


class ImageUrl(Strict):
    url: str


class Part(Typed):
    type: Literal["text", "image_url", "input_audio", "file", "refusal"]
    text: str | None = None
    image_url: ImageUrl | None = None
    input_audio: Object | None = None
    file: Object | None = None
    refusal: str | None = None


class CalledFunction(Strict):
    name: str
    arguments: str


class ToolCall(Strict):
    id: str
    type: Literal["function"]
    function: CalledFunction


class Message(Strict):
    role: Literal["system", "assistant", "user", "function", "tool", "developer"]
    content: (
        Annotated[
            str | Annotated[list[Part], Field(min_length=1, fail_fast=True)],
            Kind("one of a string or array of objects"),
        ]
        | None
    ) = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: (
        Annotated[list[ToolCall], Field(fail_fast=True), Kind("an array of objects")] | None
    ) = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None


class JsonSchema(Strict):
    name: ToolName
    description: str | None = None
    schema_: Object | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Typed):
    type: Literal["json_object", "json_schema", "text"]
    json_schema: JsonSchema | None = None


class Function(Strict):
    name: ToolName
    description: str | None = None
    parameters: Object | None = None
    strict: bool | None = None


class Tool(Typed):
    type: Literal["function"]
    function: Function | None = None


class Named(Strict):
    name: Text


class AllowedTool(Typed):
    type: Literal["function"]
    function: Named | None = None


class AllowedTools(Strict):
    mode: Literal["auto", "required"]
    tools: Annotated[
        list[AllowedTool],
        Field(min_length=1, max_length=128, fail_fast=True),
        Kind("an array of objects"),
    ]


class ToolChoice(Typed):
    type: Literal["function", "allowed_tools"]
    function: Named | None = None
    allowed_tools: AllowedTools | None = None


class Body(Strict):
    """The body."""

    messages: Annotated[
        list[Message],
        Field(min_length=1, max_length=2048, fail_fast=True),
        Kind("an array of objects"),
    ]
    model: Text | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    n: Choices | None = None
    stop: Stop | None = None
    tools: (
        Annotated[list[Tool], Field(max_length=128, fail_fast=True), Kind("an array of objects")]
        | None
    ) = None
    tool_choice: (
        Annotated[
            Literal["none", "auto", "required"] | ToolChoice,
            Kind("one of 'none', 'auto', or 'required' or object"),
        ]
        | None
    ) = None
    parallel_tool_calls: bool | None = None
    functions: (
        Annotated[
            list[Function],
            Field(min_length=1, max_length=128, fail_fast=True),
            Kind("an array of objects"),
        ]
        | None
    ) = None
    function_call: (
        Annotated[Literal["none", "auto"] | Named, Kind("one of 'none' or 'auto' or object")] | None
    ) = None
    response_format: ResponseFormat | None = None

    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    modalities: Words | None = None
    audio: Object | None = None
    web_search_options: Object | None = None
    moderation: Object | None = None

    seed: int | None = None
    logit_bias: Object | None = None
    prediction: Object | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Field(max_length=64)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Object | None = None
    prompt_cache_retention: str | None = None
