"""Responses in one file that the workers of an instance share."""

import logging
import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from langfast_wsgi.dialects._service import Kept
from langfast_wsgi.dialects.responses.store import sqlite_store
from langfast_wsgi.dialects.responses.store.fault import StoreUnavailable
from langfast_wsgi.dialects.responses.store.record import LARGEST_SHARE
from langfast_wsgi.dialects.responses.store.sqlite_store import PATIENCE, SqliteStore
from tests.support.builders import ROOT, patched_python, wait_for

ROOM = 1024 * 1024
ALICE, BOB = "a" * 64, "b" * 64


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def response(number: int, text: str = "hi") -> dict[str, Any]:
    return {"id": response_id(number), "object": "response", "output": [{"text": text}]}


def response_id(number: int) -> str:
    return f"resp_{number:032x}"


ITEMS = [{"id": "msg_1", "type": "message", "role": "user", "content": "hällo 💬"}]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteStore]:
    with closing(SqliteStore(lambda: tmp_path, ROOM, 60.0, clock)) as one:
        yield one


@pytest.fixture
def another(tmp_path: Path, clock: Clock) -> Iterator[SqliteStore]:
    """As another worker has it."""
    with closing(SqliteStore(lambda: tmp_path, ROOM, 60.0, clock)) as one:
        yield one


def kept_at_last(store: SqliteStore, number: int) -> None:
    """After a failure nothing is kept for a moment."""

    def kept() -> bool:
        store.put(ALICE, response(number), ITEMS)
        with suppress(StoreUnavailable):
            return store.get(ALICE, response_id(number)) is not None
        return False

    wait_for(kept)


def assert_unavailable(read: Callable[[], object]) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        read()
    assert (caught.value.status, caught.value.code) == (503, "store_unavailable")
    assert caught.value.retry_after


# --- what is kept, and for whom ------------------------------------------------------------------


def test_what_was_put_is_found_as_it_was_also_by_another_worker(
    store: SqliteStore, another: SqliteStore
) -> None:
    store.put(ALICE, response(1, "\u2028 é 💬"), ITEMS)
    for one in (store, another):
        assert one.get(ALICE, response_id(1)) == Kept(response(1, "\u2028 é 💬"), ITEMS)
    assert store.keeps


def test_nobody_finds_or_deletes_what_is_another_owners(store: SqliteStore) -> None:
    store.put(ALICE, response(1), ITEMS)
    for owner in (BOB, "", ALICE.upper()):
        assert store.get(owner, response_id(1)) is None
        assert not store.delete(owner, response_id(1))
    assert store.get(ALICE, response_id(1))


def test_an_open_api_has_one_owner(store: SqliteStore) -> None:
    store.put("", response(1), ITEMS)
    assert store.get("", response_id(1))
    assert store.get(ALICE, response_id(1)) is None


def test_what_was_deleted_is_gone_for_all_workers(store: SqliteStore, another: SqliteStore) -> None:
    store.put(ALICE, response(1), ITEMS)
    assert another.delete(ALICE, response_id(1))
    assert not another.delete(ALICE, response_id(1))
    assert store.get(ALICE, response_id(1)) is None


@pytest.mark.parametrize(
    "name", ["", "resp_", "resp_" + "x" * 200, "resp_1\n", "resp_ä", "%", "' OR 1=1 --", "msg_1"]
)
def test_what_is_no_id_finds_nothing(store: SqliteStore, name: str) -> None:
    store.put(ALICE, response(1), ITEMS)
    assert store.get(ALICE, name) is None
    assert not store.delete(ALICE, name)


# --- bounds --------------------------------------------------------------------------------------


def test_nothing_is_found_after_its_time(store: SqliteStore, clock: Clock) -> None:
    store.put(ALICE, response(1), ITEMS)
    clock.now += 59
    assert store.get(ALICE, response_id(1))
    clock.now += 2
    assert store.get(ALICE, response_id(1)) is None
    assert not store.delete(ALICE, response_id(1))


def test_what_is_too_old_is_removed_with_the_next_put(
    store: SqliteStore, clock: Clock, tmp_path: Path
) -> None:
    store.put(ALICE, response(1, "canary-of-the-first" * 2000), ITEMS)
    clock.now += 61
    store.put(ALICE, response(2), ITEMS)
    with closing(sqlite3.connect(tmp_path / "responses")) as database:
        assert database.execute("SELECT id FROM kept").fetchall() == [(response_id(2),)]
    store.close()  # which writes the log into the file
    assert b"canary-of-the-first" not in (tmp_path / "responses").read_bytes()


def test_the_oldest_go_first_and_no_more_of_them_than_must(store: SqliteStore) -> None:
    size = ROOM // LARGEST_SHARE - 1000
    for number in range(20):
        store.put(ALICE, response(number, "x" * size), ITEMS)
    there = [number for number in range(20) if store.get(ALICE, response_id(number))]
    assert there == list(range(20 - len(there), 20))
    assert LARGEST_SHARE - 1 <= len(there) <= LARGEST_SHARE


