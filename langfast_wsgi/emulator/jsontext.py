"""JSON as Node writes it: UTF-8 as it is, and half a surrogate pair as an escape."""

import json

import orjson


def encoded(value: object) -> bytes:
    """The value as JSON."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        # For a lone surrogate Python's backslash notation is JSON's.
        return text.encode("utf-8", "backslashreplace")
