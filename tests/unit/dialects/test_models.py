"""The model list."""

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from langfast_wsgi.dialects import models
from langfast_wsgi.dialects._capabilities.offered import extension
from langfast_wsgi.dialects._openai import error_response
from langfast_wsgi.errors import GatewayError

KNOWN = {"gpt-5": "langfast", "org/model:tag": "emulator"}


@pytest.fixture
def client() -> Any:
    gateway = SimpleNamespace(models=lambda: KNOWN)
    settings = SimpleNamespace(media_models=("org/*",))
    service = SimpleNamespace(gateway=lambda: gateway, settings=settings)
    app = Flask(__name__)
    app.register_blueprint(models.blueprint(service))  # type: ignore[arg-type]
    app.register_error_handler(GatewayError, error_response)
    return app.test_client()


def model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": models.CREATED, "owned_by": KNOWN[name]}


def test_the_list_holds_every_model_with_its_owner(client: Any) -> None:
    assert client.get("/v1/models").json == {
        "object": "list",
        "data": [model("gpt-5"), model("org/model:tag")],
    }


@pytest.mark.parametrize("path", ["org/model:tag", "org%2Fmodel%3Atag"])
def test_an_id_may_hold_slashes_and_colons_plain_or_encoded(client: Any, path: str) -> None:
    name = "org/model:tag"
    assert client.get(f"/v1/models/{path}").json == {
        **model(name),
        "langfast": extension(name, ("org/*",)),
    }


def test_a_model_says_what_becomes_of_each_parameter(client: Any) -> None:
    own = client.get("/v1/models/gpt-5").json["langfast"]["chat_completions"]
    assert own["parameters"]["temperature"] == "native"
    assert own["parameters"]["tools"] == "emulated"
    assert own["parameters"]["store"] == "ignored"
    assert own["parameters"]["logprobs"] == "rejected"
    assert len(own["parameters"]) == 37
    assert own["content_parts"] == ["text"]
    other = client.get("/v1/models/org/model:tag").json["langfast"]["chat_completions"]
    assert other["content_parts"] == ["text", "image_url", "input_audio", "file"]


@pytest.mark.parametrize("name", ["nope", "GPT-5", "gpt-5/", "x" * 5000])
def test_an_unknown_model_is_not_found(client: Any, name: str) -> None:
    response = client.get(f"/v1/models/{name}")
    assert response.status_code == 404
    assert response.json["error"]["code"] == "model_not_found"
    assert len(response.json["error"]["message"]) < 200
