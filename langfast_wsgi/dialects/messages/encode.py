"""Events to Anthropic's message: the events of a stream, or one body.

What is the same in every delta of a text is rendered once; per event only the delta is encoded.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Call, Completion
from langfast_wsgi.dialects._anthropic import error_body
from langfast_wsgi.dialects._deltas import PIECE, pieces, rewritten
from langfast_wsgi.errors import GatewayError

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

# All text stands in the first block, for none comes behind a call.
_TEXT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":'
)
_TEXT_AFTER = b"}}\n\n"

_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def message_body(
    message_id: str, model: str, mark: str | None, completion: Completion
) -> dict[str, Any]:
    """An unstreamed answer. ``mark``: of an upstream that is none."""
    text = completion.text + (completion.refusal or "")
    content = [{"type": "text", "text": text}] if text else []
    usage = completion.usage or Usage(0, 0)
    end = _end(completion.finish_reason, completion.stop, refused=completion.refusal is not None)
    return {
        **_head(message_id, model, mark),
        "content": [*content, *map(_call, completion.calls)],
        **end,
        "usage": _usage(usage.prompt_tokens, usage.completion_tokens),
    }


def _head(message_id: str, model: str, mark: str | None) -> dict[str, Any]:
    head = {"id": message_id, "type": "message", "role": "assistant", "model": model}
    return {**head, "system_fingerprint": mark} if mark else head


def _call(call: Call) -> dict[str, Any]:
    # As it stands: to read it could change a number that is too large for us.
    return _tool_use(call.id, call.name, orjson.Fragment(call.arguments))


def _tool_use(call_id: str, name: str, arguments: object) -> dict[str, Any]:
    own = f"toolu_{call_id.removeprefix('call_')}"
    return {"type": "tool_use", "id": own, "name": name, "input": arguments}


def _end(reason: str, stop: str | None, *, refused: bool) -> dict[str, Any]:
    said = "refusal" if refused else _REASONS.get(reason, "end_turn")
    if stop is not None:
        said = "stop_sequence"
    details = {"type": "refusal", "category": None, "explanation": None}
    return {
        "stop_reason": said,
        "stop_sequence": stop,
        "stop_details": details if said == "refusal" else None,
    }


def _usage(asked: int, said: int) -> dict[str, int]:
    """Token counts as Anthropic names them. Nothing is cached."""
    return {
        "input_tokens": asked,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": said,
    }


class EventEncoder:
    """The events of one streamed answer.

    What comes right before the end is held until the end, so that the last delta (or the calls) and
    the closing events leave in one write.
    """

    def __init__(
        self, message_id: str, model: str, mark: str | None, asked: int, request_id: str
    ) -> None:
        self._request_id = request_id
        message = {
            **_head(message_id, model, mark),
            "content": [],
            **dict.fromkeys(("stop_reason", "stop_sequence", "stop_details")),
            "usage": _usage(asked, 0),
        }
        self._opening = _event("message_start", message=message) + PING
        self._blocks = 0  # that were begun
        self._is_open = False  # the last of them
        self._held: list[bytes] = []
        self._finished = Finished("stop")
        self._refused = False

    def open(self) -> bytes:
        """The message's beginning; empty from the second time on."""
        opening, self._opening = self._opening, b""
        return opening

    def write(self, event: Event) -> bytes:
        """See StreamEncoder. Raises UpstreamGarbled where sent text would have to be taken back."""
        if isinstance(event, Text):
            return self._text(event)
        if isinstance(event, Finished):
            self._finished = event  # not said before the usage is there: an error may come instead
        elif isinstance(event, Usage):
            return self._flush(self.open(), self._close(), self._end(event), STOP)
        elif isinstance(event, Replaced):
            raise rewritten()
        elif isinstance(event, Refused):
            self._refused = True
            self._held.append(self._talk(event.text))
        elif isinstance(event, CallBegun):
            self._held.append(self._begin(_tool_use(event.id, event.name, {})))
        elif isinstance(event, CallArguments):
            self._held.extend(self._arguments(event))
        return b""

    def fail(self, fault: GatewayError) -> bytes:
        """An error event in place of the end."""
        return self._flush(_event("error", **_inside(error_body(fault, self._request_id))))

    def _text(self, event: Text) -> bytes:
        said = self._talk(event.delta)
        if event.last or self._held:
            self._held.append(said)
            return b""
        return said

    def _talk(self, text: str) -> bytes:
        if len(text) <= PIECE:
            said = _TEXT + orjson.dumps(text) + _TEXT_AFTER
        else:
            said = b"".join(_TEXT + orjson.dumps(one) + _TEXT_AFTER for one in pieces(text))
        return said if self._is_open else self._begin({"type": "text", "text": ""}) + said

    def _begin(self, block: dict[str, Any]) -> bytes:
        """A new block, behind the end of the one before."""
        before = self.open() + self._close()
        begun = _event("content_block_start", index=self._blocks, content_block=block)
        self._blocks, self._is_open = self._blocks + 1, True
        return before + begun

    def _close(self) -> bytes:
        if not self._is_open:
            return b""
        self._is_open = False
        return _event("content_block_stop", index=self._blocks - 1)

    def _arguments(self, event: CallArguments) -> Iterator[bytes]:
        for piece in pieces(event.delta):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield _event("content_block_delta", index=self._blocks - 1, delta=delta)

    def _end(self, usage: Usage) -> bytes:
        end = _end(self._finished.reason, self._finished.stop, refused=self._refused)
        used = _usage(usage.prompt_tokens, usage.completion_tokens)
        return _event("message_delta", delta=end, usage=used)

    def _flush(self, *behind: bytes) -> bytes:
        """What was held, and what is to stand behind it."""
        held, self._held = self._held, []
        return b"".join([*held, *behind])


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def _inside(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "type"}
