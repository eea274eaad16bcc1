"""The fields of a chat completion's body: type and range of each, in one place.

Types are strict: nothing is coerced, but an integer may stand for a decimal. null means that an
optional field is absent. Fields are checked in the order in which they are declared; unknown ones
are no error here. The models only look: what is passed on are the caller's own objects. What
becomes of each field stands in ``_capabilities``.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects._validation import NAME_TOO_LONG, TOO_MANY_PROPERTIES, fault


class Strict(BaseModel):
    """The manners that all models here share."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, protected_namespaces=())


class Typed(Strict):
    """An object whose ``type`` names the member that holds the rest."""

    type: str

    @model_validator(mode="after")
    def _holds_what_its_type_names(self) -> Self:
        # A type without a member of its own ("json_object") is complete as it is.
        if getattr(self, self.type, self) is None:
            raise fault("missing", self.type, value=self)
        return self


def _are_few_and_short(pairs: dict[str, Any]) -> dict[str, Any]:
    if len(pairs) > 16:
        raise fault(TOO_MANY_PROPERTIES, value=pairs, max_length=16)
    for name, value in pairs.items():
        if len(name) > 64:
            raise fault(NAME_TOO_LONG, name, value=name, max_length=64)
        if not isinstance(value, str):
            raise fault("string_type", name, value=value)
        if len(value) > 512:
            raise fault("string_too_long", name, value=value, max_length=512)
    return pairs


# Lists stop at their first error: a body may hold a million of them.
Object = Annotated[dict[str, Any], Kind("an object")]
Text = Annotated[str, Field(min_length=1)]
ToolName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Limit = Annotated[int, Field(ge=1)]
Words = Annotated[list[str], Field(fail_fast=True), Kind("an array of strings")]
StopWord = Annotated[str, Field(max_length=1000)]  # all text is searched for it as it comes


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


class StreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


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
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: (
        Annotated[
            StopWord | Annotated[list[StopWord], Field(max_length=4, fail_fast=True)],
            Kind("one of a string or array of strings"),
        ]
        | None
    ) = None
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
    metadata: Annotated[Object, AfterValidator(_are_few_and_short)] | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Field(max_length=64)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Object | None = None
    prompt_cache_retention: str | None = None
