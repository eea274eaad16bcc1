"""What the OpenAPI document says of messages is what is checked."""

from typing import Any

import jsonschema_rs
import pytest
from flask import Flask

from langfast_wsgi.app import Langfast
from langfast_wsgi.dialects._anthropic import error_body
from langfast_wsgi.dialects.messages import openapi
from langfast_wsgi.dialects.messages.fields import Asked, Body
from langfast_wsgi.dialects.messages.parse import parse
from langfast_wsgi.dialects.openapi.answers import every_fault
from langfast_wsgi.errors import BadRequest, GatewayError
from langfast_wsgi.settings import Settings
from tests.support.openapi import Document

PATH = "/v1/messages"
HELLO = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}


@pytest.fixture(scope="module")
def told() -> Document:
    app = Flask("host", static_folder=None)
    Langfast(app, Settings(_env_file=None))
    return Document(app.test_client().get("/openapi.json").json)


@pytest.fixture(scope="module")
def request_schema(told: Document) -> Any:
    return jsonschema_rs.Draft202012Validator(told.request_schema("POST", PATH))


def block(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [fields]}]}


@pytest.mark.parametrize(
    ("name", "model"), [("MessagesRequest", Body), ("MessagesCount", Asked)], ids=str
)
def test_all_fields_are_told(told: Document, name: str, model: type[Asked]) -> None:
    properties = told.content["components"]["schemas"][name]["properties"]
    assert set(properties) == set(model.model_fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"system": "s", "stream": True, "temperature": 1, "unknown": 1},
        {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "any"}},
        {
            "tools": [{"name": "f", "input_schema": {}}],
            "tool_choice": {"type": "tool", "name": "f"},
        },
        {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
        {"stop_sequences": ["x"] * 64},
        block(type="text", text="x", source=None),
        block(type="document", source={"type": "text", "data": "x"}),
        dict.fromkeys(Body.model_fields.keys() - {"messages", "max_tokens"}),
    ],
)
def test_what_it_allows_is_taken(request_schema: Any, fields: dict[str, Any]) -> None:
    body = {**HELLO, **fields}
    assert request_schema.is_valid(body)
    parse(body, default_model="m", reject_unsupported=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"max_tokens": None},
        {"max_tokens": 0},
        {"temperature": 1.1},
        {"stop_sequences": [""]},
        {"tool_choice": {"type": "tool"}},
        {"tool_choice": {"type": "required"}},
        {"tools": [{"name": "a b", "input_schema": {}}]},
        {"output_config": {"format": {"type": "json_schema"}}},
        block(type="text"),
        block(type="text", text=None),
        block(type="video", source={}),
        block(type="image", source={"type": "base64"}),
        block(type="tool_use", id="x", name="f"),
        block(text="x"),
    ],
)
def test_what_it_forbids_is_refused(request_schema: Any, fields: dict[str, Any]) -> None:
    body = {**HELLO, **fields}
    assert not request_schema.is_valid(body)
    with pytest.raises(BadRequest):
        parse(body, default_model="m", reject_unsupported=False)


@pytest.mark.parametrize("fault", every_fault(), ids=lambda kind: kind.__name__)
def test_every_fault_is_told_with_its_status_and_envelope(
    told: Document, fault: type[GatewayError]
) -> None:
    for path in (PATH, f"{PATH}/count_tokens"):
        response = told.content["paths"][path]["post"]["responses"][str(fault.status)]
        schema = response["content"]["application/json"]["schema"]
        told.validate(schema, error_body(fault("no"), "req_1"))


def test_the_part_describes_itself_alone() -> None:
    part = openapi.described()
    assert list(part.paths) == [PATH, f"{PATH}/count_tokens"]
    assert all(name.startswith(("Messages", "AnthropicError")) for name in part.schemas)
