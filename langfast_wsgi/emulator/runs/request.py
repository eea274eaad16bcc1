"""The body of a start request, checked."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from langfast_wsgi.emulator.runs.refusals import StartRefusal


@dataclass(frozen=True, slots=True)
class Start:
    """What a start request asks for."""

    run_id: str
    created_by: str
    prompt_meta: Mapping[str, Any]
    model: str
    messages: Sequence[Mapping[str, Any]]
    size: int


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False


def _wanted(right: bool, what: str) -> None:
    if not right:
        raise StartRefusal(400, f"{what}.")


def parsed(body: bytes) -> Start:
    """The start that a body asks for; raises StartRefusal with a clear sentence."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise StartRefusal(400, f"The body is not JSON: {error}.") from error
    _wanted(isinstance(read, dict), "The body must be an object")
    for name in ("run_id", "created_by"):
        _wanted(_is_uuid(read.get(name)), f"{name} must be a UUID")
    _wanted(bool(read.get("prompt_id")), "prompt_id is missing")  # any will do
    _wanted(isinstance(read.get("test_cases"), list), "test_cases must be a list")
    meta = read.get("prompt_meta")
    _wanted(isinstance(meta, dict), "prompt_meta must be an object")
    model, messages = meta.get("model"), meta.get("messages")
    _wanted(isinstance(model, str) and model != "", "prompt_meta.model must be a text")
    _wanted(isinstance(messages, list) and messages != [], "prompt_meta.messages must be a list")
    for index, message in enumerate(messages):
        good = isinstance(message, dict) and isinstance(message.get("role"), str)
        _wanted(good, f"prompt_meta.messages[{index}] must be an object with a role")
    return Start(read["run_id"], read["created_by"], meta, model, messages, len(body))
