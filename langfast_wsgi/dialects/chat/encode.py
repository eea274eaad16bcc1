"""Events to OpenAI's chat completion: the chunks of a stream, or one body.

All that is the same in every chunk of a run is rendered once; per event only the delta is encoded.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Completion
from langfast_wsgi.dialects._openai import error_body, usage_body
from langfast_wsgi.errors import GatewayError, UpstreamGarbled

DONE = b"data: [DONE]\n\n"
PIECE = 10_000  # characters: escaped at worst six bytes each, a line stays below 64 KiB


def completion_body(
    answer_id: str, created: int, model: str, fingerprint: str | None, completion: Completion
) -> dict[str, Any]:
    """An unstreamed answer."""
    body: dict[str, Any] = {
        "id": answer_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "system_fingerprint": fingerprint,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": completion.text, "refusal": None},
                "logprobs": None,
                "finish_reason": completion.finish_reason,
            }
        ],
    }
    if completion.usage is not None:
        body["usage"] = usage_body(completion.usage)
    return body


class ChunkEncoder:
    """The chunks of one streamed answer.

    The text that comes right before the end is held until the end, so that the last delta, the
    finish chunk and ``[DONE]`` leave in one write.
    """

    def __init__(
        self,
        answer_id: str,
        created: int,
        model: str,
        fingerprint: str | None,
        include_usage: bool,
    ) -> None:
        self._include_usage = include_usage
        self._shared = {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "system_fingerprint": fingerprint,
        }
        tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        head = b"data: " + orjson.dumps(self._shared)[:-1]
        before = head + b',"choices":[{"index":0,"delta":'
        self._content = before + b'{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}]' + tail
        self._finish = before + b'{},"logprobs":null,"finish_reason":'
        self._finish_after = b"}]" + tail
        self._opening = (
            before
            + b'{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'
            + tail
        )
        self._held: list[bytes] = []
        self._end = b""

    def open(self) -> bytes:
        """The chunk with the role; empty from the second time on."""
        opening, self._opening = self._opening, b""
        return opening

    def write(self, event: Event) -> bytes:
        """See StreamEncoder. Raises UpstreamGarbled where sent text would have to be taken back."""
        if isinstance(event, Text):
            return self._text(event)
        if isinstance(event, Finished):
            return self._finished(event.reason)
        if isinstance(event, Usage):
            return self._flush(self._end, self._usage(event), DONE)
        if isinstance(event, Replaced):
            raise UpstreamGarbled(
                "The upstream rewrote text that was already sent.", code="upstream_inconsistent"
            )
        return b""

    def fail(self, fault: GatewayError) -> bytes:
        """An error event in place of an end; no finish reason was or will be said."""
        return self._flush(b"data: " + orjson.dumps(error_body(fault)) + b"\n\n", DONE)

    def _text(self, event: Text) -> bytes:
        delta = event.delta
        if len(delta) <= PIECE:
            chunk = self._content + orjson.dumps(delta) + self._after
        else:
            chunk = b"".join(
                self._content + orjson.dumps(piece) + self._after for piece in _pieces(delta)
            )
        if event.last or self._held:
            self._held.append(self.open() + chunk)
            return b""
        return self.open() + chunk if self._opening else chunk

    def _finished(self, reason: str) -> bytes:
        opening = self.open()
        chunk = opening + self._finish + orjson.dumps(reason) + self._finish_after
        if self._include_usage:
            self._end = chunk  # not said before the usage is there: an error may yet come instead
            return b""
        return self._flush(chunk, DONE)

    def _usage(self, usage: Usage) -> bytes:
        last = {**self._shared, "choices": [], "usage": usage_body(usage)}
        return b"data: " + orjson.dumps(last) + b"\n\n"

    def _flush(self, *behind: bytes) -> bytes:
        held, self._held = self._held, []
        return b"".join([*held, *behind])


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))
