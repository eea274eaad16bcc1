"""The body of ``POST /v1/messages`` to a request, or a 400."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._capabilities.asked import check_rejected, ignored_names, unsupported
from langfast_wsgi.dialects._capabilities.messages import MESSAGES, UNCOUNTED
from langfast_wsgi.dialects._capabilities.offered import takes_media
from langfast_wsgi.dialects._validation import bad_request
from langfast_wsgi.dialects.messages.conversation import conversation
from langfast_wsgi.dialects.messages.fields import Asked, Body
from langfast_wsgi.dialects.messages.tools import tool_use
from langfast_wsgi.errors import BadRequest

EFFORT = "output_config.effort"
UNTHREADED = "thread_unsupported_request"  # at this word an SDK goes on without a thread

Model = TypeVar("Model", bound=Asked)


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """What is to be run, and how the caller wants the answer.

    ``ignored`` names the fields that nobody acts on, sorted, fit for a header.
    """

    run: RunRequest
    stream: bool
    ignored: tuple[str, ...]


def parse(
    body: dict[str, Any],
    *,
    default_model: str,
    reject_unsupported: bool,
    media_models: tuple[str, ...] = (),
    caller: str = "",
) -> MessagesRequest:
    """Check the body of a message."""
    fields = _checked(Body, body)
    if fields.thread is not None:
        raise BadRequest(
            "Threads are not kept by this service: send the whole conversation, without 'thread'.",
            code=UNTHREADED,
            param="thread",
        )
    check_rejected(MESSAGES, fields)
    run = _run(fields, default_model, media_models, caller)
    ignored = ignored_names(MESSAGES, body, fields, reject=reject_unsupported)
    return MessagesRequest(
        run=replace(
            run,
            temperature=fields.temperature,
            top_p=fields.top_p,
            max_completion_tokens=fields.max_tokens,
            stop=tuple(dict.fromkeys(fields.stop_sequences or ())),
        ),
        stream=bool(fields.stream),
        ignored=_with_effort(ignored, fields, reject=reject_unsupported),
    )


def parse_count(
    body: dict[str, Any], *, default_model: str, media_models: tuple[str, ...] = ()
) -> RunRequest:
    """Check the body of a count of tokens: what would be run."""
    fields = _checked(Asked, body)
    check_rejected(UNCOUNTED, fields)
    return _run(fields, default_model, media_models, "")


def _checked(model: type[Model], body: dict[str, Any]) -> Model:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise bad_request(error) from None


def _run(
    fields: Asked, default_model: str, media_models: tuple[str, ...], caller: str
) -> RunRequest:
    model = fields.model or default_model
    config = fields.output_config.format if fields.output_config else None
    wanted = config or fields.output_format
    return RunRequest(
        model=model,
        messages=conversation(fields, with_media=takes_media(model, media_models)),
        tools=tool_use(fields),
        json=wanted is not None,
        json_schema=wanted.schema_ if wanted else None,
        caller=caller,
        json_place="output_config.format.schema" if config else "output_format.schema",
    )


def _with_effort(ignored: tuple[str, ...], fields: Asked, *, reject: bool) -> tuple[str, ...]:
    """It stands within a field that has an effect."""
    if fields.output_config is None or fields.output_config.effort is None:
        return ignored
    if reject:
        raise unsupported(EFFORT)
    return tuple(sorted({*ignored, EFFORT}))
