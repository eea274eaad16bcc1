"""What operators and platforms ask for."""

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from langfast_wsgi import __version__, health
from langfast_wsgi.errors import NotAuthorised


def client(*, ready: bool = True, keyed: bool = False) -> Any:
    def check() -> None:
        if keyed:
            raise NotAuthorised("no")

    gateway = SimpleNamespace(readiness=lambda: (ready, {"runs_in_flight": 2}))
    app = Flask(__name__)
    app.register_blueprint(health.blueprint(lambda: gateway, check))  # type: ignore[arg-type,return-value]
    app.register_error_handler(NotAuthorised, lambda _: ("no", 401))
    return app.test_client()


def test_the_root_says_what_this_is() -> None:
    body = client().get("/").json
    assert (body["name"], body["version"]) == ("langfast_wsgi", __version__)
    assert "/v1/chat/completions" in body["routes"]


def test_it_is_alive_whatever_the_gateway_does() -> None:
    response = client(ready=False).get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("ready", "status", "word"), [(True, 200, "ready"), (False, 503, "not ready")]
)
def test_it_is_ready_when_the_gateway_is(ready: bool, status: int, word: str) -> None:
    response = client(ready=ready).get("/readyz")
    assert response.status_code == status
    assert response.json == {"status": word, "runs_in_flight": 2}


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_no_answer_is_kept_by_a_cache(path: str) -> None:
    response = client().get(path)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.content_type == "application/json"


def test_the_metrics_want_the_key() -> None:
    assert client(keyed=True).get("/metrics").status_code == 401
    response = client().get("/metrics")
    assert response.content_type.startswith("text/plain; version=")
    assert b"langfast_runs_in_flight" in response.data


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_health_wants_no_key(path: str) -> None:
    assert client(keyed=True).get(path).status_code == 200
