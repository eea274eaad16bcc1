"""``/v1/responses/{id}``: responses that were kept, looked at and deleted."""

from functools import partial
from typing import Any, Literal

from flask import Blueprint, Response, g, request
from pydantic import BaseModel, Field, ValidationError

from langfast_wsgi.dialects._openai import json_response
from langfast_wsgi.dialects._service import Kept, Service, Store
from langfast_wsgi.dialects._validation import bad_request, cut
from langfast_wsgi.dialects.responses.recalling import Recall
from langfast_wsgi.errors import BadRequest, CallerError

PATH = "/v1/responses/<response_id>"


class UnknownResponse(CallerError):
    """No such response is kept for this caller. The code is null, as OpenAI's."""

    status = 404
    default_code = "response_not_found"

    def __init__(self, response_id: str) -> None:
        super().__init__(f"Response with id '{cut(response_id)}' not found.")
        self.code = None  # OpenAI has no word for it


class Page(BaseModel):
    """Which part of a list is asked for."""

    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


def blueprint(service: Service) -> Blueprint:
    """The routes of what was kept."""
    kept = Blueprint("langfast_kept_responses", __name__)
    store = service.responses

    @kept.get(PATH)
    def retrieve(response_id: str) -> Response:
        if request.args.get("stream", "").lower() in ("true", "1"):
            raise BadRequest(
                "A kept response is not streamed: only one that is made in the background could be,"
                " and none is made so. Leave `stream` out.",
                code="unsupported_value",
                param="stream",
            )
        return json_response(_found(store, response_id).response)

    @kept.delete(PATH)
    def delete(response_id: str) -> Response:
        _found(store, response_id)
        if not store.delete(_owner(), response_id):
            raise UnknownResponse(response_id)
        return json_response({"id": response_id, "object": "response", "deleted": True})

    @kept.get(f"{PATH}/input_items")
    def list_input_items(response_id: str) -> Response:
        page = _page()
        own = _found(store, response_id)
        recall = Recall(partial(store.get, _owner()), service.settings.max_body_bytes)
        before = recall.chain(own.response.get("previous_response_id"))
        return json_response(listed([*before, *own.items], page))

    @kept.post(f"{PATH}/cancel")
    def cancel(response_id: str) -> Response:
        _found(store, response_id)
        raise BadRequest("Cannot cancel a synchronous response.", code=None)

    return kept


def listed(items: list[dict[str, Any]], page: Page) -> dict[str, Any]:
    """A page of the items, which come oldest first. Raises BadRequest.

    Ids may be the caller's own: an item that was sent twice is listed once, or paging had no end.
    """
    once = list({item["id"]: item for item in items}.values())
    ordered = once if page.order == "asc" else once[::-1]
    first = _place(ordered, page.after, "after") + 1 if page.after else 0
    end = _place(ordered, page.before, "before") if page.before else len(ordered)
    among = ordered[first:end]
    # What is asked for before an item is what stands next to it.
    backwards = page.before is not None and page.after is None
    data = among[-page.limit :] if backwards else among[: page.limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(among) > len(data),
    }


def _place(items: list[dict[str, Any]], item_id: str, param: str) -> int:
    for number, item in enumerate(items):
        if item["id"] == item_id:
            return number
    raise BadRequest(f"Item with id '{cut(item_id)}' not found.", code=None, param=param)


def _page() -> Page:
    try:
        return Page.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise bad_request(error) from None


def _found(store: Store, response_id: str) -> Kept:
    kept = store.get(_owner(), response_id)
    if kept is None:
        raise UnknownResponse(response_id)
    return kept


def _owner() -> str:
    owner: str = g.get("caller", "")
    return owner
