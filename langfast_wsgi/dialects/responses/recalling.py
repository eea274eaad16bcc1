"""What a request speaks of that was said before: former responses, and single items of theirs."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from langfast_wsgi.dialects._service import Kept
from langfast_wsgi.dialects._validation import cut
from langfast_wsgi.dialects.responses.ids import response_of
from langfast_wsgi.errors import BadRequest

MOST_LINKS = 1000

Get: TypeAlias = Callable[[str], Kept | None]


class Recall:
    """Looks things up for one request: each response once, and not without end."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._found: dict[str, Kept | None] = {}

    def __repr__(self) -> str:
        return f"<Recall {len(self._found)} responses>"

    def chain(self, last: str | None) -> list[dict[str, Any]]:
        """All items of a response and of those before it, in their order. Raises BadRequest."""
        links: list[Kept] = []
        while last is not None:
            kept = self._response(last, "previous_response_id")
            if kept is None:
                # Also in the middle of a chain: half a conversation must not pass for the whole.
                raise BadRequest(
                    f"Previous response with id '{cut(last)}' not found.",
                    code="previous_response_not_found",
                    param="previous_response_id",
                )
            links.append(kept)
            if len(links) > MOST_LINKS:
                raise _too_many("previous_response_id")
            last = kept.response.get("previous_response_id")
        return [item for kept in reversed(links) for item in _items(kept)]

    def item(self, item_id: str) -> dict[str, Any]:
        """An item of any response that is kept. Raises BadRequest."""
        for kept in [one for one in self._found.values() if one is not None]:
            for item in _items(kept):
                if item.get("id") == item_id:
                    return item
        home = response_of(item_id)
        if home is None or home in self._found or self._response(home, "input") is None:
            raise BadRequest(
                f"Item with id '{cut(item_id)}' not found. Items are not kept when `store` is set"
                " to false, and not for ever: send the item itself, or leave it out.",
                code=None,
                param="input",
            )
        return self.item(item_id)

    def _response(self, response_id: str, param: str) -> Kept | None:
        if response_id not in self._found:
            if len(self._found) > MOST_LINKS:
                raise _too_many(param)
            self._found[response_id] = self._get(response_id)
        return self._found[response_id]


def _items(kept: Kept) -> Iterator[dict[str, Any]]:
    yield from kept.items
    yield from kept.response["output"]


def _too_many(param: str) -> BadRequest:
    return BadRequest(
        f"The conversation reaches over more than {MOST_LINKS} responses.",
        code="invalid_value",
        param=param,
    )
