"""Pages of input items, and the routes on a store of their own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, g, request

from langfast_wsgi.dialects._openai import error_response
from langfast_wsgi.dialects._service import KeepsNothing, Store
from langfast_wsgi.dialects.responses.kept import Page, blueprint, listed
from langfast_wsgi.dialects.responses.store.sqlite_store import SqliteStore
from langfast_wsgi.errors import BadRequest, GatewayError

ITEMS = [{"id": name} for name in "abcdefg"]
ID = "resp_" + "1" * 32


@pytest.mark.parametrize(
    ("page", "ids", "more"),
    [
        ({}, "gfedcba", False),
        ({"order": "asc"}, "abcdefg", False),
        ({"limit": 3}, "gfe", True),
        ({"limit": 3, "after": "e"}, "dcb", True),
        ({"limit": 3, "after": "d"}, "cba", False),
        ({"limit": 3, "after": "a"}, "", False),
        ({"limit": 7}, "gfedcba", False),
        ({"order": "asc", "limit": 2, "before": "d"}, "bc", True),
        ({"order": "asc", "limit": 3, "before": "d"}, "abc", False),
        ({"order": "asc", "before": "a"}, "", False),
        ({"order": "asc", "after": "a", "before": "e"}, "bcd", False),
        ({"order": "asc", "limit": 2, "after": "a", "before": "e"}, "bc", True),
        ({"limit": 2, "before": "c"}, "ed", True),
    ],
)
def test_a_page_is_the_part_of_the_list_that_was_asked_for(
    page: dict[str, Any], ids: str, more: bool
) -> None:
    assert listed(ITEMS, Page(**page)) == {
        "object": "list",
        "data": [{"id": name} for name in ids],
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": more,
    }


@pytest.mark.parametrize("param", ["after", "before"])
def test_an_item_that_is_not_in_the_list_is_no_place_in_it(param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        listed(ITEMS, Page(**{param: "x" * 500}))
    assert caught.value.param == param
    assert len(caught.value.message) < 200


def test_an_item_that_occurs_twice_is_listed_once() -> None:
    found = listed([*ITEMS, {"id": "a", "again": True}], Page(order="asc"))
    assert [item["id"] for item in found["data"]] == list("abcdefg")


def client_of(store: Store) -> Any:
    service: Any = SimpleNamespace(responses=store)
    app = Flask(__name__)
    app.register_blueprint(blueprint(service))
    app.register_error_handler(GatewayError, error_response)

    @app.before_request
    def know() -> None:
        if "X-Caller" in request.headers:
            g.caller = request.headers["X-Caller"]

    return app.test_client()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(lambda: tmp_path, 1 << 20, 60.0)) as one:
        yield one


def test_a_response_is_found_by_the_caller_that_made_it(store: SqliteStore) -> None:
    store.put("me", {"id": ID, "output": []}, [])
    client = client_of(store)
    path = f"/v1/responses/{ID}"
    assert client.get(path, headers={"X-Caller": "me"}).json == {"id": ID, "output": []}
    for headers in ({}, {"X-Caller": "somebody"}):
        for answer in (client.get(path, headers=headers), client.delete(path, headers=headers)):
            assert answer.status_code == 404
            assert answer.json["error"] == {
                "message": f"Response with id '{ID}' not found.",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }


@pytest.mark.parametrize("method", ["get", "delete"])
def test_where_nothing_is_kept_nothing_is_found(method: str) -> None:
    answer = getattr(client_of(KeepsNothing()), method)(f"/v1/responses/{ID}")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("value", "status"), [("true", 400), ("1", 400), ("false", 200), ("", 200)]
)
def test_a_stream_of_what_is_kept_is_refused(store: SqliteStore, value: str, status: int) -> None:
    store.put("", {"id": ID, "output": []}, [])
    answer = client_of(store).get(f"/v1/responses/{ID}?stream={value}")
    assert answer.status_code == status


def test_an_id_without_end_is_cut_in_the_answer(store: SqliteStore) -> None:
    answer = client_of(store).get(f"/v1/responses/{'x' * 5000}")
    assert answer.status_code == 404
    assert len(answer.json["error"]["message"]) < 200
