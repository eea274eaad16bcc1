"""What a request speaks of that was said before: former responses, and single items of theirs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import orjson

from langfast_wsgi.dialects._json import MAX_NODES, nodes_in
from langfast_wsgi.dialects._service import Kept
from langfast_wsgi.dialects._validation import cut
from langfast_wsgi.dialects.responses.ids import response_of
from langfast_wsgi.errors import BadRequest

MOST_LINKS = 1000

Get: TypeAlias = Callable[[str], Kept | None]
Json: TypeAlias = dict[str, Any]


class Recall:
    """Looks things up for one request: each response once, and not without end.

    What is recalled may be as much as what can be sent, ``room`` bytes of JSON and no more arrays
    and objects: a few bytes can name a lot, and name it again and again.
    """

    def __init__(self, get: Get, room: int) -> None:
        self._get = get
        self._room = room
        self._nodes = MAX_NODES
        self._found: dict[str, Kept | None] = {}
        self._items: dict[str, Json] = {}  # by id, of all that was found

    def __repr__(self) -> str:
        return f"<Recall {len(self._found)} responses>"

    def chain(self, last: str | None) -> list[Json]:
        """All items of a response and of those before it, in their order. Raises BadRequest."""
        links: list[list[Json]] = []
        while last is not None:
            kept = self._response(last, "previous_response_id")
            if kept is None:
                # Also in the middle of a chain: half a conversation must not pass for the whole.
                raise BadRequest(
                    f"Previous response with id '{cut(last)}' not found.",
                    code="previous_response_not_found",
                    param="previous_response_id",
                )
            links.append(list(_items(kept)))
            self._take(links[-1], "previous_response_id")
            if len(links) > MOST_LINKS:
                raise _too_many("previous_response_id")
            last = kept.response.get("previous_response_id")
        return [item for link in reversed(links) for item in link]

    def item(self, item_id: str) -> Json:
        """An item of any response that is kept. Raises BadRequest."""
        if item_id not in self._items:
            home = response_of(item_id)
            if home is not None:
                self._response(home, "input")
        found = self._items.get(item_id)
        if found is None:
            raise BadRequest(
                f"Item with id '{cut(item_id)}' not found. Items are not kept when `store` is set"
                " to false, and not for ever: send the item itself, or leave it out.",
                code=None,
                param="input",
            )
        self._take([found], "input")
        return found

    def _take(self, items: Sequence[Json], param: str) -> None:
        said = orjson.dumps(items)
        self._room -= len(said)
        self._nodes -= nodes_in(said)
        if self._room < 0 or self._nodes < 0:
            raise BadRequest(
                "The conversation is too long with what was kept of it.",
                code="context_length_exceeded",
                param=param,
            )

    def _response(self, response_id: str, param: str) -> Kept | None:
        if response_id not in self._found:
            if len(self._found) > MOST_LINKS:
                raise _too_many(param)
            kept = self._found[response_id] = self._get(response_id)
            for item in _items(kept) if kept else ():
                self._items.setdefault(item["id"], item)
        return self._found[response_id]


def _items(kept: Kept) -> Iterator[Json]:
    yield from kept.items
    yield from kept.response["output"]


def _too_many(param: str) -> BadRequest:
    return BadRequest(
        f"The conversation reaches over more than {MOST_LINKS} responses.",
        code="invalid_value",
        param=param,
    )
