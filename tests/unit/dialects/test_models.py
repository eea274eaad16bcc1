"""The model list."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, g

from langfast_wsgi.dialects import models
from langfast_wsgi.dialects._capabilities.offered import extension
from langfast_wsgi.dialects._openai import error_response
from langfast_wsgi.errors import GatewayError

VERSION = {"anthropic-version": "2023-06-01"}
KNOWN = {"gpt-5": "langfast", "org/model:tag": "emulator"}


@pytest.fixture
def client() -> Any:
    gateway = SimpleNamespace(models=lambda: globals()["KNOWN"])
    settings = SimpleNamespace(media_models=("org/*",))
    service = SimpleNamespace(gateway=lambda: gateway, settings=settings)
    app = Flask(__name__)
    app.before_request(lambda: setattr(g, "request_id", "req_1"))
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


# --- as Anthropic has it


def info(name: str) -> dict[str, object]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": models.CREATED_AT,
        "lifecycle": "active",
    }


def page(client: Any, query: str = "") -> Any:
    return client.get(f"/v1/models{query}", headers=VERSION)


def test_who_speaks_anthropics_api_gets_its_shape(client: Any) -> None:
    response = page(client)
    assert response.json == {
        "data": [info("gpt-5"), info("org/model:tag")],
        "has_more": False,
        "first_id": "gpt-5",
        "last_id": "org/model:tag",
    }
    assert response.headers["request-id"] == "req_1"
    one = client.get("/v1/models/org/model:tag", headers=VERSION)
    assert one.json == {
        **info("org/model:tag"),
        "langfast": extension("org/model:tag", ("org/*",)),
    }
    assert one.headers["request-id"] == "req_1"


def test_the_date_is_the_same_in_both_shapes() -> None:
    told = datetime.fromisoformat(models.CREATED_AT)
    assert told.timestamp() == models.CREATED


@pytest.mark.parametrize(
    ("query", "names", "has_more"),
    [
        ("", "abcde", False),
        ("?limit=2", "ab", True),
        ("?limit=5", "abcde", False),
        ("?limit=1000", "abcde", False),
        ("?limit=2&after_id=b", "cd", True),
        ("?limit=2&after_id=c", "de", False),
        ("?after_id=e", "", False),
        ("?limit=2&before_id=d", "bc", True),
        ("?limit=2&before_id=c", "ab", False),
        ("?before_id=a", "", False),
        ("?after_id=a&before_id=e", "bcd", False),
        ("?limit=2&after_id=a&before_id=e", "bc", True),
        ("?after_id=d&before_id=b", "", False),
        ("?lifecycle=active", "abcde", False),
    ],
)
def test_a_list_may_be_had_page_by_page(
    monkeypatch: pytest.MonkeyPatch, client: Any, query: str, names: str, has_more: bool
) -> None:
    monkeypatch.setattr(f"{__name__}.KNOWN", dict.fromkeys("abcde", "langfast"))
    told = page(client, query).json
    assert "".join(one["id"] for one in told["data"]) == names
    assert told["has_more"] is has_more
    assert told["first_id"] == (names[0] if names else None)
    assert told["last_id"] == (names[-1] if names else None)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?limit=x", "limit"),
        ("?limit=", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=" + "9" * 5000, "limit"),
        ("?after_id=nope", "after_id"),
        ("?before_id=" + "x" * 500, "before_id"),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(client: Any, query: str, param: str) -> None:
    response = page(client, query)
    assert response.status_code == 400
    assert response.json["error"]["param"] == param
    assert len(response.json["error"]["message"]) < 300


@pytest.mark.parametrize("name", ["nope", "GPT-5", "gpt-5/", "x" * 5000])
def test_an_unknown_model_is_not_found(client: Any, name: str) -> None:
    response = client.get(f"/v1/models/{name}")
    assert response.status_code == 404
    assert response.json["error"]["code"] == "model_not_found"
    assert len(response.json["error"]["message"]) < 200
