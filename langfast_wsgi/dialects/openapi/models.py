"""The routes of ``dialects/models.py``."""

from typing import Any

from langfast_wsgi.dialects.openapi.answers import JSON, answer, faults, guarded, ref
from langfast_wsgi.dialects.openapi.document import Part
from langfast_wsgi.errors import BadRequest, UnknownModel

_EITHER = (
    "With the header `anthropic-version` as Anthropic has it, errors as well; else as OpenAI does."
)


def described() -> Part:
    """The model list."""
    listed = {
        "operationId": "listModels",
        "summary": "The models that are served.",
        "description": _EITHER,
        "tags": ["models"],
        "parameters": [
            _VERSION,
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}),
            _query("after_id", {"type": "string"}),
            _query("before_id", {"type": "string"}),
        ],
        "responses": {
            "200": answer("All models.", {JSON: _either("ModelList", "ModelPage")}),
            **_told(guarded()),
            **_told(faults([BadRequest])),
        },
    }
    one = {
        "operationId": "retrieveModel",
        "summary": "One model.",
        "description": _EITHER,
        "tags": ["models"],
        "parameters": [
            _VERSION,
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "It may hold slashes and colons, raw or percent-encoded.",
                "schema": {"type": "string", "minLength": 1},
            },
        ],
        "responses": {
            "200": answer("The model.", {JSON: _either("Model", "ModelInfo")}),
            **_told(guarded()),
            **_told(faults([UnknownModel])),
        },
    }
    return Part(
        paths={"/v1/models": {"get": listed}, "/v1/models/{id}": {"get": one}}, schemas=_SCHEMAS
    )


def _either(openais: str, anthropics: str) -> dict[str, Any]:
    return {"anyOf": [ref(openais), ref(anthropics)]}


def _told(responses: dict[str, Any]) -> dict[str, Any]:
    """The same faults, in either envelope."""
    media = {JSON: {"schema": _either("Error", "AnthropicError")}}
    return {status: {**one, "content": media} for status, one in responses.items()}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    told = "Of Anthropic's list."
    return {"name": name, "in": "query", "description": told, "schema": schema}


_VERSION = {"name": "anthropic-version", "in": "header", "schema": {"type": "string"}}
_OWN = {
    "type": "object",
    "description": "Of a single model: what becomes of each parameter, by route.",
    "additionalProperties": {
        "type": "object",
        "required": ["parameters"],
        "properties": {
            "parameters": {
                "type": "object",
                "additionalProperties": {
                    "type": "string",
                    "enum": ["native", "emulated", "ignored", "rejected"],
                },
            },
            "content_parts": {"type": "array", "items": {"type": "string"}},
        },
    },
}
_ID_OR_NULL = {"type": ["string", "null"]}

_SCHEMAS: dict[str, Any] = {
    "Model": {
        "type": "object",
        "required": ["id", "object", "created", "owned_by"],
        "properties": {
            "id": {"type": "string"},
            "object": {"type": "string", "const": "model"},
            "created": {"type": "integer", "description": "The same for all: nobody knows it."},
            "owned_by": {"type": "string"},
            "langfast": _OWN,
        },
    },
    "ModelList": {
        "type": "object",
        "required": ["object", "data"],
        "properties": {
            "object": {"type": "string", "const": "list"},
            "data": {"type": "array", "items": ref("Model")},
        },
    },
    "ModelInfo": {
        "type": "object",
        "required": ["type", "id", "display_name", "created_at", "lifecycle"],
        "properties": {
            "type": {"type": "string", "const": "model"},
            "id": {"type": "string"},
            "display_name": {"type": "string"},
            "created_at": {"type": "string", "description": "The same for all."},
            "lifecycle": {"type": "string", "const": "active"},
            "langfast": _OWN,
        },
    },
    "ModelPage": {
        "type": "object",
        "required": ["data", "has_more", "first_id", "last_id"],
        "properties": {
            "data": {"type": "array", "items": ref("ModelInfo")},
            "has_more": {"type": "boolean"},
            "first_id": _ID_OR_NULL,
            "last_id": _ID_OR_NULL,
        },
    },
}
