"""Events to OpenAI's legacy completion: the chunks of a stream, or one body.

All that is the same in every chunk of a run is rendered once; per event only the text is encoded.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Completion
from langfast_wsgi.dialects._chunks import DONE
from langfast_wsgi.dialects._deltas import PIECE, pieces, rewritten
from langfast_wsgi.dialects._openai import error_body, usage_body
from langfast_wsgi.errors import GatewayError

OBJECT = "text_completion"
FINISH_REASONS = frozenset({"stop", "length", "content_filter"})


def completion_body(
    answer_id: str,
    created: int,
    model: str,
    fingerprint: str | None,
    completions: Sequence[Completion],
    usage: Usage | None,
    *,
    echoes: Sequence[str],
) -> dict[str, Any]:
    """An unstreamed answer. ``echoes``: what stands before each choice."""
    body: dict[str, Any] = {
        "id": answer_id,
        "object": OBJECT,
        "created": created,
        "model": model,
        "system_fingerprint": fingerprint,
        "choices": [
            {
                "text": echo + completion.text,
                "index": index,
                "logprobs": None,
                "finish_reason": _reason(completion.finish_reason),
            }
            for index, (echo, completion) in enumerate(zip(echoes, completions, strict=True))
        ],
    }
    if usage is not None:
        body["usage"] = usage_body(usage)
    return body


def _reason(reason: str) -> str:
    """There are no calls here; an upstream that speaks of them has stopped all the same."""
    return reason if reason in FINISH_REASONS else "stop"


class ChunkEncoder:
    """The chunks of one streamed answer.

    The text that comes right before the end is held until the end, so that the last text, the
    finish chunk and ``[DONE]`` leave in one write. ``echo`` leaves with the first of them.
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
        echo: str = "",
    ) -> None:
        self._include_usage = include_usage
        self._shared = {
            "id": answer_id,
            "object": OBJECT,
            "created": created,
            "model": model,
            "system_fingerprint": fingerprint,
        }
        tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        head = b"data: " + orjson.dumps(self._shared)[:-1]
        self._before = head + b',"choices":[{"index":%d,"text":' % index
        self._after = b',"logprobs":null,"finish_reason":null}]' + tail
        self._finish = self._before + b'"","logprobs":null,"finish_reason":'
        self._finish_after = b"}]" + tail
        self._echo = echo
        self._is_open = False
        self._is_plain = False  # open, with nothing held: the middle of a text
        self._held: list[bytes] = []
        self._end = b""

    def open(self) -> bytes:
        """The prompt where it is echoed, else a chunk without text; empty once there was any."""
        if self._is_open:
            return b""
        return self._begin() or self._chunk("")

    def write(self, event: Event) -> bytes:
        """See StreamEncoder. Raises UpstreamGarbled where sent text would have to be taken back."""
        if isinstance(event, Text):
            if self._is_plain and not event.last and len(event.delta) <= PIECE:
                return self._before + orjson.dumps(event.delta) + self._after
            return self._text(event)
        if isinstance(event, Finished):
            return self._finished(event.reason)
        if isinstance(event, Usage):
            return self.flush(self._end, self.usage(event), DONE)
        if isinstance(event, Replaced):
            raise rewritten()
        return b""

    def fail(self, fault: GatewayError) -> bytes:
        """An error event in place of an end; no finish reason was or will be said."""
        return self.flush(b"data: " + orjson.dumps(error_body(fault)) + b"\n\n", DONE)

    def end(self, reason: str) -> bytes:
        """The chunk with the finish reason."""
        return self._begin() + self._finish + orjson.dumps(_reason(reason)) + self._finish_after

    def usage(self, usage: Usage) -> bytes:
        """The chunk with the usage."""
        last = {**self._shared, "choices": [], "usage": usage_body(usage)}
        return b"data: " + orjson.dumps(last) + b"\n\n"

    def flush(self, *behind: bytes) -> bytes:
        """What was held, and what is to stand behind it."""
        held, self._held = self._held, []
        return b"".join([*held, *behind])

    def _text(self, event: Text) -> bytes:
        chunk = self._begin() + self._chunks(event.delta)
        if event.last or self._held:
            self._is_plain = False
            self._held.append(chunk)
            return b""
        self._is_plain = True
        return chunk

    def _finished(self, reason: str) -> bytes:
        chunk = self.end(reason)
        if self._include_usage:
            self._end = chunk  # not said before the usage is there: an error may yet come instead
            return b""
        return self.flush(chunk, DONE)

    def _begin(self) -> bytes:
        """What has to stand before all that is said, once."""
        self._is_open = True
        echo, self._echo = self._echo, ""
        return self._chunks(echo)

    def _chunk(self, text: str) -> bytes:
        return self._before + orjson.dumps(text) + self._after

    def _chunks(self, text: str) -> bytes:
        return b"".join([self._chunk(piece) for piece in pieces(text)])
