"""The body of ``POST /v1/chat/completions`` to a request, or a 400 in OpenAI's words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._capabilities.asked import check_rejected, ignored_names
from langfast_wsgi.dialects._capabilities.chat import CHAT
from langfast_wsgi.dialects._capabilities.offered import MEDIA, takes_media
from langfast_wsgi.dialects._rules import (
    MOST_CHOICES,
    only_allowed_with,
    stop_words,
    too_many_choices,
)
from langfast_wsgi.dialects._validation import bad_request, missing
from langfast_wsgi.dialects.chat.fields import Body, Message, ResponseFormat
from langfast_wsgi.dialects.chat.tools import tool_use
from langfast_wsgi.errors import BadRequest


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is to be run, and how the caller wants the answer.

    ``deprecated``: calls are to be told as a ``function_call``. ``ignored`` names the fields that
    nobody acts on, sorted, fit for a header.
    """

    run: RunRequest
    choices: int
    stream: bool
    include_usage: bool
    deprecated: bool
    ignored: tuple[str, ...]


def parse(
    body: dict[str, Any],
    *,
    default_model: str,
    reject_unsupported: bool,
    media_models: tuple[str, ...] = (),
    caller: str = "",
) -> ChatRequest:
    """Check the body; the messages are passed on as they came."""
    try:
        fields = Body.model_validate(body)
    except ValidationError as error:
        raise bad_request(error) from None
    model = fields.model or default_model
    _check_together(fields)
    _check_parts(fields.messages, with_media=takes_media(model, media_models))
    tools = tool_use(fields)
    ignored = ignored_names(CHAT, body, fields, reject=reject_unsupported)
    options, wanted = fields.stream_options, fields.response_format
    return ChatRequest(
        run=RunRequest(
            model=model,
            messages=body["messages"],
            temperature=fields.temperature,
            top_p=fields.top_p,
            frequency_penalty=fields.frequency_penalty,
            presence_penalty=fields.presence_penalty,
            max_completion_tokens=fields.max_completion_tokens or fields.max_tokens,
            stop=stop_words(fields.stop),
            tools=tools,
            json=wanted is not None and wanted.type != "text",
            json_schema=_schema(wanted),
            caller=caller,
        ),
        choices=fields.n or 1,
        stream=bool(fields.stream),
        include_usage=options is not None and bool(options.include_usage),
        deprecated=bool(fields.functions),
        ignored=ignored,
    )


def _schema(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    """The schema as the model is to see it: it knows of no description beside it."""
    if wanted is None or wanted.type != "json_schema" or wanted.json_schema is None:
        return None
    schema, description = wanted.json_schema.schema_, wanted.json_schema.description
    if schema and description:
        return {"description": description, **schema}
    return schema


def _check_together(fields: Body) -> None:
    """The rules that no field can check alone."""
    _check_tool_answers(fields.messages)
    if fields.n is not None and fields.n > MOST_CHOICES:
        raise too_many_choices(str(fields.n))
    if fields.stream_options is not None and not fields.stream:
        raise only_allowed_with("stream_options", "stream")
    if fields.top_logprobs and not fields.logprobs:
        raise only_allowed_with("top_logprobs", "logprobs")
    check_rejected(CHAT, fields)
    wanted = fields.response_format
    if wanted is not None and wanted.type == "json_object" and not _mention_json(fields.messages):
        raise BadRequest(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of"
            " type 'json_object'.",
            code=None,
            param="messages",
        )


def _check_tool_answers(messages: Sequence[Message]) -> None:
    """A tool speaks only when it was called, and says which call it answers."""
    called = False
    for index, message in enumerate(messages):
        if message.role != "tool":
            called = message.role == "assistant" and bool(message.tool_calls)
            continue
        if not called:
            raise BadRequest(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding"
                " message with 'tool_calls'.",
                code=None,
                param=f"messages.[{index}].role",
            )
        if message.tool_call_id is None:
            raise missing("messages", index, "tool_call_id")


def _check_parts(messages: Sequence[Message], *, with_media: bool) -> None:
    """A part that the model would not get is refused, never dropped."""
    for index, message in enumerate(messages):
        parts = message.content if isinstance(message.content, list) else ()
        for place, part in enumerate(parts):
            if part.type in MEDIA and not (with_media and message.role == "user"):
                where = "in messages of the user" if with_media else "by certain models"
                raise BadRequest(
                    f"Invalid content type. {part.type} is only supported {where}.",
                    param=f"messages.[{index}].content.[{place}].type",
                )


def _mention_json(messages: Sequence[Message]) -> bool:
    return any("json" in text.lower() for message in messages for text in _texts(message))


def _texts(message: Message) -> Iterator[str]:
    if isinstance(message.content, str):
        yield message.content
    for part in message.content if isinstance(message.content, list) else ():
        if part.text is not None:
            yield part.text
