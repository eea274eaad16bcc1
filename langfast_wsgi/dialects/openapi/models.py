"""The routes of ``dialects/models.py``."""

from langfast_wsgi.dialects.openapi.answers import JSON, answer, faults, guarded, ref
from langfast_wsgi.dialects.openapi.document import Part
from langfast_wsgi.errors import UnknownModel


def described() -> Part:
    """The model list."""
    listed = {
        "operationId": "listModels",
        "summary": "The models that are served.",
        "tags": ["models"],
        "responses": {"200": answer("All models.", {JSON: ref("ModelList")}), **guarded()},
    }
    one = {
        "operationId": "retrieveModel",
        "summary": "One model.",
        "tags": ["models"],
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "It may hold slashes and colons, raw or percent-encoded.",
                "schema": {"type": "string", "minLength": 1},
            }
        ],
        "responses": {
            "200": answer("The model.", {JSON: ref("Model")}),
            **guarded(),
            **faults([UnknownModel]),
        },
    }
    return Part(
        paths={"/v1/models": {"get": listed}, "/v1/models/{id}": {"get": one}}, schemas=_SCHEMAS
    )


_SCHEMAS = {
    "Model": {
        "type": "object",
        "required": ["id", "object", "created", "owned_by"],
        "properties": {
            "id": {"type": "string"},
            "object": {"type": "string", "const": "model"},
            "created": {"type": "integer", "description": "The same for all: nobody knows it."},
            "owned_by": {"type": "string"},
            "langfast": {
                "type": "object",
                "description": "Of a single model: what becomes of each parameter, by route.",
                "additionalProperties": {
                    "type": "object",
                    "required": ["parameters", "content_parts"],
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
            },
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
}
