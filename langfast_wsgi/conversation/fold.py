"""Events to one completion: an unstreamed answer is the same stream, folded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Chosen, Event, Finished, Replaced, Text, Usage


@dataclass(frozen=True, slots=True)
class Call:
    """A whole call; the arguments are JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer."""

    text: str
    finish_reason: str
    usage: Usage | None
    calls: Sequence[Call] = ()
    refusal: str | None = None
    stop: str | None = None


def fold(events: Iterable[Event]) -> Completion:
    """Take all events up to the end. The stream must be in legal order (see ``order.py``)."""
    answer = _Answer()
    for event in events:
        answer.take(event)
    return answer.completion()


def fold_choices(
    events: Iterable[Event], choices: int
) -> tuple[Sequence[Completion], Usage | None]:
    """The same for several answers that come side by side, and the usage of them all."""
    answers = [_Answer() for _ in range(choices)]
    usage: Usage | None = None
    for event in events:
        if isinstance(event, Chosen):
            answers[event.choice].take(event.event)
        elif isinstance(event, Usage):
            usage = event
    return [answer.completion() for answer in answers], usage


class _Answer:
    """How far an answer has come."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._calls: list[Call] = []
        self._refusal: str | None = None
        self._end = Finished("stop")
        self._usage: Usage | None = None

    def take(self, event: Event) -> None:
        """The next event."""
        if isinstance(event, Text):
            self._parts.append(event.delta)
        elif isinstance(event, Replaced):
            self._parts = [event.text]
        elif isinstance(event, Finished):
            self._end = event
        elif isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, CallBegun):
            self._calls.append(Call(event.id, event.name, ""))
        elif isinstance(event, CallArguments):
            last = self._calls[-1]
            self._calls[-1] = replace(last, arguments=last.arguments + event.delta)
        elif isinstance(event, Refused):
            self._refusal = (self._refusal or "") + event.text

    def completion(self) -> Completion:
        """What came of it."""
        text, calls, end = "".join(self._parts), tuple(self._calls), self._end
        return Completion(text, end.reason, self._usage, calls, self._refusal, end.stop)
