"""Which store there is, by the settings."""

from collections.abc import Callable
from pathlib import Path

from langfast_wsgi.dialects._service import KeepsNothing, Store
from langfast_wsgi.dialects.responses.store.redis_store import RedisStore
from langfast_wsgi.dialects.responses.store.sqlite_store import SqliteStore
from langfast_wsgi.settings import Settings


def choose(settings: Settings, folder: Callable[[], Path]) -> Store:
    """The store of this process. ``folder`` is shared by all workers, and asked for when needed."""
    room, age = settings.response_store_bytes, settings.response_store_seconds
    if not room:
        return KeepsNothing()
    url = settings.redis_url.get_secret_value()
    return RedisStore(url, room, age) if url else SqliteStore(folder, room, age)
