"""A response's own input items as they are kept: each whole, and with an id."""

from collections.abc import Mapping, Sequence
from typing import Any

from langfast_wsgi.dialects.responses.ids import OWN_INPUT, item_id

_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco"}
_FIELDS = {
    "message": ("role",),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
}


def kept_items(given: Sequence[Mapping[str, Any]], response_id: str) -> list[dict[str, Any]]:
    """The items in one form, whatever form they came in, without what the model did not get."""
    return [
        _kept(item, kind, item_id(_PREFIXES[kind], response_id, OWN_INPUT + number))
        for number, item in enumerate(given)
        if (kind := item.get("type") or "message") in _PREFIXES
    ]


def _kept(item: Mapping[str, Any], kind: str, identity: str) -> dict[str, Any]:
    said = {name: item[name] for name in _FIELDS[kind]}
    if kind == "message":
        said["content"] = _parts(item["content"], item["role"])
    return {"id": item.get("id") or identity, "type": kind, "status": "completed", **said}


def _parts(content: str | list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    is_output = role == "assistant"
    parts = content
    if isinstance(parts, str):
        parts = [{"type": "output_text" if is_output else "input_text", "text": parts}]
    return [_of_output(part) for part in parts] if is_output else parts


def _of_output(part: dict[str, Any]) -> dict[str, Any]:
    """A text of the model's bears annotations, of which there are none."""
    return {"annotations": [], "logprobs": [], **part} if part["type"] == "output_text" else part
