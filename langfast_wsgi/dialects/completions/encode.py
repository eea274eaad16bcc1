"""Events to OpenAI's legacy completion: the chunks of a stream, or one body.

All that is the same in every chunk of a run is rendered once; per event only the text is encoded.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import Completion
from langfast_wsgi.dialects._chunks import ChoiceEncoder
from langfast_wsgi.dialects._deltas import PIECE, pieces, rewritten
from langfast_wsgi.dialects._openai import usage_body

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


class ChunkEncoder(ChoiceEncoder):
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
        shared = {
            "id": answer_id,
            "object": OBJECT,
            "created": created,
            "model": model,
            "system_fingerprint": fingerprint,
        }
        super().__init__(shared, include_usage)
        tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        head = b"data: " + orjson.dumps(shared)[:-1]
        self._before = head + b',"choices":[{"index":%d,"text":' % index
        self._after = b',"logprobs":null,"finish_reason":null}]' + tail
        self._finish = self._before + b'"","logprobs":null,"finish_reason":'
        self._finish_after = b"}]" + tail
        self._echo = echo
        self._is_open = False
        self._is_plain = False  # open, with nothing held: the middle of a text

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
            return self._counted(event)
        if isinstance(event, Replaced):
            raise rewritten()
        return b""

    def end(self, reason: str) -> bytes:
        """The chunk with the finish reason."""
        return self._begin() + self._finish + orjson.dumps(_reason(reason)) + self._finish_after

    def _text(self, event: Text) -> bytes:
        chunk = self._begin() + self._chunks(event.delta)
        if event.last or self._held:
            self._is_plain = False
            self._held.append(chunk)
            return b""
        self._is_plain = True
        return chunk

    def _begin(self) -> bytes:
        """What has to stand before all that is said, once."""
        self._is_open = True
        echo, self._echo = self._echo, ""
        return self._chunks(echo)

    def _chunk(self, text: str) -> bytes:
        return self._before + orjson.dumps(text) + self._after

    def _chunks(self, text: str) -> bytes:
        return b"".join([self._chunk(piece) for piece in pieces(text)])
