"""The fields of a message's body: type and range of each, in one place.

null means that an optional field is absent. Fields are checked in the order in which they are
declared; unknown ones are no error here. The models only look. What becomes of each field stands in
``_capabilities``, which blocks may stand where in ``content.py``.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from langfast_wsgi.dialects._fields import Limit, Object, Share, Strict, Text
from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects._validation import fault

BLOCKS = "one of a string or array of objects"

# Lists stop at their first error: a body may hold a million of them.
StopWord = Annotated[str, Field(min_length=1, max_length=1000)]  # all text is searched for it
ToolName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_-]+$")]
Needed: TypeAlias = Mapping[str, tuple[str, ...]]


class Typed(Strict):
    """An object whose ``type`` says what else it must have."""

    needed: ClassVar[Needed]
    type: str

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        for name in self.needed.get(self.type, ()):
            if getattr(self, name) is None:
                raise fault("missing", name, value=self)
        return self


class Source(Typed):
    """Where an image or a document comes from."""

    needed: ClassVar[Needed] = {
        "base64": ("media_type", "data"),
        "url": ("url",),
        "text": ("data",),
        "content": ("content",),
        "file": ("file_id",),
    }
    type: Literal["base64", "url", "text", "content", "file"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: (
        Annotated[str | Annotated[list["Block"], Field(fail_fast=True)], Kind(BLOCKS)] | None
    ) = None


class Citations(Strict):
    enabled: bool | None = None


class Block(Typed):
    """A block of content, of any type and in any place."""

    needed: ClassVar[Needed] = {
        "text": ("text",),
        "image": ("source",),
        "document": ("source",),
        "search_result": ("source", "title", "content"),
        "tool_use": ("id", "name", "input"),
        "tool_result": ("tool_use_id",),
    }
    type: Literal[
        "text",
        "image",
        "document",
        "search_result",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
    ]
    text: str | None = None
    source: Annotated[str | Source, Kind("one of a string or object")] | None = None
    title: str | None = None
    context: str | None = None
    citations: (
        Annotated[list[Object] | Citations, Kind("one of an array of objects or object")] | None
    ) = None
    id: Text | None = None
    name: Text | None = None
    input: Object | None = None
    tool_use_id: Text | None = None
    is_error: bool | None = None
    content: (
        Annotated[str | Annotated[list["Block"], Field(fail_fast=True)], Kind(BLOCKS)] | None
    ) = None


Content = Annotated[str | Annotated[list[Block], Field(fail_fast=True)], Kind(BLOCKS)]


class Message(Strict):
    role: Literal["user", "assistant", "system"]
    content: Content


class Tool(Strict):
    """A tool of the caller's; one of any other type is Anthropic's, with fields of its own."""

    type: str | None = None
    name: ToolName | None = None
    description: str | None = None
    input_schema: Object | None = None


class ToolChoice(Typed):
    needed: ClassVar[Needed] = {"tool": ("name",)}
    type: Literal["auto", "any", "tool", "none"]
    name: Text | None = None
    disable_parallel_tool_use: bool | None = None


class OutputFormat(Strict):
    type: Literal["json_schema"]
    schema_: Object = Field(alias="schema")


class OutputConfig(Strict):
    effort: str | None = None
    format: OutputFormat | None = None


class Asked(Strict):
    """What is asked: the body of a count of tokens, and the greater part of a message's."""

    messages: Annotated[
        list[Message], Field(min_length=1, fail_fast=True), Kind("an array of objects")
    ]
    model: Text | None = None
    system: Content | None = None
    tools: (
        Annotated[list[Tool], Field(max_length=1000, fail_fast=True), Kind("an array of objects")]
        | None
    ) = None
    tool_choice: ToolChoice | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None

    mcp_servers: Annotated[list[Object], Field(fail_fast=True), Kind("an array")] | None = None
    thinking: Object | None = None
    cache_control: Object | None = None
    context_management: Object | None = None
    speed: str | None = None


class Body(Asked):
    """The body."""

    max_tokens: Limit
    stream: bool | None = None
    stop_sequences: (
        Annotated[list[StopWord], Field(max_length=64, fail_fast=True), Kind("an array of strings")]
        | None
    ) = None
    temperature: Share | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None

    container: Annotated[str | Object, Kind("one of a string or object")] | None = None
    compaction: Object | None = None
    thread: Object | None = None
    inference_geo: str | None = None

    metadata: Object | None = None
    service_tier: str | None = None
    diagnostics: Object | None = None
    fallbacks: Annotated[str | list[Object], Kind("one of a string or array")] | None = None
    fallback_credit_token: str | None = None
    billing_policy: Object | None = None
