"""Asking again: a model whose answer cannot be used is told why, within a budget.

A judge is a stage that may turn an answer down. Nothing of what it turns down has been sent, so the
next answer simply takes its place. It knows when the answer before it is the last that there will
be; then it makes of it what can be made, or raises a fault.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from langfast_wsgi.conversation.events import Event
from langfast_wsgi.stages.instructions import Message
from langfast_wsgi.stages.source import shut

LONGEST_SAID = 20_000  # characters
CUT = frozenset({"length", "content_filter"})
"""Finish reasons of an answer that did not end by itself: to ask again would not help."""


@dataclass(frozen=True, slots=True)
class Again:
    """The model is to be asked once more: what it said, and what was wrong with it."""

    said: str
    correction: str


Verdict: TypeAlias = Again | None
Judge: TypeAlias = Callable[[Iterator[Event], bool], Generator[Event, None, Verdict]]
"""Takes the events of an answer, and whether it is the last; says what can be sent of them.

A source that stops without an end was turned down by a judge before this one.
"""


def answered(
    ask: Callable[[Sequence[Message]], Iterator[Event]],
    messages: Sequence[Message],
    judge: Judge,
    budget: int,
) -> Generator[Event, None, None]:
    """The first answer that the judge takes. ``budget`` is how often to ask again.

    Each answer's iterator is closed before the next is asked for, and whatever happens.
    """
    for left in range(budget, -1, -1):
        events = ask(messages)
        try:
            again = yield from judge(events, left == 0)
        finally:
            shut(events)
        if again is None:
            return
        messages = [*messages, *_told(again)]


def _told(again: Again) -> Sequence[Message]:
    correction: Message = {"role": "user", "content": again.correction}
    if not again.said.strip():
        return [correction]
    return [{"role": "assistant", "content": again.said[:LONGEST_SAID]}, correction]


def chained(first: Judge, second: Judge) -> Judge:
    """One judge of two: the second reads what the first lets pass."""

    def judge(events: Iterator[Event], last: bool) -> Generator[Event, None, Verdict]:
        verdicts: list[Verdict] = []

        def passed() -> Generator[Event, None, None]:
            verdicts.append((yield from first(events, last)))

        between = passed()
        try:
            verdicts.append((yield from second(between, last)))
        finally:
            between.close()
        return next((verdict for verdict in verdicts if verdict is not None), None)

    return judge
