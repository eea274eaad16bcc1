"""The fields of a chat completion's body: type, range and what becomes of each, in one place.

Types are strict: nothing is coerced, but an integer may stand for a decimal. null means that an
optional field is absent. Fields are checked in the order in which they are declared; unknown ones
are no error here. The models only look: what is passed on are the caller's own objects.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects._validation import NAME_TOO_LONG, TOO_MANY_PROPERTIES, fault


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of a field.

    ``native``: the upstream takes it. ``gateway``: we do what it asks. ``ignored``: nobody does,
    and the caller is told so, unless the value asks for nothing: it is one of ``idle`` (and
    ``without`` is absent, where it needs a companion to mean anything).
    """

    how: Literal["native", "gateway", "ignored"]
    idle: tuple[Any, ...] = ()
    without: str | None = None


NATIVE = Treatment("native")
GATEWAY = Treatment("gateway")


def ignored(*idle: Any, without: str | None = None) -> Treatment:
    """The treatment of a field that the upstream cannot take."""
    return Treatment("ignored", idle, without)


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


class CustomTool(Strict):
    name: ToolName


class Tool(Typed):
    type: Literal["function", "custom"]
    function: Function | None = None
    custom: CustomTool | None = None


class Named(Strict):
    name: Text


class ToolChoice(Typed):
    type: Literal["function", "custom", "allowed_tools"]
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: Object | None = None


class Body(Strict):
    """The body. A field's treatment stands beside its type; unknown fields are ``ignored()``."""

    messages: Annotated[
        list[Message],
        Field(min_length=1, max_length=2048, fail_fast=True),
        Kind("an array of objects"),
        NATIVE,
    ]
    model: Annotated[Text | None, NATIVE] = None
    temperature: Annotated[Annotated[float, Field(ge=0, le=2)] | None, NATIVE] = None
    top_p: Annotated[Annotated[float, Field(ge=0, le=1)] | None, NATIVE] = None
    frequency_penalty: Annotated[Penalty | None, NATIVE] = None
    presence_penalty: Annotated[Penalty | None, NATIVE] = None
    max_tokens: Annotated[Limit | None, NATIVE] = None
    max_completion_tokens: Annotated[Limit | None, NATIVE] = None

    n: Annotated[Annotated[int, Field(ge=1, le=128)] | None, GATEWAY] = None
    stream: Annotated[bool | None, GATEWAY] = None
    stream_options: Annotated[StreamOptions | None, GATEWAY] = None

    response_format: Annotated[ResponseFormat | None, ignored(ResponseFormat(type="text"))] = None
    stop: Annotated[
        Annotated[
            str | Annotated[list[str], Field(max_length=4, fail_fast=True)],
            Kind("one of a string or array of strings"),
        ]
        | None,
        ignored([]),
    ] = None
    seed: Annotated[int | None, ignored()] = None
    logit_bias: Annotated[Object | None, ignored({})] = None
    logprobs: Annotated[bool | None, ignored(False)] = None
    top_logprobs: Annotated[Annotated[int, Field(ge=0, le=20)] | None, ignored(0)] = None
    tools: Annotated[
        Annotated[list[Tool], Field(max_length=128, fail_fast=True), Kind("an array of objects")]
        | None,
        ignored([]),
    ] = None
    tool_choice: Annotated[
        Annotated[
            Literal["none", "auto", "required"] | ToolChoice,
            Kind("one of 'none', 'auto', or 'required' or object"),
        ]
        | None,
        ignored("none", "auto", without="tools"),
    ] = None
    parallel_tool_calls: Annotated[bool | None, ignored(True)] = None
    functions: Annotated[
        Annotated[
            list[Function],
            Field(min_length=1, max_length=128, fail_fast=True),
            Kind("an array of objects"),
        ]
        | None,
        ignored(),
    ] = None
    function_call: Annotated[
        Annotated[Literal["none", "auto"] | Named, Kind("one of 'none' or 'auto' or object")]
        | None,
        ignored("none", "auto", without="functions"),
    ] = None
    modalities: Annotated[Words | None, ignored([], ["text"])] = None
    audio: Annotated[Object | None, ignored({})] = None
    prediction: Annotated[Object | None, ignored({})] = None
    # Even an empty one asks for a search.
    web_search_options: Annotated[Object | None, ignored()] = None
    reasoning_effort: Annotated[str | None, ignored()] = None
    verbosity: Annotated[str | None, ignored()] = None
    service_tier: Annotated[str | None, ignored("auto", "default")] = None
    store: Annotated[bool | None, ignored(False)] = None
    metadata: Annotated[
        Annotated[Object, AfterValidator(_are_few_and_short)] | None, ignored({})
    ] = None
    user: Annotated[str | None, ignored()] = None
    safety_identifier: Annotated[Annotated[str, Field(max_length=64)] | None, ignored()] = None
    prompt_cache_key: Annotated[str | None, ignored()] = None


def _treatment(metadata: list[Any]) -> Treatment:
    (treatment,) = (mark for mark in metadata if isinstance(mark, Treatment))
    return treatment


TREATMENTS = {name: _treatment(field.metadata) for name, field in Body.model_fields.items()}
UNKNOWN = ignored()
