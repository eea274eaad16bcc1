"""The sign-up budget, in a file and in Redis."""

import multiprocessing
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from langfast_wsgi.providers.langfast.budget import (
    HOUR,
    BudgetUnknown,
    FileBudget,
    RedisBudget,
)
from tests.support.builders import free_port
from tests.support.clock import FakeClock
from tests.support.redis_server import running_redis

# --- in a file


def test_so_many_are_granted_within_an_hour_and_then_none(tmp_path: Path) -> None:
    budget = FileBudget(tmp_path / "b", 3, FakeClock())
    assert [budget.charge() for _ in range(3)] == [0.0] * 3
    assert budget.charge() == HOUR


def test_the_window_moves(tmp_path: Path) -> None:
    clock = FakeClock()
    budget = FileBudget(tmp_path / "b", 2, clock)
    budget.charge()
    clock.advance(600)
    budget.charge()
    clock.advance(600)
    assert budget.charge() == HOUR - 1200
    clock.advance(HOUR - 1200)
    assert budget.charge() == 0.0
    assert budget.charge() == 600


def test_a_refused_charge_costs_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    budget = FileBudget(tmp_path / "b", 1, clock)
    budget.charge()
    for _ in range(10):
        clock.advance(300)
        assert budget.charge() == pytest.approx(max(HOUR - (clock() - 1000), 1.0))
    clock.advance(HOUR - 3000)
    assert budget.charge() == 0.0


def test_the_wait_is_never_below_a_second(tmp_path: Path) -> None:
    clock = FakeClock()
    budget = FileBudget(tmp_path / "b", 1, clock)
    budget.charge()
    clock.advance(HOUR - 0.001)
    assert budget.charge() == 1.0


def test_a_budget_of_nothing_grants_nothing(tmp_path: Path) -> None:
    assert FileBudget(tmp_path / "b", 0, FakeClock()).charge() == HOUR


def test_a_lower_budget_than_before_counts_what_was_spent(tmp_path: Path) -> None:
    clock = FakeClock()
    generous = FileBudget(tmp_path / "b", 5, clock)
    for _ in range(5):
        generous.charge()
        clock.advance(10)
    assert FileBudget(tmp_path / "b", 2, clock).charge() == HOUR - 20


def test_a10_a_restart_forgets_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    assert FileBudget(tmp_path / "b", 1, clock).charge() == 0.0
    assert FileBudget(tmp_path / "b", 1, clock).charge() == HOUR


def test_a19_a_clock_that_jumps_back_grants_nothing_early(tmp_path: Path) -> None:
    clock = FakeClock(100_000.0)
    budget = FileBudget(tmp_path / "b", 1, clock)
    budget.charge()
    clock.advance(-7200)
    assert budget.charge() > HOUR
    clock.advance(7200)
    assert budget.charge() == HOUR


