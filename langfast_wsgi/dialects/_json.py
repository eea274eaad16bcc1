"""A request's bytes to a JSON object, or a 400 in OpenAI's words.

Everything later works on what comes out of here, so whatever could not be written as JSON again is
refused: NaN and infinite numbers, lone surrogates, anything but UTF-8, nesting without end. Where a
key stands twice, the last one wins.
"""

from typing import Any

import orjson

from langfast_wsgi.errors import BadRequest

MAX_DEPTH = 64
# Millions would hold up the whole worker.
MAX_NODES = 50_000  # arrays and objects
MAX_VALUES = 250_000  # that have another behind them

_UNREADABLE = "We could not parse the JSON body of your request."


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that the body holds."""
    # Counting bytes is a scan at memory speed; nearly every body is done with it.
    if _is_too_much(body) and _is_too_much(_without_texts(body)):
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
    if _nodes(body) > MAX_DEPTH and _is_too_deep(value):
        raise _too_deep()
    return value


def nodes_in(body: bytes) -> int:
    """Arrays and objects in a JSON text, those that are spelled in its texts left out."""
    return _nodes(_without_texts(body))


def _is_too_much(body: bytes) -> bool:
    return _nodes(body) > MAX_NODES or body.count(b",") > MAX_VALUES


def _without_texts(body: bytes) -> bytes:
    """What stands between the texts. In steps that are linear whatever is sent, also in no JSON:
    a pattern for texts would begin anew at each quotation mark of one without an end.
    """
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"")
    # More texts than there may be values: no need to take them apart.
    if plain.count(b'"') > 4 * (MAX_VALUES + MAX_NODES):
        raise _too_deep()
    return b"".join(plain.split(b'"')[::2])


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
        f"arrays and objects may be nested {MAX_DEPTH} levels deep at the most, be {MAX_NODES}, and"
        f" hold {MAX_VALUES} values"
    )
