"""Items to the messages of a chat, which is what a run is made of."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from langfast_wsgi.dialects._validation import cut, missing
from langfast_wsgi.dialects.responses.items import (
    Call,
    CallOutput,
    File,
    Image,
    Item,
    Message,
    Part,
    Refusal,
    Sound,
    TextPart,
)
from langfast_wsgi.errors import BadRequest

Media: TypeAlias = Image | File | Sound
MEDIA = (Image, File, Sound)  # much faster to ask for than the union, and there may be many parts


def messages(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The conversation. Calls stand in the message that they follow, as they were said."""
    found: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, Message):
            found.append({"role": item.role, "content": _content(item)})
        elif isinstance(item, Call):
            if not found or found[-1]["role"] != "assistant":
                found.append({"role": "assistant", "content": None})
            found[-1].setdefault("tool_calls", []).append(_call(item))
        elif isinstance(item, CallOutput):
            content = _joined(item.output)
            found.append({"role": "tool", "tool_call_id": item.call_id, "content": content})
    return found


def texts(items: Sequence[Item]) -> Iterator[str]:
    """All that is said in messages."""
    return (_joined(item.content) for item in items if isinstance(item, Message))


def check_media(items: Sequence[Item], place: str, *, with_media: bool) -> None:
    """A part that the model would not get is refused, never dropped."""
    for index, item in enumerate(items):
        name = "output" if isinstance(item, CallOutput) else "content"
        parts = getattr(item, name, ())
        for number, part in enumerate(parts if isinstance(parts, list) else ()):
            if isinstance(part, MEDIA):
                allowed = with_media and isinstance(item, Message) and item.role == "user"
                _check(part, f"{place}[{index}].{name}[{number}]", with_media, allowed)


def check_outputs(items: Sequence[Item]) -> None:
    """A function's output answers a call that was made."""
    called: set[str] = set()
    for item in items:
        if isinstance(item, Call):
            called.add(item.call_id)
        elif isinstance(item, CallOutput) and item.call_id not in called:
            raise BadRequest(
                f"No tool call found for function call output with call_id {cut(item.call_id)}.",
                code=None,
                param="input",
            )


def _check(part: Media, place: str, with_media: bool, allowed: bool) -> None:
    if not allowed:
        where = "in messages of the user" if with_media else "by certain models"
        raise BadRequest(
            f"Invalid content type. {part.type} is only supported {where}.",
            param=f"{place}.type",
        )
    if isinstance(part, Image) and part.image_url is None:
        raise missing(place, "image_url")
    if isinstance(part, File) and part.file_data is None and part.file_id is None:
        raise missing(place, "file_data")


def _content(message: Message) -> str | list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        return content
    is_plain = not any(isinstance(part, MEDIA) for part in content)
    if is_plain and (message.role == "assistant" or len(content) < 2):
        return _joined(content)
    return [_part(part) for part in content]


def _joined(content: str | list[Part]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, map(_said, content)))


def _said(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    return part.refusal if isinstance(part, Refusal) else ""


def _part(part: Part) -> dict[str, Any]:
    """A part in the words of the chat."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        image = {"url": part.image_url, "detail": part.detail}
        return {"type": "image_url", "image_url": _given(image)}
    if isinstance(part, File):
        file = {"file_data": part.file_data, "file_id": part.file_id, "filename": part.filename}
        return {"type": "file", "file": _given(file)}
    if isinstance(part, Sound):
        return {"type": "input_audio", "input_audio": part.input_audio}
    return {"type": "text", "text": _said(part)}


def _given(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.call_id, "type": "function", "function": function}
