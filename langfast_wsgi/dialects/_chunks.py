"""Streams of OpenAI's chunks: how they end, several answers in one.

The chunks of several answers interleave as they come. What matters to clients: the first chunk is
choice 0's, and new choices come in order. The ends are said when all choices are complete, so that
none is said in a stream that fails.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from langfast_wsgi.conversation.events import Chosen, Event, Finished, Usage
from langfast_wsgi.dialects._openai import error_body, usage_body
from langfast_wsgi.errors import GatewayError

DONE = b"data: [DONE]\n\n"


class ChoiceEncoder(ABC):
    """The chunks of one answer.

    What comes right before the end is held until the end, so that the last text, the finish chunk
    and ``[DONE]`` leave in one write. ``shared`` is what all chunks bear.
    """

    def __init__(self, shared: Mapping[str, Any], include_usage: bool) -> None:
        self._shared = shared
        self._include_usage = include_usage
        self._held: list[bytes] = []
        self._end = b""

    @abstractmethod
    def open(self) -> bytes:
        """Its first chunk; empty from the second time on."""

    @abstractmethod
    def write(self, event: Event) -> bytes:
        """See StreamEncoder; for all events but the end."""

    @abstractmethod
    def end(self, reason: str) -> bytes:
        """The chunk with the finish reason."""

    def fail(self, fault: GatewayError) -> bytes:
        """An error event in place of an end; no finish reason was or will be said."""
        return self.flush(b"data: " + orjson.dumps(error_body(fault)) + b"\n\n", DONE)

    def usage(self, usage: Usage) -> bytes:
        """The chunk with the usage."""
        last = {**self._shared, "choices": [], "usage": usage_body(usage)}
        return b"data: " + orjson.dumps(last) + b"\n\n"

    def flush(self, *behind: bytes) -> bytes:
        """What was held, and what is to stand behind it."""
        held, self._held = self._held, []
        return b"".join([*held, *behind])

    def _finished(self, reason: str) -> bytes:
        chunk = self.end(reason)
        if self._include_usage:
            self._end = chunk  # not said before the usage is there: an error may yet come instead
            return b""
        return self.flush(chunk, DONE)

    def _counted(self, usage: Usage) -> bytes:
        return self.flush(self._end, self.usage(usage), DONE)


class ChoicesEncoder:
    """The chunks of several streamed answers; one encoder for each."""

    def __init__(self, choices: Sequence[ChoiceEncoder], include_usage: bool) -> None:
        self._choices = choices
        self._include_usage = include_usage
        self._ends = [b""] * len(choices)

    def open(self) -> bytes:
        """See StreamEncoder."""
        return self._choices[0].open()

    def write(self, event: Event) -> bytes:
        """See StreamEncoder."""
        if isinstance(event, Chosen):
            return self._chosen(event.choice, event.event)
        if isinstance(event, Finished) and not self._include_usage:
            return b"".join([*self._ends, DONE])
        if isinstance(event, Usage):
            return b"".join([*self._ends, self._choices[0].usage(event), DONE])
        return b""

    def fail(self, fault: GatewayError) -> bytes:
        """See StreamEncoder."""
        held = [choice.flush() for choice in self._choices[1:]]
        return b"".join(held) + self._choices[0].fail(fault)

    def _chosen(self, index: int, event: Event) -> bytes:
        choice = self._choices[index]
        if isinstance(event, Finished):
            said = choice.open() + choice.flush()
            self._ends[index] = choice.end(event.reason)
        else:
            said = choice.write(event)
        return self._opened(index) + said if said else b""

    def _opened(self, index: int) -> bytes:
        """The openings of those before it, as far as they were not said."""
        return b"".join([choice.open() for choice in self._choices[:index]])
