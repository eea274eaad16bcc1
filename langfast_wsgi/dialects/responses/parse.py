"""The body of ``POST /v1/responses`` to a request, or a 400 in OpenAI's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._capabilities.asked import check_rejected, ignored_names, unsupported
from langfast_wsgi.dialects._capabilities.offered import takes_media
from langfast_wsgi.dialects._capabilities.responses import RESPONSES
from langfast_wsgi.dialects._validation import bad_request
from langfast_wsgi.dialects.responses.fields import Body, JsonSchema, TextFormat
from langfast_wsgi.dialects.responses.items import Item, Items, Reference
from langfast_wsgi.dialects.responses.messages import check_media, check_outputs, messages, texts
from langfast_wsgi.dialects.responses.recalling import Get, Recall
from langfast_wsgi.dialects.responses.tools import tool_use
from langfast_wsgi.errors import BadRequest

SCHEMA = "text.format.schema"
_LOGPROBS = "message.output_text.logprobs"
# They speak of what never occurs here, or is there without asking.
_VACUOUS = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
Json: TypeAlias = dict[str, Any]
_items: TypeAdapter[list[Item]] = TypeAdapter(Items)


@dataclass(frozen=True, slots=True)
class ResponsesRequest:
    """What is to be run, and how the caller wants the answer.

    ``body`` is what the caller sent, checked. ``given`` are its own input items, references
    resolved, as they came. ``ignored`` names the fields that nobody acts on, fit for a header.
    """

    run: RunRequest
    body: dict[str, Any]
    given: Sequence[dict[str, Any]]
    stream: bool
    store: bool
    ignored: tuple[str, ...]


def parse(
    body: dict[str, Any],
    *,
    default_model: str,
    reject_unsupported: bool,
    get: Get,
    keeps: bool = True,
    room: int = 10 * 1024 * 1024,
    media_models: tuple[str, ...] = (),
    caller: str = "",
) -> ResponsesRequest:
    """Check the body, and put the whole conversation together.

    ``get`` finds a response that is kept; ``keeps`` says whether any is; ``room``: bytes that may
    be recalled.
    """
    try:
        fields = Body.model_validate(body)
    except ValidationError as error:
        raise bad_request(error) from None
    _check_together(fields, keeps=keeps)
    ignored = _ignored(body, fields, keeps=keeps, reject=reject_unsupported)
    model = fields.model or default_model
    tools = tool_use(fields)
    past, own, given = _conversation(body, fields, Recall(get, room))
    before = _items.validate_python(past)
    with_media = takes_media(model, media_models)
    check_media(before, "previous_response_id", with_media=with_media)
    check_media(own, "input", with_media=with_media)
    items = [*before, *own]
    check_outputs(items)
    wanted = fields.text.format if fields.text else None
    if wanted is not None and wanted.type == "json_object":
        _check_json(fields, items)
    said = messages(items)
    if not said:
        raise _nothing()
    if fields.instructions:
        said.insert(0, {"role": "system", "content": fields.instructions})
    return ResponsesRequest(
        run=RunRequest(
            model=model,
            messages=said,
            temperature=fields.temperature,
            top_p=fields.top_p,
            max_completion_tokens=fields.max_output_tokens,
            tools=tools,
            json=wanted is not None and not isinstance(wanted, TextFormat),
            json_schema=_schema(wanted) if isinstance(wanted, JsonSchema) else None,
            caller=caller,
            json_place=SCHEMA,
        ),
        body=body,
        given=given,
        stream=bool(fields.stream),
        store=keeps and fields.store is not False,
        ignored=ignored,
    )


def _conversation(
    body: dict[str, Any], fields: Body, recall: Recall
) -> tuple[list[Json], list[Item], list[Json]]:
    """The items of the responses before this one; its own; and those as they came.

    A body may hold many, so none of them is looked through twice.
    """
    past = recall.chain(fields.previous_response_id)
    if fields.input is None:
        return past, [], []
    if isinstance(fields.input, str):
        said = {"type": "message", "role": "user", "content": fields.input}
        return past, _items.validate_python([said]), [said]
    own, given = list(fields.input), list(body["input"])
    for index, item in enumerate(own):
        if isinstance(item, Reference):
            given[index] = recall.item(item.id)
            own[index : index + 1] = _items.validate_python([given[index]])
    return past, own, given


def _check_together(fields: Body, *, keeps: bool) -> None:
    """The rules that no field can check alone."""
    check_rejected(RESPONSES, fields)
    if _LOGPROBS in (fields.include or ()):
        raise BadRequest(
            f"Unsupported value: '{_LOGPROBS}' is not supported by this service.",
            code="unsupported_value",
            param="include",
        )
    if fields.stream_options is not None and not fields.stream:
        raise BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            code=None,
            param="stream_options",
        )
    if fields.previous_response_id is not None and not keeps:
        raise BadRequest(
            "Unsupported parameter: 'previous_response_id' is not supported, for this service keeps"
            " no responses: send the whole conversation as 'input'.",
            code="unsupported_parameter",
            param="previous_response_id",
        )
    if fields.input is None and fields.previous_response_id is None:
        raise _nothing()


def _ignored(body: dict[str, Any], fields: Body, *, keeps: bool, reject: bool) -> tuple[str, ...]:
    found = set(ignored_names(RESPONSES, body, fields, reject=reject))
    if fields.store and not keeps:
        found.add("store")
    if fields.text and fields.text.verbosity not in (None, "medium"):
        found.add("text.verbosity")
    if set(fields.include or ()) - _VACUOUS:
        found.add("include")
    names = tuple(sorted(found))
    if names and reject:
        raise unsupported(names[0])
    return names


def _schema(wanted: JsonSchema) -> dict[str, Any]:
    """The schema as the model is to see it: it knows of no description beside it."""
    if wanted.description:
        return {"description": wanted.description, **wanted.schema_}
    return wanted.schema_


def _check_json(fields: Body, items: Sequence[Item]) -> None:
    if any("json" in text.lower() for text in (fields.instructions or "", *texts(items))):
        return
    raise BadRequest(
        "Response input messages must contain the word 'json' in some form to use 'text.format' of"
        " type 'json_object'.",
        code=None,
        param="input",
    )


def _nothing() -> BadRequest:
    return BadRequest(
        'One of "input" or "previous_response_id" must be provided.',
        code="missing_required_parameter",
        param="input",
    )
