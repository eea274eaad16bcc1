"""Responses in Redis or Valkey: all instances share them, and they outlive restarts.

Where it does not answer, nothing is kept, and whoever asks for a response hears that it cannot be
reached: one that is kept must not be taken for one that is gone. Waiting for Redis holds up no
other request.
"""

import logging
from typing import Any

from langfast_wsgi.dialects._service import Kept
from langfast_wsgi.dialects.responses.store.fault import unavailable
from langfast_wsgi.dialects.responses.store.record import CannotBeKept, is_id, pack, unpack
from langfast_wsgi.dialects.responses.store.rest import Rest

log = logging.getLogger(__name__)

PATIENCE = 0.25
REST = 1.0
_ONE = "langfast:response:{owner}:{id}"
_ORDER = "langfast:responses:order"
_BYTES = "langfast:responses:bytes"
_OVERHEAD = 512  # of Redis itself, for a key and its place in the order

# One step, so that the sum is right whoever else writes. The list holds what is kept, oldest first;
# those that expired or were deleted count until it is their turn.
_KEEP = """
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('RPUSH', KEYS[2], ARGV[3] .. ' ' .. KEYS[1])
local sum = redis.call('INCRBY', KEYS[3], ARGV[3])
while sum > tonumber(ARGV[4]) do
    local oldest = redis.call('LPOP', KEYS[2])
    if not oldest then
        redis.call('SET', KEYS[3], 0)
        break
    end
    local size, key = string.match(oldest, '^(%d+) (.*)$')
    redis.call('UNLINK', key)
    sum = redis.call('DECRBY', KEYS[3], size)
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
"""


class RedisStore:
    """At most ``room`` bytes for all instances together, none older than ``age`` seconds."""

    keeps = True

    def __init__(self, url: str, room: int, age: float) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        # Whatever the library's own defaults are: they have been a minute, and several tries.
        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        self._keep = self._redis.register_script(_KEEP)
        self._room = room
        self._age = max(int(age * 1000), 1)
        self._rest = Rest(REST)

    def __repr__(self) -> str:
        return "<RedisStore>"

    def put(self, owner: str, response: dict[str, Any], items: list[dict[str, Any]]) -> None:
        """See Store."""
        if self._rest:
            return
        try:
            content = pack(response, items, self._room)
            keys = [_ONE.format(owner=owner, id=response["id"]), _ORDER, _BYTES]
            self._keep(keys, [content, self._age, len(content) + _OVERHEAD, self._room])
        except CannotBeKept as error:
            log.info("a response %s", error)
        except Exception as error:  # whatever its client raises means the same
            self._failed(error)

    def get(self, owner: str, response_id: str) -> Kept | None:
        """See Store. Raises StoreUnavailable."""
        content = self._asked("get", owner, response_id)
        return unpack(content) if content else None

    def delete(self, owner: str, response_id: str) -> bool:
        """See Store. Raises StoreUnavailable."""
        return bool(self._asked("unlink", owner, response_id))

    def _asked(self, command: str, owner: str, response_id: str) -> Any:
        if not is_id(response_id):
            return None
        if self._rest:
            raise unavailable()
        try:
            return getattr(self._redis, command)(_ONE.format(owner=owner, id=response_id))
        except Exception as error:
            self._failed(error)
            raise unavailable() from error

    def _failed(self, error: Exception) -> None:
        """Its own words may name the address, so only their kind is told."""
        self._rest.begin(f"Redis: {type(error).__name__}")
