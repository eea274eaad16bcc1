"""Events to OpenAI's chat completion: the chunks of a stream, or one body.

All that is the same in every chunk of a run is rendered once; per event only the delta is encoded.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Completion
from langfast_wsgi.dialects._chunks import ChoiceEncoder
from langfast_wsgi.dialects._deltas import PIECE, pieces, rewritten
from langfast_wsgi.dialects._openai import usage_body

_FINISH = b'{},"logprobs":null,"finish_reason":'


def completion_body(
    answer_id: str,
    created: int,
    model: str,
    fingerprint: str | None,
    completions: Sequence[Completion],
    usage: Usage | None,
    *,
    deprecated: bool = False,
) -> dict[str, Any]:
    """An unstreamed answer. ``deprecated``: its call is told as a ``function_call``."""
    body: dict[str, Any] = {
        "id": answer_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "system_fingerprint": fingerprint,
        "choices": [
            {
                "index": index,
                "message": _message(completion, deprecated=deprecated),
                "logprobs": None,
                "finish_reason": _reason(completion.finish_reason, deprecated=deprecated),
            }
            for index, completion in enumerate(completions)
        ],
    }
    if usage is not None:
        body["usage"] = usage_body(usage)
    return body


def _message(completion: Completion, *, deprecated: bool) -> dict[str, Any]:
    calls, refusal = completion.calls, completion.refusal
    is_silent = not completion.text and (calls or refusal is not None)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if is_silent else completion.text,
        "refusal": refusal,
    }
    if calls and deprecated:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
    elif calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    return message


def _reason(reason: str, *, deprecated: bool) -> str:
    return "function_call" if deprecated and reason == "tool_calls" else reason


class ChunkEncoder(ChoiceEncoder):
    """The chunks of one streamed answer.

    What comes right before the end is held until the end, so that the last delta (or the calls),
    the finish chunk and ``[DONE]`` leave in one write. ``deprecated``: a call is told as a
    ``function_call``.
    """

    def __init__(
        self,
        answer_id: str,
        created: int,
        model: str,
        fingerprint: str | None,
        include_usage: bool,
        *,
        index: int = 0,
        deprecated: bool = False,
    ) -> None:
        self._deprecated = deprecated
        shared = {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "system_fingerprint": fingerprint,
        }
        super().__init__(shared, include_usage)
        tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        head = b"data: " + orjson.dumps(shared)[:-1]
        before = head + b',"choices":[{"index":%d,"delta":' % index
        self._content = before + b'{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}]' + tail
        self._finish = before + _FINISH
        self._finish_after = b"}]" + tail
        self._opening = (
            before
            + b'{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'
            + tail
        )
        self._is_plain = False  # open, with nothing held: the middle of a text

    def open(self) -> bytes:
        """The chunk with the role; empty from the second time on."""
        opening, self._opening = self._opening, b""
        return opening

    def write(self, event: Event) -> bytes:
        """See StreamEncoder. Raises UpstreamGarbled where sent text would have to be taken back."""
        if isinstance(event, Text):
            if self._is_plain and not event.last and len(event.delta) <= PIECE:
                return self._content + orjson.dumps(event.delta) + self._after
            return self._text(event)
        if isinstance(event, Finished):
            return self._finished(event.reason)
        if isinstance(event, Usage):
            return self._counted(event)
        if isinstance(event, Replaced):
            raise rewritten()
        if isinstance(event, CallBegun | CallArguments | Refused):
            self._hold(event)
        return b""

    def _text(self, event: Text) -> bytes:
        delta = event.delta
        if len(delta) <= PIECE:
            chunk = self._content + orjson.dumps(delta) + self._after
        else:
            chunk = b"".join(
                self._content + orjson.dumps(piece) + self._after for piece in pieces(delta)
            )
        if event.last or self._held:
            self._is_plain = False
            self._held.append(self.open() + chunk)
            return b""
        self._is_plain = True
        return self.open() + chunk

    def _hold(self, event: CallBegun | CallArguments | Refused) -> None:
        """They come all at once, right before the end."""
        self._is_plain = False
        before = self._finish[: -len(_FINISH)]
        if self.open():  # unsaid as yet, and there is no text
            opening = {"role": "assistant", "content": None}
            self._held.append(before + orjson.dumps(opening)[:-1] + self._after)
        for delta in _deltas(event, deprecated=self._deprecated):
            self._held.append(before + orjson.dumps(delta)[:-1] + self._after)

    def end(self, reason: str) -> bytes:
        """The chunk with the finish reason."""
        said = orjson.dumps(_reason(reason, deprecated=self._deprecated))
        return self.open() + self._finish + said + self._finish_after


def _deltas(
    event: CallBegun | CallArguments | Refused, *, deprecated: bool
) -> Iterator[dict[str, Any]]:
    if isinstance(event, Refused):
        yield from ({"refusal": piece} for piece in pieces(event.text))
    elif isinstance(event, CallBegun):
        function = {"name": event.name, "arguments": ""}
        call = {"index": event.index, "id": event.id, "type": "function", "function": function}
        yield {"function_call": function} if deprecated else {"tool_calls": [call]}
    else:
        for piece in pieces(event.delta):
            more = {"arguments": piece}
            call = {"index": event.index, "function": more}
            yield {"function_call": more} if deprecated else {"tool_calls": [call]}
