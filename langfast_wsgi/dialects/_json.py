"""A request's bytes to a JSON object, or a 400 in OpenAI's words.

Everything later works on what comes out of here, so whatever could not be written as JSON again is
refused: NaN and infinite numbers, lone surrogates, anything but UTF-8, nesting without end. Where a
key stands twice, the last one wins.
"""

import re
from typing import Any

import orjson

from langfast_wsgi.errors import BadRequest

MAX_DEPTH = 64
MAX_NODES = 50_000  # arrays and objects; millions would hold up the whole worker
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

_UNREADABLE = "We could not parse the JSON body of your request."


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that the body holds."""
    # Counting bytes is a scan at memory speed; nearly every body is done with it.
    nodes = _nodes(body)
    if nodes > MAX_NODES and _nodes(_STRING.sub(b"", body)) > MAX_NODES:
        raise _too_deep()
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # orjson tells this limit, far above ours, by its message only.
        if "depth" in error.msg or "Recursion" in error.msg:
            raise _too_deep() from None
        raise _unreadable(f"what was sent is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise _unreadable("the API expects a JSON object, but another JSON value was sent")
    if nodes > MAX_DEPTH and _is_too_deep(value):
        raise _too_deep()
    return value


def _nodes(body: bytes) -> int:
    """Arrays and objects at the most: those in texts are counted, too."""
    return body.count(b"{") + body.count(b"[")


def _is_too_deep(value: dict[str, Any]) -> bool:
    """Walk down level by level: recursion is what this protects from."""
    level: list[dict[str, Any] | list[Any]] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _unreadable(hint: str) -> BadRequest:
    return BadRequest(f"{_UNREADABLE} (HINT: {hint}.)", code=None)


def _too_deep() -> BadRequest:
    return _unreadable(
        f"arrays and objects may be nested {MAX_DEPTH} levels deep at the most, and be {MAX_NODES}"
    )
