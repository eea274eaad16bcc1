"""``GET /v1/models`` and ``GET /v1/models/{id}``.

A single model says as well, in a field of our own, what becomes of each parameter.
"""

from flask import Blueprint, Response

from langfast_wsgi.dialects._capabilities.offered import extension
from langfast_wsgi.dialects._openai import json_response
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.errors import UnknownModel

CREATED = 1_735_689_600  # the upstream tells no dates; a client sorts by this at best


def blueprint(service: Service) -> Blueprint:
    """The routes of the model list."""
    models = Blueprint("langfast_models", __name__)

    @models.get("/v1/models")
    def list_models() -> Response:
        known = service.gateway().models()
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
        return json_response({**_model(name, owner), "langfast": own})

    return models


def _model(name: str, owner: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}
