"""An item of a response while it grows: the events that open and close it, and the item itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from langfast_wsgi.conversation.calls import CallBegun
from langfast_wsgi.dialects.responses import answer
from langfast_wsgi.dialects.responses.answer import Json
from langfast_wsgi.dialects.responses.ids import item_id

Said: TypeAlias = list[tuple[str, Json]]
"""Events: the type of each, and its fields."""


class Growing(Protocol):
    """An item that was opened and is to be closed."""

    #: The type of its deltas, and what all of them bear.
    delta: str
    shared: Json

    def opened(self) -> Said:
        """The events that open it."""
        ...

    def closed(self, text: str, status: str) -> tuple[Said, Json]:
        """The events that close it with all its text, and the item."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """What the API calls a kind of part: its events, its field, and what else is in its events."""

    event: str
    word: str
    part: Callable[[str], Json]
    beside: Json = field(default_factory=dict)


TEXT = Words("output_text", "text", answer.text_part, {"logprobs": []})
REFUSAL = Words("refusal", "refusal", answer.refusal_part)


class Message:
    """A message of one part."""

    def __init__(self, response_id: str, words: Words, index: int) -> None:
        self._id, self._index, self._words = item_id("msg", response_id, index), index, words
        self._place: Json = {"item_id": self._id, "output_index": index, "content_index": 0}
        self.delta = f"response.{words.event}.delta"
        self.shared = {**self._place, **words.beside}

    def opened(self) -> Said:
        """See Growing."""
        item = answer.message(self._id, None, "in_progress")
        part = {**self._place, "part": self._words.part("")}
        return [_item("added", self._index, item), ("response.content_part.added", part)]

    def closed(self, text: str, status: str) -> tuple[Said, Json]:
        """See Growing."""
        part = self._words.part(text)
        item = answer.message(self._id, part, status)
        return [
            (f"response.{self._words.event}.done", {**self.shared, self._words.word: text}),
            ("response.content_part.done", {**self._place, "part": part}),
            _item("done", self._index, item),
        ], item


class Call:
    """A call of a function."""

    delta = "response.function_call_arguments.delta"

    def __init__(self, response_id: str, begun: CallBegun, index: int) -> None:
        self._id, self._index, self._begun = item_id("fc", response_id, index), index, begun
        self.shared: Json = {"item_id": self._id, "output_index": index}

    def opened(self) -> Said:
        """See Growing."""
        return [_item("added", self._index, self._as("", "in_progress"))]

    def closed(self, text: str, status: str) -> tuple[Said, Json]:
        """See Growing."""
        item = self._as(text, status)
        done = {**self.shared, "name": self._begun.name, "arguments": text}
        return [
            ("response.function_call_arguments.done", done),
            _item("done", self._index, item),
        ], item

    def _as(self, arguments: str, status: str) -> Json:
        return answer.call(self._id, self._begun.id, self._begun.name, arguments, status)


def _item(what: str, index: int, item: Json) -> tuple[str, Json]:
    return f"response.output_item.{what}", {"output_index": index, "item": item}
