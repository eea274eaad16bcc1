"""``POST /v1/messages`` and its count of tokens for the OpenAPI document."""

from typing import Any

from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from langfast_wsgi.dialects.messages.fields import Asked, Body, Typed
from langfast_wsgi.dialects.openapi.answers import EVENTS, JSON, answer, every_fault, faults, ref
from langfast_wsgi.dialects.openapi.document import Part
from langfast_wsgi.dialects.openapi.requests import RequestSchema, request_schemas

_ERROR = "AnthropicError"
_NULL = (
    "Null is as good as absent. Fields that are not known here are ignored, and named in"
    " `x-langfast-ignored-params`, or refused (`UNSUPPORTED_PARAMS`)."
)


def described() -> Part:
    """The routes and their schemas."""
    create = {
        "operationId": "createMessage",
        "summary": "A message of Anthropic's, streamed or not.",
        "tags": ["messages"],
        "requestBody": {"required": True, "content": {JSON: {"schema": ref("MessagesRequest")}}},
        "responses": {
            "200": answer(
                "The message. With `stream: true` Server-Sent Events: each has an `event:` line"
                " with the type of its `data:`; the last is `message_stop`, or `error` instead."
                " Lines that begin with a colon keep the connection alive.",
                {
                    JSON: ref("MessagesMessageAnswer"),
                    EVENTS: {"anyOf": [ref("MessagesEvent"), ref(_ERROR)]},
                },
                "x-langfast-ignored-params",
            ),
            **faults(every_fault(), _ERROR),
        },
    }
    count = {
        "operationId": "countMessageTokens",
        "summary": "How many tokens a message would ask for. Nothing is run.",
        "tags": ["messages"],
        "requestBody": {"required": True, "content": {JSON: {"schema": ref("MessagesCount")}}},
        "responses": {
            "200": answer("Tokens of the prompt.", {JSON: ref("MessagesCounted")}),
            **faults(every_fault(), _ERROR),
        },
    }
    counted = request_schemas(Asked, "MessagesCount", prefix="Messages", generator=_Schema)
    request = request_schemas(Body, "MessagesRequest", prefix="Messages", generator=_Schema)
    request["MessagesRequest"]["description"] = _NULL
    return Part(
        {"/v1/messages": {"post": create}, "/v1/messages/count_tokens": {"post": count}},
        {**counted, **request, **_ANSWERS},
    )


class _Schema(RequestSchema):
    """Knows what an object of each type must have."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """See ``Typed``: one variant for each type."""
        found = super().model_schema(schema)
        model = schema["cls"]
        if not issubclass(model, Typed):
            return found
        types = found["properties"]["type"]["enum"]
        return {**found, "anyOf": [_variant(one, model.needed.get(one, ())) for one in types]}


def _variant(kind: str, needed: tuple[str, ...]) -> dict[str, Any]:
    given = {name: {"not": {"type": "null"}} for name in needed}
    return {"properties": {"type": {"const": kind}, **given}, "required": ["type", *needed]}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def _event(kind: str, **properties: Any) -> dict[str, Any]:
    return _object({"type": {"const": kind}, **properties})


_WORD = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_WORD_OR_NULL = {"type": ["string", "null"]}
_REASON = {
    "type": ["string", "null"],
    "enum": ["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", None],
}
_DETAILS = {
    "anyOf": [
        _event("refusal", category={"type": "null"}, explanation={"type": "null"}),
        {"type": "null"},
    ]
}
_END = {"stop_reason": _REASON, "stop_sequence": _WORD_OR_NULL, "stop_details": _DETAILS}
_DELTA = {
    "anyOf": [_event("text_delta", text=_WORD), _event("input_json_delta", partial_json=_WORD)]
}

_ANSWERS: dict[str, Any] = {
    "MessagesMessageAnswer": _object(
        {
            "id": {"type": "string", "pattern": "^msg_"},
            "type": {"type": "string", "const": "message"},
            "role": {"type": "string", "const": "assistant"},
            "model": _WORD,
            "system_fingerprint": {
                **_WORD,
                "description": "`emulator` where no real upstream answers, else absent.",
            },
            "content": {"type": "array", "items": ref("MessagesAnswerBlock")},
            **_END,
            "usage": ref("MessagesUsage"),
        },
        "system_fingerprint",
    ),
    "MessagesAnswerBlock": {
        "type": "object",
        "anyOf": [
            _event("text", text=_WORD),
            _event(
                "tool_use",
                id={"type": "string", "pattern": "^toolu_"},
                name=_WORD,
                input={"type": "object"},
            ),
        ],
    },
    "MessagesUsage": _object(
        {
            "input_tokens": _COUNT,
            "cache_creation_input_tokens": {"const": 0},
            "cache_read_input_tokens": {"const": 0},
            "output_tokens": _COUNT,
        }
    ),
    "MessagesEvent": {
        "type": "object",
        "anyOf": [
            _event("message_start", message=ref("MessagesMessageAnswer")),
            _event("ping"),
            _event("content_block_start", index=_COUNT, content_block=ref("MessagesAnswerBlock")),
            _event("content_block_delta", index=_COUNT, delta=_DELTA),
            _event("content_block_stop", index=_COUNT),
            _event("message_delta", delta=_object(_END), usage=ref("MessagesUsage")),
            _event("message_stop"),
        ],
    },
    "MessagesCounted": _object({"input_tokens": _COUNT}),
    _ERROR: {
        **_event(
            "error",
            error=_object(
                {
                    "type": {
                        "type": "string",
                        "enum": [
                            "invalid_request_error",
                            "authentication_error",
                            "permission_error",
                            "not_found_error",
                            "request_too_large",
                            "rate_limit_error",
                            "billing_error",
                            "api_error",
                            "timeout_error",
                            "overloaded_error",
                        ],
                    },
                    "message": {**_WORD, "description": "Names the field that is at fault."},
                    "details": {
                        **_object({"error_code": _WORD}),
                        "description": "The stable word that the other APIs call `code`.",
                    },
                },
                "details",
            ),
            request_id=_WORD,
        ),
        "description": "Every failure, also in place of a stream's end.",
    },
}
