"""``POST /v1/responses`` and its companion, for the OpenAPI document."""

from typing import Any

from langfast_wsgi.dialects.openapi.answers import (
    EVENTS,
    JSON,
    LIMITS,
    answer,
    every_fault,
    faults,
    ref,
)
from langfast_wsgi.dialects.openapi.document import Part
from langfast_wsgi.dialects.openapi.requests import request_schemas
from langfast_wsgi.dialects.responses.fields import Body

_IGNORED = "x-langfast-ignored-params"


def described() -> Part:
    """The routes and their schemas."""
    create = _operation(
        "createResponse",
        "A response, streamed or not.",
        answer(
            "The response. With `stream: true` Server-Sent Events: each has its type in its"
            " `event:` line and in its data. The last is `response.completed`,"
            " `response.incomplete` or, behind an `error`, `response.failed`. Lines that begin with"
            " a colon keep the connection alive.",
            {JSON: ref("Response"), EVENTS: ref("ResponseEvent")},
            _IGNORED,
            *LIMITS,
        ),
    )
    count = _operation(
        "countResponseInputTokens",
        "How many tokens a request's input has. Nothing is run.",
        answer("The count.", {JSON: ref("ResponseInputTokens")}, _IGNORED, *LIMITS),
    )
    request = request_schemas(Body, "ResponsesRequest", prefix="Responses")
    request["ResponsesRequest"]["description"] = (
        "Null is as good as absent. There has to be an `input` or a `previous_response_id`. Fields"
        " that are not known here are ignored, and named in `x-langfast-ignored-params`, or refused"
        " (`UNSUPPORTED_PARAMS`)."
    )
    paths = {
        "/v1/responses": {"post": create},
        "/v1/responses/input_tokens": {"post": count},
    }
    return Part(paths, {**request, **_ANSWERS})


def _operation(name: str, summary: str, success: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["responses"],
        "requestBody": {"required": True, "content": {JSON: {"schema": ref("ResponsesRequest")}}},
        "responses": {"200": success, **faults(every_fault())},
    }


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def _const(value: str) -> dict[str, Any]:
    return {"type": "string", "const": value}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_WORD = {"type": "string"}
_WORD_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_ANY = {"type": "object"}
_EMPTY = {"type": "array", "maxItems": 0}
_STATUS = {"type": "string", "enum": ["in_progress", "completed", "incomplete"]}
_ERROR = _object({"message": _WORD, "type": _WORD, "param": _WORD_OR_NULL, "code": _WORD_OR_NULL})
_TEXT = _object(
    {"type": _const("output_text"), "text": _WORD, "annotations": _EMPTY, "logprobs": _EMPTY}
)
_REFUSAL = _object({"type": _const("refusal"), "refusal": _WORD})
_PART = {"anyOf": [_TEXT, _REFUSAL]}
_MESSAGE = _object(
    {
        "id": {"type": "string", "pattern": "^msg_"},
        "type": _const("message"),
        "status": _STATUS,
        "role": _const("assistant"),
        "content": {"type": "array", "maxItems": 1, "items": _PART},
    }
)
_CALL = _object(
    {
        "id": {"type": "string", "pattern": "^fc_"},
        "type": _const("function_call"),
        "status": _STATUS,
        "call_id": _WORD,
        "name": _WORD,
        "arguments": {**_WORD, "description": "A JSON text."},
    }
)
_RESPONSE = {
    "id": {"type": "string", "pattern": "^resp_"},
    "object": _const("response"),
    "created_at": {"type": "integer", "description": "Seconds since 1970."},
    "status": {"type": "string", "enum": [*_STATUS["enum"], "failed"]},
    "background": {"const": False},
    "completed_at": {"type": ["integer", "null"]},
    "error": _or_null(_ERROR),
    "incomplete_details": _or_null(
        _object({"reason": {"type": "string", "enum": ["max_output_tokens", "content_filter"]}})
    ),
    "instructions": _WORD_OR_NULL,
    "max_output_tokens": {"type": ["integer", "null"]},
    "max_tool_calls": {"type": ["integer", "null"]},
    "model": _WORD,
    "output": {"type": "array", "items": ref("ResponseItem")},
    "parallel_tool_calls": {"type": "boolean"},
    "previous_response_id": _WORD_OR_NULL,
    "prompt_cache_key": _WORD_OR_NULL,
    "reasoning": _object({"effort": {"type": "null"}, "summary": {"type": "null"}}),
    "safety_identifier": _WORD_OR_NULL,
    "service_tier": _const("default"),
    "store": {"type": "boolean", "description": "Whether it is kept for a while."},
    "temperature": {"type": ["number", "null"]},
    "text": _object({"format": _ANY, "verbosity": _const("medium")}),
    "tool_choice": {"anyOf": [_WORD, _ANY]},
    "tools": {"type": "array", "items": _ANY},
    "top_logprobs": {"const": 0},
    "top_p": {"type": ["number", "null"]},
    "truncation": _const("disabled"),
    "usage": _or_null(ref("ResponseUsage")),
    "user": _WORD_OR_NULL,
    "metadata": {"type": "object", "additionalProperties": _WORD},
    "system_fingerprint": {
        **_const("emulator"),
        "description": "Where no real upstream answers. OpenAI has no such field here.",
    },
}


def _event(kind: str, /, **properties: Any) -> dict[str, Any]:
    return _object({"type": _const(kind), "sequence_number": _COUNT, **properties})


_AT = {"item_id": _WORD, "output_index": _COUNT}
_IN = {**_AT, "content_index": _COUNT}
_ITEM = {"output_index": _COUNT, "item": ref("ResponseItem")}
_PARTS = {**_IN, "part": _PART}
_ALONG = [
    *(
        _event(f"response.{name}", response=ref("Response"))
        for name in ("created", "in_progress", "completed", "incomplete", "failed")
    ),
    *(_event(f"response.output_item.{name}", **_ITEM) for name in ("added", "done")),
    *(_event(f"response.content_part.{name}", **_PARTS) for name in ("added", "done")),
    _event("response.output_text.delta", **_IN, logprobs=_EMPTY, delta=_WORD),
    _event("response.output_text.done", **_IN, logprobs=_EMPTY, text=_WORD),
    _event("response.refusal.delta", **_IN, delta=_WORD),
    _event("response.refusal.done", **_IN, refusal=_WORD),
    _event("response.function_call_arguments.delta", **_AT, delta=_WORD),
    _event("response.function_call_arguments.done", **_AT, name=_WORD, arguments=_WORD),
    _event("error", code=_WORD_OR_NULL, message=_WORD, param=_WORD_OR_NULL, error=_ERROR),
]
_ANSWERS: dict[str, Any] = {
    "Response": _object(_RESPONSE, "system_fingerprint"),
    "ResponseItem": {"type": "object", "anyOf": [_MESSAGE, _CALL]},
    "ResponseUsage": _object(
        {
            "input_tokens": _COUNT,
            "input_tokens_details": _object(
                {"cached_tokens": _COUNT, "cache_write_tokens": _COUNT}
            ),
            "output_tokens": _COUNT,
            "output_tokens_details": _object({"reasoning_tokens": _COUNT}),
            "total_tokens": _COUNT,
        }
    ),
    "ResponseEvent": {"type": "object", "anyOf": _ALONG},
    "ResponseInputTokens": _object(
        {"object": _const("response.input_tokens"), "input_tokens": _COUNT}
    ),
}
