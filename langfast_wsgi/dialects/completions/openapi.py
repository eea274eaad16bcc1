"""``POST /v1/completions`` for the OpenAPI document."""

from typing import Any

from langfast_wsgi.dialects.completions.encode import FINISH_REASONS, OBJECT
from langfast_wsgi.dialects.completions.fields import Body
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


def described() -> Part:
    """The route and its schemas."""
    operation = {
        "operationId": "createCompletion",
        "summary": "Legacy completions of one text or several, streamed or not.",
        "tags": ["completions"],
        "requestBody": {"required": True, "content": {JSON: {"schema": ref("CompletionRequest")}}},
        "responses": {
            "200": answer(
                "The answers, prompt by prompt. With `stream: true` Server-Sent Events: each"
                " `data:` line is a chunk, or an error in place of the end; the last is `[DONE]`."
                " Lines that begin with a colon keep the connection alive.",
                {
                    JSON: ref("Completion"),
                    EVENTS: {"anyOf": [ref("CompletionChunk"), ref("Error")]},
                },
                "x-langfast-ignored-params",
                *LIMITS,
            ),
            **faults(every_fault()),
        },
    }
    request = request_schemas(Body, "CompletionRequest", prefix="Completion")
    request["CompletionRequest"]["description"] = (
        "Null is as good as absent, but for the prompt. Fields that are not known here are ignored,"
        " and named in `x-langfast-ignored-params`, or refused (`UNSUPPORTED_PARAMS`). `n` times"
        " the number of prompts is 8 at the most; `best_of` may be no other than `n`."
    )
    return Part({"/v1/completions": {"post": operation}}, {**request, **_ANSWERS})


def _answer_of(choice: str, usage: dict[str, Any], *required: str) -> dict[str, Any]:
    fields = ("id", "object", "created", "model", "system_fingerprint", "choices", *required)
    return {
        "type": "object",
        "required": list(fields),
        "properties": {
            "id": {"type": "string", "pattern": "^cmpl-"},
            "object": {"type": "string", "const": OBJECT},
            "created": {"type": "integer", "description": "Seconds since 1970."},
            "model": {"type": "string"},
            "system_fingerprint": {
                "type": ["string", "null"],
                "description": "`emulator` where no real upstream answers.",
            },
            "choices": {"type": "array", "items": ref(choice)},
            "usage": usage,
        },
    }


def _choice(finish_reason: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["text", "index", "logprobs", "finish_reason"],
        "properties": {
            "text": {"type": "string"},
            "index": {"type": "integer", "minimum": 0},
            "logprobs": {"type": "null"},
            "finish_reason": finish_reason,
        },
    }


_REASON: dict[str, Any] = {"type": "string", "enum": sorted(FINISH_REASONS)}
_NULL = {"type": "null"}
_ANSWERS: dict[str, Any] = {
    "Completion": _answer_of("CompletionChoice", ref("Usage"), "usage"),
    "CompletionChoice": _choice(_REASON),
    "CompletionChunk": _answer_of(
        "CompletionChunkChoice",
        {
            "anyOf": [ref("Usage"), _NULL],
            "description": "With `include_usage`: null but in the last chunk, which has no choice.",
        },
    ),
    "CompletionChunkChoice": _choice({"anyOf": [_REASON, _NULL]}),
}
