"""``GET /v1/models`` and ``GET /v1/models/{id}``, as OpenAI has them, or as Anthropic has them.

A single model says as well, in a field of our own, what becomes of each parameter.
"""

from collections.abc import Mapping

from flask import Blueprint, Response, request

from langfast_wsgi.dialects import _anthropic
from langfast_wsgi.dialects._capabilities.offered import extension
from langfast_wsgi.dialects._openai import json_response
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects._validation import cut
from langfast_wsgi.errors import BadRequest, UnknownModel

CREATED = 1_735_689_600  # the upstream tells no dates; a client sorts by this at best
CREATED_AT = "2025-01-01T00:00:00Z"
MOST = 1000  # models in a page


def blueprint(service: Service) -> Blueprint:
    """The routes of the model list."""
    models = Blueprint("langfast_models", __name__)

    @models.get("/v1/models")
    def list_models() -> Response:
        known = service.gateway().models()
        if _anthropic.is_spoken():
            return _anthropic.signed(json_response(_page(list(known), request.args)))
        return json_response(
            {"object": "list", "data": [_model(name, owner) for name, owner in known.items()]}
        )

    # Ids hold slashes and colons; a server hands a percent-encoded slash over as a plain one.
    @models.get("/v1/models/<path:name>")
    def one_model(name: str) -> Response:
        owner = service.gateway().models().get(name)
        if owner is None:
            raise UnknownModel(f"The model '{name[:100]}' does not exist.", param="model")
        own = extension(name, service.settings.media_models)
        if _anthropic.is_spoken():
            return _anthropic.signed(json_response({**_model_info(name), "langfast": own}))
        return json_response({**_model(name, owner), "langfast": own})

    return models


def _model(name: str, owner: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}


def _model_info(name: str) -> dict[str, object]:
    """A model as Anthropic tells it."""
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": CREATED_AT,
        "lifecycle": "active",
    }


def _page(names: list[str], asked: Mapping[str, str]) -> dict[str, object]:
    """A page of Anthropic's list: all of it, unless less is asked for."""
    size = _limit(asked.get("limit", str(MOST)))
    start, end = 0, len(names)
    if "after_id" in asked:
        start = _place(names, asked["after_id"], "after_id") + 1
    if "before_id" in asked:
        end = _place(names, asked["before_id"], "before_id")
    backwards = "before_id" in asked and "after_id" not in asked
    page = names[max(start, end - size) : end] if backwards else names[start:end][:size]
    return {
        "data": [_model_info(name) for name in page],
        "has_more": len(page) < end - start,
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def _limit(asked: str) -> int:
    size = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 0
    if not 1 <= size <= MOST:
        raise BadRequest(
            f"Invalid value for 'limit': expected a number from 1 to {MOST}.",
            code="invalid_value",
            param="limit",
        )
    return size


def _place(names: list[str], name: str, param: str) -> int:
    if name not in names:
        raise BadRequest(
            f"Invalid value for '{param}': there is no model '{cut(name)}'.",
            code="invalid_value",
            param=param,
        )
    return names.index(name)
