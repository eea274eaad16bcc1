"""The routes of ``kept.py`` for the OpenAPI document."""

from typing import Any

from langfast_wsgi.dialects.openapi.answers import JSON, answer, faults, guarded, ref
from langfast_wsgi.dialects.openapi.document import Part
from langfast_wsgi.dialects.responses.kept import UnknownResponse
from langfast_wsgi.dialects.responses.store.fault import StoreUnavailable
from langfast_wsgi.errors import BadRequest

PATH = "/v1/responses/{id}"
_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "It is kept for the API key alone that made it.",
    "schema": {"type": "string", "minLength": 1},
}


def described() -> Part:
    """What can be done with a response that is kept."""
    stream = _query("stream", "Only false.", {"type": "boolean", "const": False})
    retrieve = _operation(
        "retrieveResponse",
        "A response that was kept.",
        answer("The response, as it was answered.", {JSON: ref("Response")}),
        stream,
    )
    delete = _operation(
        "deleteResponse",
        "Deletes a response. Those that follow it can no longer be continued.",
        answer("It is gone.", {JSON: ref("ResponseDeleted")}),
    )
    items = _operation(
        "listResponseInputItems",
        "What a response was made from: the whole conversation up to it.",
        answer("A page of items.", {JSON: ref("ResponseInputItems")}),
        *_PAGE,
    )
    cancel = _operation("cancelResponse", "Refused: none is made in the background.")
    return Part(
        {
            PATH: {"get": retrieve, "delete": delete},
            f"{PATH}/input_items": {"get": items},
            f"{PATH}/cancel": {"post": cancel},
        },
        _SCHEMAS,
    )


def _operation(
    name: str, summary: str, success: dict[str, Any] | None = None, *parameters: dict[str, Any]
) -> dict[str, Any]:
    told = faults([BadRequest, UnknownResponse, StoreUnavailable])
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["responses"],
        "parameters": [_ID, *parameters],
        "responses": {**({"200": success} if success else {}), **guarded(), **told},
    }


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_WORD = {"type": "string"}
_PAGE = (
    _query("limit", "Items at the most.", {"type": "integer", "minimum": 1, "maximum": 100}),
    _query("order", "The newest first, unless `asc`.", {"type": "string", "enum": ["asc", "desc"]}),
    _query("after", "The id of an item: what follows it in the list.", _WORD),
    _query("before", "The id of an item: what stands before it in the list.", _WORD),
)
_SCHEMAS: dict[str, Any] = {
    "ResponseDeleted": {
        "type": "object",
        "required": ["id", "object", "deleted"],
        "properties": {
            "id": {"type": "string", "pattern": "^resp_"},
            "object": {"type": "string", "const": "response"},
            "deleted": {"const": True},
        },
    },
    "ResponseInputItems": {
        "type": "object",
        "required": ["object", "data", "first_id", "last_id", "has_more"],
        "properties": {
            "object": {"type": "string", "const": "list"},
            "data": {"type": "array", "items": ref("ResponseInputItem")},
            "first_id": {"type": ["string", "null"]},
            "last_id": {"type": ["string", "null"]},
            "has_more": {"type": "boolean"},
        },
    },
    "ResponseInputItem": {
        "type": "object",
        "description": "As in `input`, and with an id.",
        "required": ["id", "type", "status"],
        "properties": {
            "id": _WORD,
            "type": {
                "type": "string",
                "enum": ["message", "function_call", "function_call_output"],
            },
            "status": _WORD,
        },
        "additionalProperties": True,
    },
}
