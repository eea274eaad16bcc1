"""What can be recalled of former responses: as much as could be sent, and each looked up once."""

from collections import Counter
from typing import Any

import pytest

from langfast_wsgi.dialects._json import MAX_NODES
from langfast_wsgi.dialects._service import Kept
from langfast_wsgi.dialects.responses.ids import item_id
from langfast_wsgi.dialects.responses.recalling import MOST_LINKS, Recall
from langfast_wsgi.errors import BadRequest

ROOM = 10_000


def name(number: int) -> str:
    return f"resp_{number:032x}"


def kept(number: int, *texts: str, before: int | None = None, **fields: Any) -> Kept:
    """A response with an item of its own for each text, and no output."""
    items = [
        {"id": item_id("msg", name(number), index), "type": "message", "content": text, **fields}
        for index, text in enumerate(texts)
    ]
    previous = None if before is None else name(before)
    return Kept({"id": name(number), "previous_response_id": previous, "output": []}, items)


class Shelf:
    """A store that counts."""

    def __init__(self, *responses: Kept) -> None:
        self.asked: Counter[str] = Counter()
        self._responses = {one.response["id"]: one for one in responses}

    def get(self, response_id: str) -> Kept | None:
        self.asked[response_id] += 1
        return self._responses.get(response_id)


def test_a_chain_as_long_as_is_promised_comes_in_its_order() -> None:
    links = [kept(n, f"{n}", before=n - 1 if n else None) for n in range(MOST_LINKS + 1)]
    recall = Recall(Shelf(*links).get, 10 * 1024 * 1024)
    found = recall.chain(name(MOST_LINKS - 1))
    assert [item["content"] for item in found] == [str(n) for n in range(MOST_LINKS)]
    with pytest.raises(BadRequest, match="more than 1000 responses"):
        Recall(Shelf(*links).get, 10 * 1024 * 1024).chain(name(MOST_LINKS))


def test_a_ring_has_an_end() -> None:
    shelf = Shelf(kept(1, "a", before=2), kept(2, "b", before=1))
    with pytest.raises(BadRequest):
        Recall(shelf.get, 10 * 1024 * 1024).chain(name(1))
    assert max(shelf.asked.values()) == 1


def test_a_chain_that_is_longer_than_a_body_may_be_is_refused_before_it_is_read_to_its_end() -> (
    None
):
    shelf = Shelf(*(kept(n, "x" * 4000, before=n + 1) for n in range(100)))
    with pytest.raises(BadRequest) as caught:
        Recall(shelf.get, ROOM).chain(name(0))
    assert (caught.value.code, caught.value.param) == (
        "context_length_exceeded",
        "previous_response_id",
    )
    assert len(shelf.asked) == 3


def test_an_item_that_is_named_a_thousand_times_counts_each_time() -> None:
    """A few bytes for each name, and the item is there as often."""
    recall = Recall(Shelf(kept(1, "x" * 1000)).get, ROOM)
    named = [item_id("msg", name(1), 0)] * 1000
    with pytest.raises(BadRequest) as caught:
        list(map(recall.item, named))
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")


def test_many_small_parts_are_as_many_as_in_a_body() -> None:
    parts = [{} for _ in range(MAX_NODES // 3)]
    shelf = Shelf(*(kept(n, "x", before=n + 1, parts=parts) for n in range(10)))
    with pytest.raises(BadRequest) as caught:
        Recall(shelf.get, 10 * 1024 * 1024).chain(name(0))
    assert caught.value.code == "context_length_exceeded"


def test_braces_in_a_text_are_no_parts() -> None:
    shelf = Shelf(kept(1, '{"[\\' * 2 * MAX_NODES))
    assert len(Recall(shelf.get, 10 * 1024 * 1024).chain(name(1))) == 1


def test_each_response_is_looked_up_once_whatever_is_named() -> None:
    shelf = Shelf(kept(1, "a", "b"))
    recall = Recall(shelf.get, ROOM)
    assert [recall.item(item_id("msg", name(1), n))["content"] for n in (0, 1, 0)] == [
        "a",
        "b",
        "a",
    ]
    for unknown in (item_id("msg", name(1), 7), item_id("msg", name(2), 0), "msg_mine"):
        for _ in range(2):
            with pytest.raises(BadRequest, match="not found"):
                recall.item(unknown)
    assert shelf.asked == {name(1): 1, name(2): 1}
