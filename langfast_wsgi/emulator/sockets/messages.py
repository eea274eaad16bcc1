"""Socket.IO packets: parsing what clients send, putting binary parts back, encoding. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from langfast_wsgi.emulator.jsontext import encoded as json_text
from langfast_wsgi.emulator.sockets.packets import MESSAGE

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
DEFAULT = "/"  # the namespace that goes without saying

_FORM = re.compile(
    r"(?:(?P<kind>[0-4])|(?P<binary>[56])(?P<count>\d+)-)"
    r"(?:(?P<namespace>/[^,]*),?)?(?P<id>\d+)?(?P<data>.*)",
    re.DOTALL | re.ASCII,
)
# Names that the clients and servers emit to themselves.
_RESERVED = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
_MOST_ATTACHMENTS = 10
_NOTHING = object()


class BadMessage(Exception):
    """No packet of this protocol."""


@dataclass(slots=True)
class Message:
    """One packet; a binary event is an event whose data has bytes in it."""

    kind: int
    namespace: str = DEFAULT
    id: int | None = None
    data: Any = None


@dataclass(slots=True)
class _Incomplete:
    message: Message
    wanted: int
    attachments: list[bytes] = field(default_factory=list)


class Decoder:
    """Turns what one client sends into messages, in its order."""

    def __init__(self) -> None:
        self._incomplete: _Incomplete | None = None

    def add(self, received: str | bytes) -> Message | None:
        """The message that is complete now, if one is; raises BadMessage."""
        if isinstance(received, bytes):
            return self._attached(received)
        if self._incomplete is not None:
            raise BadMessage("a text where an attachment was due")
        message, attachments = _parsed(received)
        if attachments:
            self._incomplete = _Incomplete(message, attachments)
            return None
        return message

    def _attached(self, attachment: bytes) -> Message | None:
        waiting = self._incomplete
        if waiting is None:
            raise BadMessage("an attachment of nothing")
        waiting.attachments.append(attachment)
        if len(waiting.attachments) < waiting.wanted:
            return None
        self._incomplete = None
        waiting.message.data = _filled(waiting.message.data, waiting.attachments)
        return waiting.message


def _parsed(text: str) -> tuple[Message, int]:
    form = _FORM.fullmatch(text)
    if form is None:
        raise BadMessage("no known kind")
    attachments = int(form["count"] or 0)
    if form["binary"] and not 1 <= attachments <= _MOST_ATTACHMENTS:
        raise BadMessage("so many attachments")
    kind = int(form["kind"] or form["binary"])
    data = _loaded(form["data"])
    if not _FITS[kind](data):
        raise BadMessage("data of another kind")
    number = form["id"]
    return (
        Message(
            {BINARY_EVENT: EVENT, BINARY_ACK: ACK}.get(kind, kind),
            form["namespace"] or DEFAULT,
            None if number is None else int(number),
            None if data is _NOTHING else data,
        ),
        attachments,
    )


def _loaded(data: str) -> Any:
    if not data:
        return _NOTHING
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadMessage("no JSON") from error


def _is_event(data: Any) -> bool:
    if not isinstance(data, list) or not data or isinstance(data[0], bool):
        return False
    return isinstance(data[0], int | float | str) and data[0] not in _RESERVED


def _is_answer(data: Any) -> bool:
    return isinstance(data, list)


_FITS: Sequence[Callable[[Any], bool]] = (
    lambda data: data is _NOTHING or isinstance(data, dict),
    lambda data: data is _NOTHING,
    _is_event,
    _is_answer,
    lambda data: isinstance(data, dict | str),
    _is_event,
    _is_answer,
)


def _filled(data: Any, attachments: Sequence[bytes]) -> Any:
    if isinstance(data, list):
        return [_filled(item, attachments) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is not True:
        return {key: _filled(value, attachments) for key, value in data.items()}
    number = data.get("num")
    if not isinstance(number, int) or not 0 <= number < len(attachments):
        raise BadMessage("a placeholder for nothing")
    return attachments[number]


def encoded(
    kind: int, namespace: str = DEFAULT, data: Any = None, id: int | None = None
) -> list[str | bytes]:
    """The packets of the engine that carry a message: its text, then its attachments."""
    attachments: list[bytes] = []
    text = "" if data is None else json_text(_emptied(data, attachments)).decode()
    if attachments:
        binary = {EVENT: BINARY_EVENT, ACK: BINARY_ACK}[kind]
        head = f"{binary}{len(attachments)}-"
    else:
        head = str(kind)
    where = "" if namespace == DEFAULT else f"{namespace},"
    return [f"{MESSAGE}{head}{where}{'' if id is None else id}{text}", *attachments]


def _emptied(data: Any, attachments: list[bytes]) -> Any:
    if isinstance(data, bytes):
        attachments.append(data)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(data, list | tuple):
        return [_emptied(item, attachments) for item in data]
    if isinstance(data, dict):
        return {key: _emptied(value, attachments) for key, value in data.items()}
    return data
