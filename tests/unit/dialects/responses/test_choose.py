"""Which store the settings ask for."""

from pathlib import Path
from typing import Any

import pytest

from langfast_wsgi.dialects._service import KeepsNothing
from langfast_wsgi.dialects.responses.store.choose import choose
from langfast_wsgi.dialects.responses.store.redis_store import RedisStore
from langfast_wsgi.dialects.responses.store.sqlite_store import SqliteStore
from langfast_wsgi.settings import Settings


def not_now() -> Path:
    raise AssertionError("the folder is asked for when it is needed")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, SqliteStore),
        ({"redis_url": "redis://127.0.0.1:1/0"}, RedisStore),
        ({"response_store_bytes": 0}, KeepsNothing),
        ({"response_store_bytes": 0, "redis_url": "redis://127.0.0.1:1/0"}, KeepsNothing),
    ],
)
def test_it_is_a_file_or_redis_or_none(settings: dict[str, Any], kind: type) -> None:
    assert type(choose(Settings(_env_file=None, **settings), not_now)) is kind
