"""Responses in one SQLite file that all workers of an instance share.

House rules: a call of SQLite holds up the whole worker, so each is short, and nobody waits for the
other workers longer than ``PATIENCE``. What cannot be written is as good as not kept; where nothing
can be read, that is said. The file is never larger than the room, but for its log (``-wal``), which
is a mebibyte, or the largest response.

It is written to memory where there is such a folder, and nothing is ever synced to a disk: the file
need not outlive the machine. It does outlive workers, however they end. Where it is broken or taken
away, whoever notices begins a new one, and the others see that theirs is no longer the one.
"""

import fcntl
import logging
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langfast_wsgi.dialects._service import Kept
from langfast_wsgi.dialects.responses.store.fault import unavailable
from langfast_wsgi.dialects.responses.store.record import CannotBeKept, is_id, pack, unpack
from langfast_wsgi.dialects.responses.store.rest import Rest

log = logging.getLogger(__name__)

PATIENCE = 0.04
REST = 0.5
PAGE = 4096
_NAME = "responses"
_BESIDE = (f"{_NAME}-wal", f"{_NAME}-shm")  # SQLite's own
_SLACK = 8 * PAGE  # pages that are only begun, and the index
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SCHEMA = f"""
PRAGMA page_size = {PAGE};
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA secure_delete = ON;
PRAGMA wal_autocheckpoint = 256;
PRAGMA journal_size_limit = 1048576;
CREATE TABLE IF NOT EXISTS kept (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    made REAL NOT NULL,
    content BLOB NOT NULL
);
"""
_READ = "SELECT content FROM kept WHERE id = ? AND owner = ? AND made > ?"
_DELETE = "DELETE FROM kept WHERE id = ? AND owner = ? AND made > ? RETURNING id"


@dataclass(frozen=True, slots=True)
class _Opened:
    """A connection, with the file and the process that it was opened for."""

    database: sqlite3.Connection
    path: Path
    file: int
    process: int

    def is_current(self) -> bool:
        """Whether this process opened it, and the file is still the one in its place."""
        return self.process == os.getpid() and self.file == _file(self.path)


class SqliteStore:
    """The instance's own store: at most ``room`` bytes, none older than ``age`` seconds.

    ``folder`` is asked for when it is first needed, which is after the fork.
    """

    keeps = True

    def __init__(
        self,
        folder: Callable[[], Path],
        room: int,
        age: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._room = room
        self._age = age
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._abandoned: list[_Opened] = []
        self._rest = Rest(REST)

    def __repr__(self) -> str:
        return f"<SqliteStore of {self._room} bytes>"

    def put(self, owner: str, response: dict[str, Any], items: list[dict[str, Any]]) -> None:
        """See Store."""
        if self._rest:
            return
        try:
            content = pack(response, items, self._room)
            with self._used() as database:
                self._add(database, (response["id"], owner, self._clock(), content))
        except CannotBeKept as error:
            log.info("a response %s", error)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def get(self, owner: str, response_id: str) -> Kept | None:
        """See Store. Raises StoreUnavailable: what is kept must not be taken for gone."""
        found = self._asked(_READ, owner, response_id)
        return unpack(found[0][0]) if found else None

    def delete(self, owner: str, response_id: str) -> bool:
        """See Store. Raises StoreUnavailable: who is told that it is gone must be able to rely."""
        return bool(self._asked(_DELETE, owner, response_id))

    def close(self) -> None:
        """Give the file back; may be called twice. The next call opens it again."""
        opened, self._opened = self._opened, None
        if opened is None:
            return
        if opened.process == os.getpid():
            opened.database.close()
        else:
            self._abandoned.append(opened)  # closing it would touch what the parent still uses

    def _asked(self, query: str, owner: str, response_id: str) -> list[Any]:
        """After a failure the file is not opened at once. One that is open can be read."""
        if not is_id(response_id):
            return []
        if self._opened is None and self._rest:
            raise unavailable()
        try:
            with self._used() as database:
                oldest = self._clock() - self._age
                return database.execute(query, (response_id, owner, oldest)).fetchall()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            raise unavailable() from error

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            opened = self._opened
            if opened is None or not opened.is_current():
                self.close()
                opened = self._opened = _open(self._folder() / _NAME)
            yield opened.database

    def _add(self, database: sqlite3.Connection, row: tuple[str, str, float, bytes]) -> None:
        database.execute("BEGIN IMMEDIATE")
        try:
            self._make_room(database, len(row[3]))
            database.execute(
                "INSERT OR REPLACE INTO kept (id, owner, made, content) VALUES (?, ?, ?, ?)", row
            )
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _make_room(self, database: sqlite3.Connection, size: int) -> None:
        """Remove what is too old, and as many of the oldest as are in the way."""
        expired = self._clock() - self._age
        pages, free = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count")
        )
        excess = (pages - free) * PAGE + size + _SLACK - self._room
        last = None
        rows = database.execute("SELECT number, made, length(content) FROM kept ORDER BY number")
        with closing(rows):
            for number, made, length in rows:
                if excess <= 0 and made > expired:
                    break
                last = number
                excess -= length
        if last is not None:
            database.execute("DELETE FROM kept WHERE number <= ?", (last,))

    def _failed(self, error: Exception) -> None:
        """Where there is no room, or no turn, what is kept can be read on; else begin anew."""
        self._rest.begin(getattr(error, "sqlite_errorname", type(error).__name__))
        if _code(error) in _PASSING:
            return
        with self._lock:
            if _code(error) in _BROKEN and self._opened is not None:
                _discard(self._opened)
            self.close()


def _code(error: Exception) -> int:
    """SQLite's word for it, without the finer distinctions; 0 where it is not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _open(path: Path) -> _Opened:
    """Open the file, made if need be. Raises sqlite3.Error, OSError."""
    with _alone(path):
        try:
            return _opened(path)
        except sqlite3.DatabaseError as error:
            if _code(error) not in _BROKEN:
                raise
            _remove(path, _NAME, *_BESIDE)
            return _opened(path)


def _opened(path: Path) -> _Opened:
    try:
        # A file that is there is not opened here: closing it would take SQLite's locks away.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _remove(path, *_BESIDE)
    except FileExistsError:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise
    database = sqlite3.connect(
        path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
    )
    try:
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return _Opened(database, path, _file(path), os.getpid())


def _file(path: Path) -> int:
    """Which file it is; 0 where there is none."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _discard(opened: _Opened) -> None:
    """Remove a broken file, unless somebody else did so and began a new one."""
    try:
        with _alone(opened.path):
            if opened.is_current():
                _remove(opened.path, _NAME, *_BESIDE)
    except OSError:
        pass  # whoever needs it next will try


def _remove(path: Path, *names: str) -> None:
    for name in names:
        path.with_name(name).unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While a file is begun or removed. Raises OSError where others take too long."""
    lock = os.open(path.with_name(f"{_NAME}-lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.001)
        yield
    finally:
        os.close(lock)
