"""Responses are kept for their owner alone, whichever worker is asked, and not for ever."""

import json
import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
import requests
from openai import OpenAI

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.openapi import Document
from tests.support.redis_server import RedisServer, running_redis

KEY, OTHER_KEY = "stored-key-1", "stored-key-2"
KEYS = f"{KEY},{OTHER_KEY}"
NEVER = "resp_" + "0" * 32
ONE = "/v1/responses/{id}"
INPUT_ITEMS = f"{ONE}/input_items"
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0") as process:
        yield process


@pytest.fixture(scope="module")
def pair(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    """Two workers, which nobody kills."""
    with running_gateway(upstream, API_MASTER_KEY=KEYS, WEB_CONCURRENCY=2) as process:
        yield process


@pytest.fixture(scope="module")
def told(pair: GatewayProcess) -> Document:
    return Document(pair.get("/openapi.json").json())


@pytest.fixture
def client(pair: GatewayProcess) -> Iterator[OpenAI]:
    with client_of(pair) as one:
        yield one


@pytest.fixture
def other_client(pair: GatewayProcess) -> Iterator[OpenAI]:
    with client_of(pair, OTHER_KEY) as one:
        yield one


def client_of(gateway: GatewayProcess, key: str = KEY) -> OpenAI:
    return OpenAI(base_url=gateway.api, api_key=key, max_retries=0, timeout=20)


def call(
    gateway: GatewayProcess, method: str, path: str, key: str = KEY, **options: Any
) -> requests.Response:
    """On a connection of its own, so that any worker may take it."""
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    return requests.request(
        method, f"{gateway.url}/v1/responses{path}", headers=headers, timeout=20, **options
    )


def create(gateway: GatewayProcess, text: str = "hi", **fields: Any) -> dict[str, Any]:
    answer = call(gateway, "POST", "", json={"model": "echo", "input": text, **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def said(upstream: EmulatorProcess) -> str:
    """What the last run was asked."""
    return json.dumps(upstream.runs()[-1]["prompt_meta"])


def workers(gateway: GatewayProcess) -> list[int]:
    return [child.pid for child in psutil.Process(gateway.process.pid).children()]


def answered_by(gateway: GatewayProcess, request: str) -> set[str]:
    """The workers in whose access log a request stands."""
    return set(re.findall(rf"gunicorn\.access \[(\d+)\] .*\"{re.escape(request)} ", gateway.log()))


# --- all workers ---------------------------------------------------------------------------------


def test_what_one_worker_made_every_worker_finds(pair: GatewayProcess) -> None:
    made = create(pair, "found by both")
    path = f"/{made['id']}"
    for _ in range(50):
        answer = call(pair, "GET", path)
        assert (answer.status_code, answer.json()) == (200, made)

    def both_answered() -> bool:
        assert call(pair, "GET", path).json() == made
        return len(answered_by(pair, f"GET /v1/responses{path}")) == 2

    wait_for(both_answered, "an answer of each worker")


def test_a_streamed_response_is_kept_as_it_was_completed(client: OpenAI) -> None:
    with client.responses.create(model="echo", input="streamed", stream=True) as stream:
        *_, last = stream
    assert last.type == "response.completed"
    assert client.responses.retrieve(last.response.id) == last.response


def test_what_is_not_to_be_stored_is_not_found(client: OpenAI) -> None:
    made = client.responses.create(model="echo", input="hi", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


# --- whose it is ---------------------------------------------------------------------------------


def test_another_key_neither_sees_nor_deletes_nor_continues_it(
    client: OpenAI, other_client: OpenAI
) -> None:
    made = client.responses.create(model="echo", input="mine")
    theirs = other_client.responses
    attempts: list[Callable[[], object]] = [
        lambda: theirs.retrieve(made.id),
        lambda: theirs.delete(made.id),
        lambda: theirs.cancel(made.id),
        lambda: theirs.input_items.list(made.id),
    ]
    for attempt in attempts:
        with pytest.raises(openai.NotFoundError) as caught:
            attempt()
        assert caught.value.body == {
            "message": f"Response with id '{made.id}' not found.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    with pytest.raises(openai.BadRequestError) as refused:
        theirs.create(model="echo", input="and?", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"
    assert client.responses.retrieve(made.id) == made


def test_an_open_api_keeps_for_everybody(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream) as gateway:
        made = create(gateway)
        assert call(gateway, "GET", f"/{made['id']}", key="whatever").json() == made


# --- the routes ----------------------------------------------------------------------------------


def test_a_deleted_response_is_gone(pair: GatewayProcess, told: Document, client: OpenAI) -> None:
    made = create(pair)
    answer = call(pair, "DELETE", f"/{made['id']}")
    assert answer.json() == {"id": made["id"], "object": "response", "deleted": True}
    told.check("DELETE", ONE, answer)
    for method in ("GET", "DELETE"):
        answer = call(pair, method, f"/{made['id']}")
        assert answer.status_code == 404
        told.check(method, ONE, answer)
    second = client.responses.create(model="echo", input="hi")
    client.responses.delete(second.id)  # whatever the SDK makes of it, it is no error
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)


@pytest.mark.parametrize("name", [NEVER, "resp_x", "nonsense", "x" * 500, "%27%20OR%201=1", "%00"])
def test_what_never_was_is_not_found(pair: GatewayProcess, told: Document, name: str) -> None:
    answer = call(pair, "GET", f"/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
    told.check("GET", ONE, answer)


def test_what_was_made_at_once_cannot_be_cancelled(pair: GatewayProcess, told: Document) -> None:
    answer = call(pair, "POST", f"/{create(pair)['id']}/cancel")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Cannot cancel a synchronous response."
    told.check("POST", f"{ONE}/cancel", answer)


def test_a_kept_response_is_given_whole_whatever_is_to_be_included(
    pair: GatewayProcess, told: Document, client: OpenAI
) -> None:
    made = client.responses.create(model="echo", input="hi")
    include: Any = ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert client.responses.retrieve(made.id, include=include) == made
    told.check("GET", ONE, call(pair, "GET", f"/{made.id}?stream=false"))
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.retrieve(made.id, stream=True)
    assert refused.value.param == "stream"
    told.check("GET", ONE, call(pair, "GET", f"/{made.id}?stream=true"))


# --- the conversation ----------------------------------------------------------------------------


def test_input_items_are_those_of_the_whole_conversation(
    pair: GatewayProcess, told: Document, client: OpenAI
) -> None:
    first = client.responses.create(
        model="auto", input="What is the weather?", tools=[TOOL], tool_choice="required"
    )
    (made_call,) = first.output
    assert made_call.type == "function_call"
    result = {"type": "function_call_output", "call_id": made_call.call_id, "output": "rain"}
    second = client.responses.create(
        model="echo",
        input=[result, {"role": "user", "content": "so?"}],
        previous_response_id=first.id,
    )
    third = client.responses.create(model="echo", input="and?", previous_response_id=second.id)
    items = client.responses.input_items.list(third.id, order="asc").data
    assert [item.type for item in items] == [
        *("message", "function_call", "function_call_output", "message", "message", "message")
    ]
    assert items[1].id == made_call.id
    assert items[-2].id == second.output[0].id
    newest_first = client.responses.input_items.list(third.id).data
    assert newest_first == items[::-1]
    answer = call(pair, "GET", f"/{third.id}/input_items")
    assert not answer.json()["has_more"]
    told.check("GET", INPUT_ITEMS, answer)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 7, 20, 45, 100])
def test_the_sdk_pages_through_all_input_items_once(client: OpenAI, order: Any, limit: int) -> None:
    given: Any = [{"role": "user", "content": f"number {number}"} for number in range(45)]
    made = client.responses.create(model="echo", input=given)
    page = client.responses.input_items.list(made.id, order=order, limit=limit)
    assert len(page.data) == min(limit, 45)
    texts = [item.content[0].text for item in page]  # type: ignore[union-attr]
    wanted = [f"number {number}" for number in range(45)]
    assert texts == (wanted if order == "asc" else wanted[::-1])


def test_an_item_that_was_sent_twice_does_not_make_paging_endless(client: OpenAI) -> None:
    given: Any = [
        {"id": name, "type": "message", "role": "user", "content": "hi"}
        for name in ("msg_a", "msg_b", "msg_a", "msg_c")
    ]
    made = client.responses.create(model="echo", input=given)
    page = client.responses.input_items.list(made.id, order="asc", limit=1)
    assert [item.id for item in page] == ["msg_a", "msg_b", "msg_c"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("order=up", "order"),
        ("after=msg_nowhere", "after"),
        ("before=msg_nowhere", "before"),
    ],
)
def test_a_page_that_cannot_be_is_refused_by_name(
    pair: GatewayProcess, told: Document, query: str, param: str
) -> None:
    answer = call(pair, "GET", f"/{create(pair)['id']}/input_items?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    told.check("GET", INPUT_ITEMS, answer)


def test_a_conversation_with_a_gap_is_not_shown_as_if_it_were_whole(client: OpenAI) -> None:
    first = client.responses.create(model="echo", input="one")
    second = client.responses.create(model="echo", input="two", previous_response_id=first.id)
    client.responses.delete(first.id)
    for ask in (
        lambda: client.responses.input_items.list(second.id),
        lambda: client.responses.create(model="echo", input="3", previous_response_id=second.id),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            ask()
        assert refused.value.code == "previous_response_not_found"


# --- how long ------------------------------------------------------------------------------------


def test_a_conversation_goes_on_over_killed_workers_and_a_reload(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(upstream, API_MASTER_KEY=KEYS, WEB_CONCURRENCY=2) as gateway:
        last = create(gateway, "the first word")

        def replaced(before: list[int]) -> bool:
            now = workers(gateway)
            return len(now) == 2 and not set(now) & set(before)

        def kill() -> None:
            for pid in workers(gateway):
                os.kill(pid, signal.SIGKILL)

        def reload() -> None:
            gateway.process.send_signal(signal.SIGHUP)

        for number, replace in enumerate((kill, reload, kill)):
            before = workers(gateway)
            replace()
            wait_for(lambda old=before: replaced(old), "two new workers")
            gateway.wait_until_ready()
            last = create(gateway, f"word {number}", previous_response_id=last["id"])
            assert "the first word" in said(upstream)
        items = call(gateway, "GET", f"/{last['id']}/input_items").json()["data"]
        assert len(items) == 7


def test_what_is_kept_is_nobody_elses_to_read_and_gone_with_the_instance(
    upstream: EmulatorProcess,
) -> None:
    with running_gateway(upstream) as gateway:
        made = create(gateway, "private words")
        (worker,) = workers(gateway)
        opened = {Path(file.path) for file in psutil.Process(worker).open_files()}
        (file,) = (path for path in opened if path.name == "responses")
        assert file.is_relative_to("/dev/shm")
        assert b"private words" in file.with_name("responses-wal").read_bytes()
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        gateway.stop(signal.SIGQUIT)
        assert not file.parent.exists()
        assert "private words" not in gateway.log()
    with running_gateway(upstream) as gateway:
        assert call(gateway, "GET", f"/{made['id']}").status_code == 404


def test_where_there_is_little_room_the_oldest_go_first(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream, RESPONSE_STORE_BYTES=65536) as gateway:
        made = [create(gateway, f"{number} " * 500)["id"] for number in range(40)]
        found = [call(gateway, "GET", f"/{one}").status_code == 200 for one in made]
        assert found == sorted(found)
        assert not found[0]
        assert found[-1]


def test_after_its_time_a_response_is_gone(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream, RESPONSE_STORE_SECONDS=0.5) as gateway:
        made = create(gateway)
        wait_for(
            lambda: call(gateway, "GET", f"/{made['id']}").status_code == 404, "its time to be over"
        )


def test_with_no_room_nothing_is_kept_and_that_is_said(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream, RESPONSE_STORE_BYTES=0) as gateway:
        answer = call(gateway, "POST", "", json={"model": "echo", "input": "hi", "store": True})
        assert answer.status_code == 200
        assert "store" in answer.headers["x-langfast-ignored-params"]
        assert call(gateway, "GET", f"/{answer.json()['id']}").status_code == 404
        more = {"model": "echo", "input": "hi", "previous_response_id": answer.json()["id"]}
        assert call(gateway, "POST", "", json=more).status_code == 400


def test_d17_on_a_full_disk_responses_are_made_and_not_kept(upstream: EmulatorProcess) -> None:
    with running_gateway(upstream) as gateway:
        kept = create(gateway, "kept before")
        (worker,) = workers(gateway)
        _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, hard))
        for _ in range(5):
            lost = create(gateway, "not kept")
            assert call(gateway, "GET", f"/{lost['id']}").status_code == 404
        assert call(gateway, "GET", f"/{kept['id']}").json() == kept
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))

        def is_kept() -> bool:
            return call(gateway, "GET", f"/{create(gateway)['id']}").status_code == 200

        wait_for(is_kept, "room for responses")
        assert workers(gateway) == [worker]


# --- Redis ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def redis(running: RedisServer) -> RedisServer:
    running.restart_empty()
    return running


def test_gateways_that_share_a_redis_share_what_is_kept(
    upstream: EmulatorProcess, redis: RedisServer
) -> None:
    settings = {"API_MASTER_KEY": KEYS, "REDIS_URL": redis.url, "MIN_CREDENTIALS": 1}
    with running_gateway(upstream, **settings) as one, running_gateway(upstream, **settings) as two:
        first = create(one, "said to the first")
        assert call(two, "GET", f"/{first['id']}").json() == first
        second = create(two, "and to the second", previous_response_id=first["id"])
        assert "said to the first" in said(upstream)
        items = call(one, "GET", f"/{second['id']}/input_items").json()["data"]
        assert [item["role"] for item in items] == ["user", "assistant", "user"]
        assert call(two, "GET", f"/{first['id']}", key=OTHER_KEY).status_code == 404
        assert call(two, "DELETE", f"/{first['id']}").status_code == 200
        assert call(one, "GET", f"/{first['id']}").status_code == 404
    with running_gateway(upstream, **settings) as later:
        assert call(later, "GET", f"/{second['id']}").json() == second


@pytest.mark.parametrize("away", [RedisServer.refuse, RedisServer.hang], ids=["d14", "d15"])
def test_d14_d15_without_redis_responses_are_made_and_none_is_said_to_be_gone(
    upstream: EmulatorProcess, redis: RedisServer, away: Callable[[RedisServer], None]
) -> None:
    with running_gateway(upstream, REDIS_URL=redis.url, MIN_CREDENTIALS=1) as gateway:
        told = Document(gateway.get("/openapi.json").json())
        kept = create(gateway)
        away(redis)
        began = time.monotonic()
        for _ in range(10):
            assert create(gateway)["status"] == "completed"
            answer = call(gateway, "GET", f"/{kept['id']}")
            assert answer.status_code == 503
        assert time.monotonic() - began < 10
        assert answer.json()["error"]["code"] == "store_unavailable"
        assert int(answer.headers["retry-after"]) >= 1
        told.check("GET", ONE, answer)
        more = {"model": "echo", "input": "hi", "previous_response_id": kept["id"]}
        answer = call(gateway, "POST", "", json=more)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
        redis.restart_empty()

        def is_kept() -> bool:
            return call(gateway, "GET", f"/{create(gateway)['id']}").status_code == 200

        wait_for(is_kept, "responses to be kept again")
        assert gateway.log().count("responses are not kept at the moment") == 1
