"""A kept response as bytes."""

import re
from typing import Any

import orjson

from langfast_wsgi.dialects._service import Kept

LARGEST_SHARE = 8
LARGEST = 4 * 1024 * 1024
"""A response that is larger is not kept: writing it would hold up everybody else's request."""

_ID = re.compile(r"resp_[0-9A-Za-z_-]{1,120}")


class CannotBeKept(Exception):
    """This response, whatever the state of the store; says why."""


def is_id(text: str) -> bool:
    """Whether a response could have this id; what callers write may be anything."""
    return _ID.fullmatch(text) is not None


def pack(response: dict[str, Any], items: list[dict[str, Any]], room: int) -> bytes:
    """Raises CannotBeKept.

    One response may take no more than a share of the room, so that it does not push out all.
    """
    try:
        content = orjson.dumps({"response": response, "items": items})
    except TypeError as error:  # JSON that is none, such as a number beyond 64 bits
        raise CannotBeKept("holds JSON that is none, so it cannot be kept") from error
    if len(content) > min(room // LARGEST_SHARE, LARGEST):
        raise CannotBeKept("is too large to be kept: see RESPONSE_STORE_BYTES")
    return content


def unpack(content: bytes) -> Kept | None:
    """None where somebody else wrote it."""
    try:
        found = orjson.loads(content)
        return Kept(found["response"], found["items"])
    except (ValueError, KeyError, TypeError):
        return None
