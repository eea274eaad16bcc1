"""The OpenAPI document: it tells every route, and what the models of requests check."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from pydantic import BaseModel, Field

from langfast_wsgi import __version__, errors
from langfast_wsgi.app import Langfast
from langfast_wsgi.dialects import _openai
from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects.chat import openapi as chat
from langfast_wsgi.dialects.chat.fields import Body
from langfast_wsgi.dialects.chat.parse import parse
from langfast_wsgi.dialects.completions.fields import Body as CompletionBody
from langfast_wsgi.dialects.completions.parse import parse as completions_parse
from langfast_wsgi.dialects.openapi import answers
from langfast_wsgi.dialects.openapi.document import Part, document
from langfast_wsgi.dialects.openapi.requests import request_schemas
from langfast_wsgi.dialects.openapi.routes import blueprint
from langfast_wsgi.errors import BadRequest, GatewayError
from langfast_wsgi.settings import Settings
from tests.support.openapi import Document

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
HELLO = {"messages": [{"role": "user", "content": "hi"}]}


def host(**settings: Any) -> Flask:
    app = Flask("host", static_folder=None)
    Langfast(app, Settings(_env_file=None, **settings))
    return app


def served(**settings: Any) -> dict[str, Any]:
    found: dict[str, Any] = host(**settings).test_client().get("/openapi.json").json
    return found


@pytest.fixture(scope="module")
def told() -> Document:
    return Document(served())


# --- the whole


def test_every_route_is_told_and_nothing_else(told: Document) -> None:
    routes = [
        (method, re.sub(r"<[^>]*>", "{}", rule.rule))
        for rule in host().url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    ]
    operations = [(method, re.sub(r"{[^}]*}", "{}", path)) for method, path in told.operations()]
    assert sorted(operations) == sorted(routes)


def test_it_is_a_document_of_openapi_3_1(told: Document) -> None:
    assert told.content["openapi"] == "3.1.0"
    assert told.content["info"]["version"] == __version__
    schemathesis.openapi.from_dict(dict(told.content)).validate()


def test_every_schema_is_one_and_every_reference_leads_somewhere(told: Document) -> None:
    schemas = told.content["components"]["schemas"]
    for name, schema in schemas.items():
        jsonschema_rs.Draft202012Validator({**schema, "components": told.content["components"]})
        assert schema["type"] == "object", name
    pieces = [ref.split("/")[2:] for ref in _references(told.content)]
    assert all(name in told.content["components"][kind] for kind, name in pieces)
    assert {name for kind, name in pieces if kind == "schemas"} == set(schemas)


def test_operations_have_names_of_their_own(told: Document) -> None:
    items = told.content["paths"].values()
    names = [operation["operationId"] for item in items for operation in item.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("keys", "security"),
    [
        ("", [{}, {"key": []}, {"x-api-key": []}]),
        ("abcdefgh", [{"key": []}, {"x-api-key": []}]),
    ],
)
def test_it_says_whether_a_key_is_wanted(keys: str, security: list[Any]) -> None:
    found = served(api_master_key=keys)
    assert found["security"] == security
    assert keys == "" or keys not in str(found)
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert found["paths"][path]["get"]["security"] == []


def test_it_needs_no_key_and_has_the_usual_headers() -> None:
    answer = host(api_master_key="abcdefgh").test_client().get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.headers["x-request-id"]


def test_it_is_made_once_and_only_when_somebody_asks() -> None:
    made: list[int] = []

    def described() -> Part:
        made.append(1)
        return Part({"/x": {"get": {}}})

    app = Flask("host")
    app.register_blueprint(blueprint([described], keyed=False))
    assert made == []
    first, second = (app.test_client().get("/openapi.json").json for _ in range(2))
    assert first == second
    assert (made, list(first["paths"])) == ([1], ["/x"])


def test_parts_may_share_a_path_but_no_operation_and_no_name() -> None:
    get, post = Part({"/x": {"get": {}}}), Part({"/x": {"post": {}}})
    assert list(document([get, post], keyed=True)["paths"]["/x"]) == ["get", "post"]
    with pytest.raises(ValueError, match="twice: get"):
        document([get, get], keyed=True)
    with pytest.raises(ValueError, match="twice: Error"):
        document([Part({}, {"Error": {}})], keyed=True)


# --- faults


def test_every_fault_has_its_status_and_its_word(told: Document) -> None:
    responses = told.content["paths"][CHAT]["post"]["responses"]
    for kind in answers.every_fault():
        said = responses[str(kind.status)]["description"]
        assert f"`{BadRequest.default_code if kind is BadRequest else kind.default_code}`" in said
    assert set(responses) == {"200", *(str(kind.status) for kind in answers.every_fault())}


@pytest.mark.parametrize("kind", answers.every_fault(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("wait", "retry"), [(None, None), (0.2, False), (7.0, True)])
def test_every_fault_is_answered_as_it_is_told(
    told: Document, kind: type[GatewayError], wait: float | None, retry: bool | None
) -> None:
    fault = kind("no")
    fault.retry = fault.retry if retry is None else retry
    fault.retry_after = wait if fault.status in (429, 503) else None
    app = Flask("host")

    @app.get("/")
    def fails() -> Any:
        return _openai.error_response(fault)

    app.after_request(_openai.sign)
    told.check("POST", CHAT, app.test_client().get("/"))


def test_the_tree_is_told_by_its_leaves() -> None:
    kinds = answers.every_fault()
    assert errors.UpstreamSilent in kinds
    assert errors.CallerError not in kinds
    assert kinds[-1] is GatewayError


# --- requests


@pytest.fixture(scope="module")
def request_schema(told: Document) -> Any:
    return jsonschema_rs.Draft202012Validator(told.request_schema("POST", CHAT))


def test_all_fields_are_told(told: Document) -> None:
    names = {field.alias or name for name, field in Body.model_fields.items()}
    assert set(told.content["components"]["schemas"]["ChatRequest"]["properties"]) == names


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stop": "x", "stream": True, "stream_options": {"include_usage": True}},
        {"stop": ["x"] * 4, "metadata": {"a": "b"}, "temperature": 2, "unknown": 1},
        {"metadata": {f"{number:064}": "x" * 512 for number in range(16)}},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "file": None}]}]},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        dict.fromkeys(Body.model_fields.keys() - {"messages"}),
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
        {"messages": "hi"},
        {"messages": [{"content": "hi"}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": None}]}]},
        {"stop": ["x"] * 5},
        {"stop": {}},
        {"temperature": 2.1},
        {"metadata": "x"},
        {"metadata": {str(number): "x" for number in range(17)}},
        {"metadata": {"n" * 65: "x"}},
        {"metadata": {"n": "x" * 513}},
        {"metadata": {"n": 1}},
        {"logit_bias": []},
        {"tools": [{"type": "function"}]},
        {"tools": [{"type": "function", "function": None}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "file": 1}]}]},
        {"tool_choice": "maybe"},
        {"response_format": {"type": "json_schema"}},
        {"stream": "yes"},
    ],
)
def test_what_it_forbids_is_refused(request_schema: Any, fields: dict[str, Any]) -> None:
    body = {**HELLO, **fields}
    assert not request_schema.is_valid(body)
    with pytest.raises(BadRequest):
        parse(body, default_model="m", reject_unsupported=False)


@pytest.fixture(scope="module")
def completion_schema(told: Document) -> Any:
    return jsonschema_rs.Draft202012Validator(told.request_schema("POST", COMPLETIONS))


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        ({"prompt": "a"}, True),
        ({"prompt": ["a"] * 8, "stop": ["x"], "echo": True, "suffix": None}, True),
        ({"prompt": "a", "n": 8, "best_of": 8, "logit_bias": {}, "user": "u", "more": 1}, True),
        ({}, False),
        ({"prompt": None}, False),
        ({"prompt": []}, False),
        ({"prompt": ["a"] * 9}, False),
        ({"prompt": [1, 2]}, False),
        ({"prompt": [[1], [2]]}, False),
        ({"prompt": "a", "max_tokens": 0}, False),
        ({"prompt": "a", "logprobs": 6}, False),
        ({"prompt": "a", "stop": ["x"] * 5}, False),
    ],
    ids=str,
)
def test_what_it_allows_of_completions_is_taken_and_what_it_forbids_refused(
    completion_schema: Any, body: dict[str, Any], allowed: bool
) -> None:
    assert completion_schema.is_valid(body) is allowed
    if allowed:
        completions_parse(body, default_model="m", reject_unsupported=False)
    else:
        with pytest.raises(BadRequest):
            completions_parse(body, default_model="m", reject_unsupported=False)


def test_all_fields_of_completions_are_told(told: Document) -> None:
    schema = told.content["components"]["schemas"]["CompletionRequest"]
    assert set(schema["properties"]) == set(CompletionBody.model_fields)


def test_a_model_is_told_under_the_names_that_its_dialect_gives_it() -> None:
    class Inner(BaseModel):
        """What is ``inside``."""

        word: str | None = None

    class Outer(BaseModel):
        """All of ``it``."""

        one: Inner
        many: Annotated[list[Inner], Field(max_length=2), Kind("an array")]
        either: Annotated[str | list[str], Kind("a string or an array")] = "x"
        plain: Annotated[dict[str, Any], Kind("an object")]

    found = request_schemas(Outer, "NewRequest", prefix="New")
    assert list(found) == ["NewRequest", "NewInner"]
    inner = {"$ref": "#/components/schemas/NewInner"}
    assert found["NewRequest"]["description"] == "All of `it`."
    assert found["NewRequest"]["properties"] == {
        "one": inner,
        "many": {"type": "array", "items": inner, "maxItems": 2},
        "either": {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "default": "x",
        },
        "plain": {"type": "object"},
    }
    assert found["NewInner"]["properties"] == {
        "word": {"anyOf": [{"type": "string"}, {"type": "null"}]}
    }


def test_the_chat_describes_itself_alone() -> None:
    part = chat.described()
    assert list(part.paths) == [CHAT]
    prefixes = {re.sub(r"(?<!^)[A-Z].*", "", name) for name in part.schemas}
    assert prefixes == {"Chat", "Usage"}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