def test_the_file_never_outgrows_its_room(store: SqliteStore, tmp_path: Path) -> None:
    chosen = random.Random(1)
    for number in range(1500):
        size = round(10 ** chosen.uniform(1, 5.05))
        store.put(ALICE, response(number, "x" * size), ITEMS)
        assert store.get(ALICE, response_id(number)), size
    store.close()
    assert ROOM * 0.8 < (tmp_path / "responses").stat().st_size <= ROOM


def test_what_takes_too_large_a_share_is_not_kept_and_pushes_nothing_out(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store.put(ALICE, response(1), ITEMS)
    store.put(ALICE, response(2, "x" * (ROOM // LARGEST_SHARE)), ITEMS)
    assert store.get(ALICE, response_id(1))
    assert store.get(ALICE, response_id(2)) is None
    assert "too large to be kept" in caplog.text


def test_what_is_no_json_is_not_kept(store: SqliteStore) -> None:
    """Which is nobody else's business: the store goes on as it was."""
    store.put(ALICE, {**response(1), "metadata": {"a": 2**70}}, ITEMS)
    assert store.get(ALICE, response_id(1)) is None
    store.put(ALICE, response(2), ITEMS)
    assert store.get(ALICE, response_id(2)) is not None


# --- several processes ---------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from langfast_wsgi.dialects.responses.store.fault import StoreUnavailable
from langfast_wsgi.dialects.responses.store.sqlite_store import SqliteStore

folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = SqliteStore(lambda: folder, 4 << 20, 3600)


def is_kept(name):
    try:
        return store.get("me", name) is not None
    except StoreUnavailable:
        return False


print("begun", flush=True)
for number in range(first, first + count):
    name = f"resp_{number:032x}"
    while not is_kept(name):  # one that met the other for too long is not kept
        store.put("me", {"id": name, "output": [number] * 100}, [{"id": str(number)}])
"""


def writer(folder: Path, first: int, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_at_once_and_each_response_is_whole(tmp_path: Path) -> None:
    processes = [writer(tmp_path, first, 500) for first in (0, 500)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["begun\n"] * 2
    with closing(SqliteStore(lambda: tmp_path, 4 << 20, 3600)) as store:
        for number in range(1000):
            assert store.get("me", response_id(number)) == Kept(
                {"id": response_id(number), "output": [number] * 100}, [{"id": str(number)}]
            )


def test_a_process_that_is_killed_while_it_writes_leaves_a_file_that_serves(
    tmp_path: Path, store: SqliteStore
) -> None:
    for round_number in range(5):
        process = writer(tmp_path, 1000 * round_number, 10**6)
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        time.sleep(random.Random(round_number).uniform(0.01, 0.1))
        process.kill()
        process.communicate(timeout=10)
        kept_at_last(store, 10**8 + round_number)
    with closing(sqlite3.connect(tmp_path / "responses")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_child_opens_the_file_for_itself_and_leaves_its_parents_alone(store: SqliteStore) -> None:
    store.put(ALICE, response(1), ITEMS)
    child = os.fork()
    if child == 0:
        found = store.get(ALICE, response_id(1)) is not None
        own = store._opened is not None and store._opened.process == os.getpid()
        store.put(ALICE, response(2), ITEMS)
        os._exit(0 if found and own else 1)
    assert os.waitpid(child, 0)[1] == 0
    store.put(ALICE, response(3), ITEMS)
    assert all(store.get(ALICE, response_id(number)) for number in (1, 2, 3))


def test_it_serves_greenlets_as_well(tmp_path: Path) -> None:
    script = f"""
import gevent
from pathlib import Path
from langfast_wsgi.dialects.responses.store.sqlite_store import SqliteStore
store = SqliteStore(lambda: Path({str(tmp_path)!r}), 1 << 20, 60)
def one(number):
    name = f"resp_{{number:032x}}"
    store.put("me", {{"id": name}}, [])
    return store.get("me", name) is not None
jobs = [gevent.spawn(one, number) for number in range(100)]
gevent.joinall(jobs)
print(sum(job.value for job in jobs))
"""
    assert patched_python(textwrap.dedent(script)) == "100\n"


# --- what goes wrong -----------------------------------------------------------------------------


def test_another_worker_that_writes_for_long_is_waited_for_once_and_shortly(
    store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(ALICE, response(1), ITEMS)
    with closing(sqlite3.connect(tmp_path / "responses", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for number in range(2, 100):
            store.put(ALICE, response(number), ITEMS)
            assert store.get(ALICE, response_id(1))  # who reads never waits
        assert time.monotonic() - began < 98 * PATIENCE / 2
        other.execute("ROLLBACK")
    kept_at_last(store, 200)
    assert caplog.text.count("responses are not kept at the moment: SQLITE_BUSY") == 1


def test_a_delete_that_cannot_be_done_is_not_said_to_be(store: SqliteStore, tmp_path: Path) -> None:
    store.put(ALICE, response(1), ITEMS)
    with closing(sqlite3.connect(tmp_path / "responses", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            store.delete(ALICE, response_id(1))
        other.execute("ROLLBACK")
    assert store.delete(ALICE, response_id(1))


def test_a_file_that_is_none_of_ours_is_replaced(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "responses").touch(0o600)
    (tmp_path / "responses").write_bytes(b"no database" * 1000)
    store.put(ALICE, response(1), ITEMS)
    assert store.get(ALICE, response_id(1))


def test_a_file_that_breaks_is_replaced_for_all_workers(
    store: SqliteStore, another: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        store.put(ALICE, response(number, "x" * 20_000), ITEMS)
    assert another.get(ALICE, response_id(49))
    store.close()
    another.close()
    with open(tmp_path / "responses", "r+b") as file:
        file.seek(4096)  # its first page says that it is a database
        file.write(os.urandom(100 * 4096))
    store.put(ALICE, response(60), ITEMS)
    with suppress(StoreUnavailable):
        another.get(ALICE, response_id(49))
    kept_at_last(store, 61)
    assert another.get(ALICE, response_id(61))
    assert "responses are not kept at the moment: SQLITE_CORRUPT" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("gone", [["responses"], ["responses", "responses-wal", "responses-shm"]])
def test_a_file_that_was_taken_away_is_begun_anew_and_all_workers_see_that(
    store: SqliteStore, another: SqliteStore, tmp_path: Path, gone: list[str]
) -> None:
    store.put(ALICE, response(1), ITEMS)
    assert another.get(ALICE, response_id(1))
    for name in gone:
        (tmp_path / name).unlink()
    kept_at_last(store, 2)
    assert another.get(ALICE, response_id(2))
    assert another.get(ALICE, response_id(1)) is None


def test_without_a_folder_nothing_is_kept_and_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(SqliteStore(lambda: tmp_path / "none", ROOM, 60.0)) as store:
        for number in range(20):
            store.put(ALICE, response(number), ITEMS)
            assert_unavailable(lambda: store.get(ALICE, response_id(1)))
        assert_unavailable(lambda: store.delete(ALICE, response_id(1)))
    assert caplog.text.count("responses are not kept at the moment: FileNotFoundError") == 1


def test_on_a_full_disk_nothing_more_is_kept_and_what_was_is_found(tmp_path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
from langfast_wsgi.dialects.responses.store.sqlite_store import SqliteStore
store = SqliteStore(lambda: Path({str(tmp_path)!r}), 1 << 20, 60)

def put(number, size=50_000):
    store.put("me", {{"id": f"resp_{{number}}", "text": "x" * size}}, [])
    return store.get("me", f"resp_{{number}}") is not None

assert put(1)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
assert not put(2)
assert not put(3)
assert store.get("me", "resp_1")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
while not put(4):
    pass
assert store.get("me", "resp_1")
print("served")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.returncode) == ("served\n", 0), done.stderr
    assert done.stderr.count("responses are not kept at the moment") == 1


def test_who_comes_while_another_begins_the_file_waits_shortly(
    store: SqliteStore, tmp_path: Path
) -> None:
    with sqlite_store._alone(tmp_path / "responses"):
        began = time.monotonic()
        store.put(ALICE, response(1), ITEMS)
        for _ in range(100):
            assert_unavailable(lambda: store.get(ALICE, response_id(1)))
        assert time.monotonic() - began < 100 * PATIENCE / 2
    kept_at_last(store, 2)


# --- privacy -------------------------------------------------------------------------------------


def test_only_the_owner_of_the_process_can_read_the_files(
    store: SqliteStore, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        store.put(ALICE, response(1), ITEMS)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes) == {"responses", "responses-wal", "responses-shm", "responses-lock"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("plant", [lambda path: path.touch(0o644), lambda path: path.mkdir()])
def test_a_file_that_others_could_read_is_not_written_to(
    store: SqliteStore, tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    plant(tmp_path / "responses")
    store.put(ALICE, response(1), ITEMS)
    assert_unavailable(lambda: store.get(ALICE, response_id(1)))
    assert not (tmp_path / "responses").is_file() or not (tmp_path / "responses").stat().st_size


def test_a_link_is_not_followed(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch(0o600)
    (tmp_path / "responses").symlink_to(tmp_path / "elsewhere")
    store.put(ALICE, response(1), ITEMS)
    assert (tmp_path / "elsewhere").stat().st_size == 0


def test_its_repr_says_nothing_of_what_it_holds(store: SqliteStore) -> None:
    store.put(ALICE, response(1, "canary"), ITEMS)
    assert repr(store) == f"<SqliteStore of {ROOM} bytes>"
