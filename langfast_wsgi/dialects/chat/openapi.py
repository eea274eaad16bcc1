"""``POST /v1/chat/completions`` for the OpenAPI document."""

from typing import Any, get_args

from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from langfast_wsgi.conversation.events import FINISH_REASONS
from langfast_wsgi.dialects.chat.fields import Body, Typed
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
from langfast_wsgi.dialects.openapi.requests import RequestSchema, request_schemas


def described() -> Part:
    """The route and its schemas."""
    operation = {
        "operationId": "createChatCompletion",
        "summary": "A chat completion, streamed or not.",
        "tags": ["chat"],
        "requestBody": {"required": True, "content": {JSON: {"schema": ref("ChatRequest")}}},
        "responses": {
            "200": answer(
                "The completion. With `stream: true` Server-Sent Events: each `data:` line is a"
                " chunk, or an error in place of the end; the last is `[DONE]`. Lines that begin"
                " with a colon keep the connection alive.",
                {
                    JSON: ref("ChatCompletion"),
                    EVENTS: {"anyOf": [ref("ChatCompletionChunk"), ref("Error")]},
                },
                "x-langfast-ignored-params",
                *LIMITS,
            ),
            **faults(every_fault()),
        },
    }
    request = request_schemas(Body, "ChatRequest", prefix="Chat", generator=_ChatSchema)
    request["ChatRequest"]["description"] = (
        "Null is as good as absent. Fields that are not known here are ignored, and named in"
        " `x-langfast-ignored-params`, or refused (`UNSUPPORTED_PARAMS`)."
    )
    return Part({"/v1/chat/completions": {"post": operation}}, {**request, **_ANSWERS})


class _ChatSchema(RequestSchema):
    """Knows that an object whose ``type`` names a member needs that member."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """See ``Typed``: one variant for each type."""
        found = super().model_schema(schema)
        model = schema["cls"]
        if not issubclass(model, Typed):
            return found
        declared = model.model_fields["type"].annotation
        variants = [_variant(found["properties"], name) for name in get_args(declared)]
        return variants[0] if len(variants) == 1 else {"type": "object", "anyOf": variants}


def _variant(properties: dict[str, Any], name: str) -> dict[str, Any]:
    own = {"type": {"type": "string", "const": name}}
    if name in properties:
        own[name] = _given(properties[name])
    return {"type": "object", "required": list(own), "properties": {**properties, **own}}


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """What may be null, without null."""
    rest = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return rest[0] if len(rest) == 1 else {"anyOf": rest}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_WORD = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_ASSISTANT = {"type": "string", "const": "assistant"}
_FUNCTION = {"type": "string", "const": "function"}
# With the deprecated ``functions`` a call has a reason of its own.
_REASON = {"type": "string", "enum": sorted({*FINISH_REASONS, "function_call"})}
_CALLED = _object({"name": _WORD, "arguments": {**_WORD, "description": "A JSON text."}})


def _answer_of(kind: str, choice: str, usage: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "id": {"type": "string", "pattern": "^chatcmpl-"},
        "object": {"type": "string", "const": kind},
        "created": {"type": "integer", "description": "Seconds since 1970."},
        "model": _WORD,
        "system_fingerprint": {
            **_or_null(_WORD),
            "description": "`emulator` where no real upstream answers.",
        },
        "choices": {"type": "array", "items": ref(choice)},
        "usage": usage,
    }
    return _object(properties, "usage")


_ANSWERS: dict[str, Any] = {
    "ChatCompletion": _answer_of("chat.completion", "ChatChoice", ref("Usage")),
    "ChatChoice": _object(
        {
            "index": _COUNT,
            "message": ref("ChatAnswer"),
            "logprobs": {"type": "null"},
            "finish_reason": _REASON,
        }
    ),
    "ChatAnswer": _object(
        {
            "role": _ASSISTANT,
            "content": _or_null(_WORD),
            "refusal": _or_null(_WORD),
            "tool_calls": {"type": "array", "minItems": 1, "items": ref("ChatCall")},
            "function_call": _CALLED,
        },
        *("tool_calls", "function_call"),
    ),
    "ChatCall": _object({"id": _WORD, "type": _FUNCTION, "function": _CALLED}),
    "ChatCompletionChunk": _answer_of(
        "chat.completion.chunk",
        "ChatChunkChoice",
        {
            **_or_null(ref("Usage")),
            "description": "With `include_usage`: null but in the last chunk, which has no choice.",
        },
    ),
    "ChatChunkChoice": _object(
        {
            "index": _COUNT,
            "delta": ref("ChatDelta"),
            "logprobs": {"type": "null"},
            "finish_reason": _or_null(_REASON),
        }
    ),
    "ChatDelta": _object(
        {
            "role": _ASSISTANT,
            "content": _or_null(_WORD),
            "refusal": _WORD,
            "tool_calls": {"type": "array", "minItems": 1, "items": ref("ChatCallDelta")},
            "function_call": _object({"name": _WORD, "arguments": _WORD}, "name"),
        },
        *("role", "content", "refusal", "tool_calls", "function_call"),
    ),
    "ChatCallDelta": _object(
        {
            "index": _COUNT,
            "id": _WORD,
            "type": _FUNCTION,
            "function": _object({"name": _WORD, "arguments": _WORD}, "name"),
        },
        *("id", "type"),
    ),
    "Usage": _object(
        {"prompt_tokens": _COUNT, "completion_tokens": _COUNT, "total_tokens": _COUNT}
    ),
}
