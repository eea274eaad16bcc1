"""What operators and platforms ask for: what this is, is it alive, is it ready, how does it do."""

from collections.abc import Callable

import orjson
from flask import Blueprint, Response

from langfast_wsgi import __version__
from langfast_wsgi.gateway import Gateway
from langfast_wsgi.observe import metrics


def blueprint(gateway: Callable[[], Gateway], check_key: Callable[[], None]) -> Blueprint:
    """The routes. ``check_key`` guards the metrics."""
    health = Blueprint("langfast_health", __name__)

    @health.get("/")
    def root() -> Response:
        return _json(
            {
                "name": "langfast_wsgi",
                "version": __version__,
                "description": "The APIs of OpenAI and Anthropic in front of a prompt runner.",
                "documentation": "README.md and docs/ of the source tree",
                "routes": [
                    "/v1/chat/completions",
                    "/v1/completions",
                    "/v1/responses",
                    "/v1/messages",
                    "/v1/models",
                    "/openapi.json",
                    "/healthz",
                    "/readyz",
                    "/metrics",
                ],
            }
        )

    @health.get("/healthz")
    def alive() -> Response:
        """The process answers. Asks nobody."""
        return _json({"status": "ok"})

    @health.get("/readyz")
    def ready() -> Response:
        """Whether a run would find an account; from memory, no upstream call."""
        is_ready, figures = gateway().readiness()
        status = "ready" if is_ready else "not ready"
        return _json({"status": status, **figures}, 200 if is_ready else 503)

    @health.get("/metrics")
    def series() -> Response:
        check_key()
        return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)

    return health


def _json(body: object, status: int = 200) -> Response:
    response = Response(orjson.dumps(body), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