@pytest.mark.parametrize("length", range(1, 8))
def test_a20_a_file_that_was_cut_short_loses_its_broken_record_only(
    tmp_path: Path, length: int
) -> None:
    file = tmp_path / "b"
    file.write_bytes(struct.pack("<2d", 0.0, 1000.0) + b"\x01" * length)
    budget = FileBudget(file, 2, FakeClock())
    assert budget.charge() == 0.0
    assert budget.charge() == HOUR
    assert file.stat().st_size == 24  # the end of the rest, and two sign-ups


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 64,
        b'{"sign-ups": [1, 2, 3]}\n' * 3,
        struct.pack("<2d", float("nan"), 1000.0),
        struct.pack("<2d", 0.0, float("inf")),
        struct.pack("<2d", 1e300, 1000.0),
        struct.pack("<2d", 0.0, -1e300),
        random.Random(7).randbytes(4096),
    ],
    ids=["ones", "text", "nan", "inf", "huge", "negative", "random"],
)
def test_a20_a_file_of_something_else_is_set_aside_and_not_fatal(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "b"
    file.write_bytes(content)
    budget = FileBudget(file, 2, FakeClock(1.7e9))
    assert [budget.charge(), budget.charge()] == [0.0, 0.0]
    assert budget.charge() == HOUR
    assert (tmp_path / "b.broken").read_bytes() == content
    assert len(caplog.records) == 1


def test_a20_a_file_of_zeros_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(bytes(64))
    budget = FileBudget(tmp_path / "b", 1, FakeClock(1.7e9))
    assert (budget.charge(), budget.charge()) == (0.0, HOUR)


def test_a_file_that_nobody_touched_for_months_is_no_broken_one(tmp_path: Path) -> None:
    clock = FakeClock(1.7e9)
    FileBudget(tmp_path / "b", 1, clock).charge()
    clock.advance(200 * 86400)
    assert FileBudget(tmp_path / "b", 1, clock).charge() == 0.0
    assert not (tmp_path / "b.broken").exists()


def test_what_was_not_spent_is_given_back(tmp_path: Path) -> None:
    clock = FakeClock()
    budget = FileBudget(tmp_path / "b", 2, clock)
    for _ in range(20):
        assert budget.charge() == 0.0
        budget.give_back()
    budget.charge()
    clock.advance(100)
    budget.charge()
    budget.give_back()
    assert budget.charge() == 0.0
    assert budget.charge() == HOUR - 100


def test_nothing_is_given_back_where_nothing_was_spent(tmp_path: Path) -> None:
    budget = FileBudget(tmp_path / "b", 1, FakeClock())
    budget.rest(100)
    budget.give_back()
    assert budget.charge() == 100


def test_the_file_does_not_grow(tmp_path: Path) -> None:
    clock = FakeClock()
    budget = FileBudget(tmp_path / "b", 2, clock)
    for _ in range(100):
        budget.charge()
        clock.advance(1000)
    assert (tmp_path / "b").stat().st_size <= 24


def test_while_all_accounts_rest_nobody_signs_up(tmp_path: Path) -> None:
    clock = FakeClock()
    FileBudget(tmp_path / "b", 5, clock).rest(100)
    heir = FileBudget(tmp_path / "b", 5, clock)
    assert heir.charge() == 100
    heir.rest(10)
    clock.advance(60)
    assert heir.charge() == 40
    clock.advance(40)
    assert heir.charge() == 0


def test_a_store_that_cannot_be_written_is_no_proof_of_budget(tmp_path: Path) -> None:
    with pytest.raises(BudgetUnknown):
        FileBudget(tmp_path / "no" / "such" / "folder", 5).charge()
    with pytest.raises(BudgetUnknown):
        FileBudget(tmp_path, 5).charge()


def test_its_repr_is_one_line(tmp_path: Path) -> None:
    assert repr(FileBudget(tmp_path / "b", 5)) == "<FileBudget of 5 an hour>"


def test_many_threads_never_exceed_it(tmp_path: Path) -> None:
    granted: list[int] = []

    def charge() -> None:
        budget = FileBudget(tmp_path / "b", 20)
        granted.append(sum(budget.charge() == 0.0 for _ in range(10)))

    threads = [threading.Thread(target=charge) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 20


def _charge_in_a_process(path: Path, results: "multiprocessing.SimpleQueue[int]") -> None:
    budget = FileBudget(path, 20)
    results.put(sum(budget.charge() == 0.0 for _ in range(15)))


def test_a10_many_processes_never_exceed_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    workers = [
        context.Process(target=_charge_in_a_process, args=(tmp_path / "b", results))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(results.get() for _ in workers) == 20


# --- in Redis


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


def test_redis_grants_so_many_to_all_together(empty_redis: str) -> None:
    first, second = RedisBudget(empty_redis, 3), RedisBudget(empty_redis, 3)
    assert [first.charge(), second.charge(), first.charge()] == [0.0] * 3
    for budget in (first, second):
        assert HOUR - 5 < budget.charge() <= HOUR


def test_what_was_not_spent_is_given_back_to_redis(empty_redis: str) -> None:
    budget = RedisBudget(empty_redis, 2)
    for _ in range(5):
        assert budget.charge() == 0.0
        budget.give_back()
    assert [budget.charge(), budget.charge()] == [0.0, 0.0]
    assert budget.charge() > 0


def test_many_threads_never_exceed_the_budget_in_redis(empty_redis: str) -> None:
    granted: list[int] = []

    def charge() -> None:
        budget = RedisBudget(empty_redis, 10)
        granted.append(sum(budget.charge() == 0.0 for _ in range(5)))

    threads = [threading.Thread(target=charge) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 10


def test_a_budget_of_nothing_does_not_ask_redis() -> None:
    budget = RedisBudget(f"redis://127.0.0.1:{free_port()}/0", 0)
    budget.give_back()
    assert budget.charge() == HOUR


def test_a_redis_that_refuses_is_no_proof_of_budget_and_says_so_soon() -> None:
    budget = RedisBudget(f"redis://127.0.0.1:{free_port()}/0", 5)
    begun = time.monotonic()
    with pytest.raises(BudgetUnknown) as caught:
        budget.charge()
    assert time.monotonic() - begun < 0.6
    assert caught.value.__cause__ is not None
    with pytest.raises(BudgetUnknown):
        budget.give_back()


def test_a_redis_that_hangs_is_no_proof_of_budget_and_says_so_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        budget = RedisBudget(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", 5)
        begun = time.monotonic()
        with pytest.raises(BudgetUnknown):
            budget.charge()
        assert time.monotonic() - begun < 0.6


def test_a_password_of_redis_is_in_no_repr() -> None:
    assert repr(RedisBudget("redis://:pass-word@127.0.0.1:1/0", 5)) == "<RedisBudget>"
