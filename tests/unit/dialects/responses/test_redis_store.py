"""Responses in a real Redis, which may be away."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from langfast_wsgi.dialects._service import Kept
from langfast_wsgi.dialects.responses.store.fault import StoreUnavailable
from langfast_wsgi.dialects.responses.store.record import LARGEST_SHARE
from langfast_wsgi.dialects.responses.store.redis_store import RedisStore
from tests.support.builders import wait_for
from tests.support.redis_server import RedisServer, running_redis

ROOM = 1024 * 1024
ALICE, BOB = "a" * 64, "b" * 64
ITEMS = [{"id": "msg_1", "type": "message", "role": "user", "content": "hällo 💬"}]


def response(number: int, text: str = "hi") -> dict[str, Any]:
    return {"id": response_id(number), "object": "response", "output": [{"text": text}]}


def response_id(number: int) -> str:
    return f"resp_{number:032x}"


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with running_redis() as one:
        yield one


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    running.restart_empty()
    return running


@pytest.fixture
def store(server: RedisServer) -> RedisStore:
    return RedisStore(server.url, ROOM, 60.0)


@pytest.fixture
def another(server: RedisServer) -> RedisStore:
    """As another instance has it."""
    return RedisStore(server.url, ROOM, 60.0)


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    with redis.Redis.from_url(server.url) as one:
        yield one


def test_what_was_put_is_found_as_it_was_also_by_another_instance(
    store: RedisStore, another: RedisStore
) -> None:
    store.put(ALICE, response(1, "\u2028 é 💬"), ITEMS)
    for one in (store, another):
        assert one.get(ALICE, response_id(1)) == Kept(response(1, "\u2028 é 💬"), ITEMS)
    assert store.keeps


def test_nobody_finds_or_deletes_what_is_another_owners(store: RedisStore) -> None:
    store.put(ALICE, response(1), ITEMS)
    store.put("", response(2), ITEMS)
    for owner, number in ((BOB, 1), ("", 1), (ALICE, 2)):
        assert store.get(owner, response_id(number)) is None
        assert not store.delete(owner, response_id(number))
    assert store.get(ALICE, response_id(1))
    assert store.get("", response_id(2))


def test_what_was_deleted_is_gone_for_all(store: RedisStore, another: RedisStore) -> None:
    store.put(ALICE, response(1), ITEMS)
    assert another.delete(ALICE, response_id(1))
    assert not another.delete(ALICE, response_id(1))
    assert store.get(ALICE, response_id(1)) is None


@pytest.mark.parametrize("name", ["", "resp_", "resp_*", "resp_1:2", "../order", "resp_1\r\nDEL x"])
def test_what_is_no_id_never_reaches_redis(store: RedisStore, client: Any, name: str) -> None:
    before = client.info("stats")["total_commands_processed"]
    assert store.get(ALICE, name) is None
    assert not store.delete(ALICE, name)
    assert client.info("stats")["total_commands_processed"] == before + 1


def test_every_key_is_ours_by_name_and_goes_by_itself(store: RedisStore, client: Any) -> None:
    for number in range(3):
        store.put(ALICE, response(number), ITEMS)
    keys = client.keys()
    assert len(keys) == 5
    assert all(key.startswith(b"langfast:") for key in keys)
    assert all(0 < client.pttl(key) <= 60_000 for key in keys)


def test_nothing_is_found_after_its_time(server: RedisServer) -> None:
    store = RedisStore(server.url, ROOM, 0.1)
    store.put(ALICE, response(1), ITEMS)
    wait_for(lambda: store.get(ALICE, response_id(1)) is None)


def test_all_together_have_one_bound_and_the_oldest_go_first(
    store: RedisStore, another: RedisStore, client: Any
) -> None:
    size = ROOM // LARGEST_SHARE - 2000
    for number in range(0, 40, 2):
        store.put(ALICE, response(number, "x" * size), ITEMS)
        another.put(BOB, response(number + 1, "x" * size), ITEMS)
    there = [
        number for number in range(40) if store.get((ALICE, BOB)[number % 2], response_id(number))
    ]
    assert there == list(range(40 - LARGEST_SHARE, 40))
    assert client.llen("langfast:responses:order") == LARGEST_SHARE
    assert int(client.get("langfast:responses:bytes")) <= ROOM


def test_the_sum_finds_back_where_redis_forgot_the_order(store: RedisStore, client: Any) -> None:
    store.put(ALICE, response(1), ITEMS)
    client.delete("langfast:responses:order")
    client.set("langfast:responses:bytes", 10 * ROOM)
    store.put(ALICE, response(2), ITEMS)
    store.put(ALICE, response(3), ITEMS)
    assert store.get(ALICE, response_id(3))
    assert int(client.get("langfast:responses:bytes")) < ROOM


def test_what_is_no_json_is_not_kept_which_is_nobody_elses_business(store: RedisStore) -> None:
    store.put(ALICE, {**response(1), "metadata": {"a": 2**70}}, ITEMS)
    store.put(ALICE, response(2), ITEMS)
    assert store.get(ALICE, response_id(1)) is None
    assert store.get(ALICE, response_id(2)) is not None


def test_what_takes_too_large_a_share_is_not_kept(
    store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store.put(ALICE, response(1, "x" * (ROOM // LARGEST_SHARE)), ITEMS)
    assert store.get(ALICE, response_id(1)) is None
    assert "too large to be kept" in caplog.text


@pytest.mark.parametrize("value", [b"", b"no json", b"[]", b'{"response": {}}'])
def test_what_somebody_else_wrote_there_is_no_response(
    store: RedisStore, client: Any, value: bytes
) -> None:
    client.set(f"langfast:response:{ALICE}:{response_id(1)}", value)
    assert store.get(ALICE, response_id(1)) is None


@pytest.mark.parametrize("away", [RedisServer.refuse, RedisServer.hang], ids=["refuses", "hangs"])
def test_without_redis_nothing_hangs_nothing_is_kept_and_what_is_kept_is_not_said_to_be_gone(
    server: RedisServer,
    store: RedisStore,
    away: Callable[[RedisServer], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put(ALICE, response(1), ITEMS)
    away(server)
    began = time.monotonic()
    for number in range(2, 200):
        store.put(ALICE, response(number), ITEMS)
        for call in (store.get, store.delete):
            with pytest.raises(StoreUnavailable) as caught:
                call(ALICE, response_id(1))
    assert time.monotonic() - began < 3.0
    assert (caught.value.status, caught.value.code) == (503, "store_unavailable")
    assert caught.value.retry
    assert caplog.text.count("responses are not kept at the moment: Redis: ") == 1


def test_when_redis_is_back_responses_are_kept_again(
    server: RedisServer, store: RedisStore
) -> None:
    store.put(ALICE, response(1), ITEMS)
    server.refuse()
    store.put(ALICE, response(2), ITEMS)
    server.restart_empty()

    def kept() -> bool:
        store.put(ALICE, response(3), ITEMS)
        try:
            return store.get(ALICE, response_id(3)) is not None
        except StoreUnavailable:
            return False

    wait_for(kept)
    assert store.get(ALICE, response_id(1)) is None


def test_its_address_is_in_no_repr_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = RedisStore("redis://somebody:canary-password@127.0.0.1:1/0", ROOM, 60.0)
    store.put(ALICE, response(1), ITEMS)
    with pytest.raises(StoreUnavailable) as caught:
        store.get(ALICE, response_id(1))
    trace = "".join(traceback.format_exception(caught.value))
    for text in (repr(store), caplog.text, trace, caught.value.message):
        assert "canary" not in text
    assert "127.0.0.1" not in caplog.text
