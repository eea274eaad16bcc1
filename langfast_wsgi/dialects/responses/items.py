"""The items of a conversation: what a caller may send, and what is kept.

A reasoning item is taken and left out: no reasoning is ever made here, so it comes from elsewhere,
and mostly encrypted.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from langfast_wsgi.dialects._fields import Object, Strict
from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects.responses.variants import ByType


class TextPart(Strict):
    type: Literal["input_text", "output_text"]
    text: str


class Refusal(Strict):
    type: Literal["refusal"]
    refusal: str


class Image(Strict):
    type: Literal["input_image"]
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class File(Strict):
    type: Literal["input_file"]
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


class Sound(Strict):
    type: Literal["input_audio"]
    input_audio: Object


Part: TypeAlias = TextPart | Refusal | Image | File | Sound
_PART = ByType(
    {
        "input_text": TextPart,
        "output_text": TextPart,
        "refusal": Refusal,
        "input_image": Image,
        "input_file": File,
        "input_audio": Sound,
    }
)
Content = Annotated[
    str | Annotated[list[Annotated[Part, _PART]], Field(fail_fast=True)],
    Kind("one of a string or array of objects"),
]


class Message(Strict):
    type: Literal["message"] | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    id: str | None = None


class Call(Strict):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None


class CallOutput(Strict):
    type: Literal["function_call_output"]
    call_id: str
    output: Content
    id: str | None = None


class Reasoning(Strict):
    type: Literal["reasoning"]


class Reference(Strict):
    type: Literal["item_reference"] | None = None
    id: str


Item: TypeAlias = Message | Call | CallOutput | Reasoning | Reference
_ITEM = ByType(
    {
        "message": Message,
        "function_call": Call,
        "function_call_output": CallOutput,
        "reasoning": Reasoning,
        "item_reference": Reference,
    },
    untyped={"role": Message, "id": Reference},
)
Items = list[Annotated[Item, _ITEM]]
