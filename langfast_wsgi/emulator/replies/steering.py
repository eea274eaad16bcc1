"""Steering: a user message that is a JSON object with known keys says what to reply.

It steers the turn that it ends. With a list of texts it steers the turns behind it as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import orjson

from langfast_wsgi.emulator.faults.names import ALL_FAULTS
from langfast_wsgi.emulator.faults.switchboard import GARBLED
from langfast_wsgi.emulator.replies.conversation import (
    Message,
    ends_in_tool_result,
    last_user_text,
    text_of,
)
from langfast_wsgi.emulator.replies.reply import SAMPLE, Details, Reply
from langfast_wsgi.emulator.shapes import (
    COUNT,
    FLAG,
    INDEX,
    LINE,
    OBJECT,
    SECONDS,
    TEXT,
    TEXTS,
    WAIT,
    Kind,
    Table,
    checked,
    one_of,
    some_of,
)

# Any one of these makes a JSON object a steering message.
MARKS = ("text", "chunks", "interval", "delay", "finish_reason", "fault")

_STATUS = Kind("a status", lambda value: isinstance(value, int | str))
_REASON = Kind("a text or null", lambda value: value is None or isinstance(value, str))

PACE: Table = {
    "chunks": COUNT,
    "interval": SECONDS,
    "delay": SECONDS,
    "finish_reason": _REASON,
}
FAULTS: Table = {
    "fault": some_of(ALL_FAULTS),
    "at": INDEX,
    "status": _STATUS,
    "code": TEXT,
    "message": TEXT,
    "retry_after": WAIT,
    "seconds": SECONDS,
    "size": COUNT,
    "location": LINE,
    "body": one_of(GARBLED),
    "change": OBJECT,
    "times": COUNT,
    "ran": FLAG,
}
# A nonce changes nothing: it names the request in the history.
TABLE: Table = {"text": TEXTS, "nonce": TEXT, **PACE, **FAULTS}
_LABEL = 200  # characters
_DETAILS = frozenset(field.name for field in fields(Details))


def applied(reply: Reply, given: Mapping[str, Any]) -> Reply:
    """A reply with the given, already checked, fields in place of its own."""
    names = given.get("fault", [])
    faults = frozenset([names] if isinstance(names, str) else names)
    pace = {key: given[key] for key in ("text", *PACE) if key in given}
    details = {key: value for key, value in given.items() if key in _DETAILS}
    if not faults and not details:
        return replace(reply, **pace)
    return replace(reply, **pace, faults=faults, details=Details(**details))


def steered(reply: Reply, messages: Sequence[Message]) -> Reply | None:
    """The reply as a user's message wants it; raises BadShape for a value of no use.

    None where nobody steers.
    """
    found = _steering(messages)
    if found is None:
        return None
    given, turn = found
    checked(given, TABLE, "steering")
    texts = given.get("text")
    if isinstance(texts, list):
        given = {**given, "text": texts[min(turn, len(texts) - 1)]}
    # Nobody wants the steering itself read out; a model with words of its own keeps them.
    said = replace(reply, text=SAMPLE) if reply.text == last_user_text(messages) else reply
    return applied(said, given)


def label(last_user_text: str) -> str:
    """What tells a request from others: its nonce, else how the user's message begins."""
    nonce = (_object(last_user_text) or {}).get("nonce")
    return nonce if isinstance(nonce, str) else last_user_text[:_LABEL]


def _steering(messages: Sequence[Message]) -> tuple[Mapping[str, Any], int] | None:
    """The newest message that steers this turn, and how many turns lie between."""
    turn, was_tool = 0, False
    for message in reversed(messages):
        is_tool = ends_in_tool_result([message])
        if is_tool and not was_tool:
            turn += 1
        was_tool = is_tool
        if message.get("role") != "user":
            continue
        given = _object(text_of(message))
        if given is not None and any(mark in given for mark in MARKS):
            return (given, turn) if turn == 0 or isinstance(given.get("text"), list) else None
        turn += 1
    return None


def _object(text: str) -> Mapping[str, Any] | None:
    # Most messages are prose; do not parse those.
    if not text.lstrip().startswith("{"):
        return None
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return read if isinstance(read, dict) else None
