"""``GET /openapi.json``. It holds no secret, so it needs no key, like the health routes."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from flask import Blueprint, Response

from langfast_wsgi.dialects._openai import json_response
from langfast_wsgi.dialects.openapi.document import Part, document
from langfast_wsgi.dialects.openapi.health import PATH

Describe = Callable[[], Part]


def blueprint(describe: Sequence[Describe], *, keyed: bool) -> Blueprint:
    """The route. Nothing is described before somebody asks, and then once."""
    openapi = Blueprint("langfast_openapi", __name__)

    @cache
    def described() -> dict[str, Any]:
        return document((one() for one in describe), keyed=keyed)

    @openapi.get(PATH)
    def show() -> Response:
        return json_response(described())

    return openapi
