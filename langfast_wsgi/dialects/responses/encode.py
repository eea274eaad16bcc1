"""Events to the events of a streamed response.

Theory: a response has items, one after the other; each is opened, grows and is closed, and its end
says once more all that it holds, as the response's own end does. That is OpenAI's contract, so
these lines are as long as the text; the deltas are short. All that is the same in every delta of an
item is rendered once; per event only its number and the new text are encoded.
"""

from collections.abc import Callable
from functools import partial

import orjson

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.dialects._deltas import PIECE, pieces, rewritten
from langfast_wsgi.dialects._openai import error_body
from langfast_wsgi.dialects.responses.answer import Clock, Json, ended, status_of
from langfast_wsgi.dialects.responses.growing import (
    REFUSAL,
    TEXT,
    Call,
    Growing,
    Message,
    Said,
    Words,
)
from langfast_wsgi.errors import GatewayError


class EventEncoder:
    """The events of one response, which is given as it begins.

    What comes right before the end is held until the end, so that both leave in one write.
    ``keep`` is called with the response at its end, right before a caller can hear of it.
    """

    def __init__(self, response: Json, keep: Callable[[Json], None], now: Clock) -> None:
        self._response = response
        self._keep = keep
        self._now = now
        self._number = 0
        self._is_open = False
        self._output: list[Json] = []
        self._growing: Growing | None = None
        self._words: Words | None = None  # of the message that grows, if it is one
        self._head = b""
        self._parts: list[str] = []
        self._held: list[bytes] = []
        self._reason = "stop"

    def open(self) -> bytes:
        """The events before any item; empty from the second time on."""
        if self._is_open:
            return b""
        self._is_open = True
        begun = {"response": self._response}
        return self._event("response.created", begun) + self._event("response.in_progress", begun)

    def write(self, event: Event) -> bytes:
        """See StreamEncoder. Raises UpstreamGarbled where sent text would have to be taken back."""
        if isinstance(event, Text):
            return self._text(event)
        if isinstance(event, Usage):
            return self._end(event)
        if isinstance(event, Replaced):
            raise rewritten()
        if isinstance(event, Finished):
            self._reason = event.reason  # not said before the usage is there
        elif isinstance(event, Refused):
            self._held.append(self._message(REFUSAL) + self._grown(event.text))
        elif isinstance(event, CallBegun):
            self._held.append(self._begin(partial(Call, self._response["id"], event), None))
        elif isinstance(event, CallArguments):
            self._held.append(self._grown(event.delta))
        return b""

    def fail(self, fault: GatewayError) -> bytes:
        """An error, and the end of a response that failed; an item that is open stays so.

        The error stands twice in its event: flat, as OpenAI declares it, and as an object, as
        OpenAI sends it, which alone makes the SDKs raise an exception.
        """
        error = error_body(fault)["error"]
        flat = {name: error[name] for name in ("code", "message", "param")}
        failure = {**error, "code": error["code"] or "invalid_prompt"}
        failed = {**self._response, "status": "failed", "error": failure}
        said = [
            self.open(),
            *self._held,
            self._event("error", {**flat, "error": error}),
            self._event("response.failed", {"response": failed}),
        ]
        return b"".join(said)

    def _text(self, event: Text) -> bytes:
        delta = event.delta
        said = (
            self._grown(delta) if self._words is TEXT else self._message(TEXT) + self._grown(delta)
        )
        if event.last or self._held:
            self._held.append(said)
            return b""
        return said

    def _end(self, usage: Usage) -> bytes:
        if self._growing is None:
            self._held.append(self._message(TEXT))  # an answer without a word is an answer
        self._held.append(self._closed("completed" if self._words is None else self._status()))
        response = ended(self._response, self._output, self._reason, usage, self._now)
        self._keep(response)
        self._held.append(self._event(f"response.{self._status()}", {"response": response}))
        return b"".join(self._held)

    def _status(self) -> str:
        return status_of(self._reason)

    def _message(self, words: Words) -> bytes:
        """What has to be said before the next delta of such a message."""
        if self._words is words:
            return b""
        return self._begin(partial(Message, self._response["id"], words), words)

    def _begin(self, make: Callable[[int], Growing], words: Words | None) -> bytes:
        before = self.open() + self._closed("completed")
        growing = make(len(self._output))
        self._growing, self._words = growing, words
        kind, shared = growing.delta.encode(), orjson.dumps(growing.shared)[1:-1]
        self._head = b'event: %b\ndata: {"type":"%b",%b,"sequence_number":' % (kind, kind, shared)
        return before + self._events(growing.opened())

    def _grown(self, text: str) -> bytes:
        self._parts.append(text)
        if len(text) <= PIECE:
            return self._delta(text)
        return b"".join(map(self._delta, pieces(text)))

    def _delta(self, text: str) -> bytes:
        number = self._number
        self._number += 1
        return b'%b%d,"delta":%b}\n\n' % (self._head, number, orjson.dumps(text))

    def _closed(self, status: str) -> bytes:
        if self._growing is None:
            return b""
        said, item = self._growing.closed("".join(self._parts), status)
        self._output.append(item)
        self._growing, self._parts = None, []
        return self._events(said)

    def _events(self, said: Said) -> bytes:
        return b"".join([self._event(kind, fields) for kind, fields in said])

    def _event(self, kind: str, fields: Json) -> bytes:
        name, number = kind.encode(), self._number
        self._number += 1
        rest = orjson.dumps(fields)[1:]
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b\n\n' % (
            name,
            name,
            number,
            rest,
        )
