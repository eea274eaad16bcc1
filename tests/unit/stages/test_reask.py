"""Asking again."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pytest

from langfast_wsgi.conversation.events import Event, Finished, Text
from langfast_wsgi.stages.reask import LONGEST_SAID, Again, Verdict, answered, chained
from tests.unit.stages.streams import PAUSE, Source, text_of

QUESTION = {"role": "user", "content": "Hi"}


class Asked:
    """Gives one source for each time that it is asked."""

    def __init__(self, *sources: Source) -> None:
        self.sources = sources
        self.messages: list[Sequence[Any]] = []

    def __call__(self, messages: Sequence[Any]) -> Iterator[Event]:
        assert all(source.closed for source in self.sources[: len(self.messages)])
        self.messages.append(messages)
        return self.sources[len(self.messages) - 1]


def says(*texts: str) -> Asked:
    return Asked(*(Source(PAUSE, Text(text), Finished("stop")) for text in texts))


def judge(events: Iterator[Event], last: bool) -> Generator[Event, None, Verdict]:
    """Takes what does not begin with "bad", or the last."""
    for event in events:
        if isinstance(event, Text) and event.delta.startswith("bad") and not last:
            return Again(event.delta, f"not {event.delta}")
        yield event
    return None


def test_an_answer_that_the_judge_takes_is_the_only_one() -> None:
    asked = says("good")
    said = list(answered(asked, [QUESTION], judge, 5))
    assert said == [PAUSE, Text("good"), Finished("stop")]
    assert asked.messages == [[QUESTION]]
    assert asked.sources[0].closed


def test_what_is_turned_down_is_asked_for_again_with_the_correction() -> None:
    asked = says("bad 1", "bad 2", "good", "never")
    said = list(answered(asked, (QUESTION,), judge, 3))
    assert said == [PAUSE, PAUSE, PAUSE, Text("good"), Finished("stop")]
    assert asked.messages[-1] == [
        QUESTION,
        {"role": "assistant", "content": "bad 1"},
        {"role": "user", "content": "not bad 1"},
        {"role": "assistant", "content": "bad 2"},
        {"role": "user", "content": "not bad 2"},
    ]
    assert [source.closed for source in asked.sources] == [True, True, True, False]


@pytest.mark.parametrize("budget", [0, 1, 2])
def test_when_the_budget_is_used_up_the_judge_knows(budget: int) -> None:
    asked = says(*(f"bad {number}" for number in range(9)))
    assert text_of(answered(asked, [QUESTION], judge, budget)) == f"bad {budget}"
    assert len(asked.messages) == budget + 1


def test_closing_it_closes_the_answer_that_is_under_way() -> None:
    asked = says("bad", "good")
    events = answered(asked, [QUESTION], judge, 1)
    assert [next(events), next(events)] == [PAUSE, PAUSE]
    events.close()
    assert asked.sources[1].closed


def test_a_fault_of_the_judge_closes_the_answer() -> None:
    def failing(events: Iterator[Event], last: bool) -> Generator[Event, None, Verdict]:
        yield next(events)
        raise ValueError("what?")

    asked = says("x")
    with pytest.raises(ValueError, match="what"):
        list(answered(asked, [QUESTION], failing, 1))
    assert asked.sources[0].closed


def test_an_empty_answer_is_not_repeated_to_the_model_and_a_long_one_not_wholly() -> None:
    def never(events: Iterator[Event], last: bool) -> Generator[Event, None, Verdict]:
        yield from ()
        return None if last else Again(text_of(events), "no")

    asked = says(" ", "x" * 50_000, "y")
    list(answered(asked, [QUESTION], never, 2))
    _, first, second, third = asked.messages[2]
    assert first == {"role": "user", "content": "no"}
    assert second == {"role": "assistant", "content": "x" * LONGEST_SAID}
    assert third == first


def shouting(events: Iterator[Event], last: bool) -> Generator[Event, None, Verdict]:
    """Turns down what is not all in capitals; says it with an exclamation mark."""
    for event in events:
        if isinstance(event, Text):
            if not event.delta.isupper() and not last:
                return Again(event.delta, "louder")
            yield Text(event.delta + "!")
        else:
            yield event
    return None


def test_of_two_judges_the_second_reads_what_the_first_lets_pass() -> None:
    both = chained(judge, shouting)
    asked = says("bad", "good", "GOOD")
    said = list(answered(asked, [QUESTION], both, 2))
    assert text_of(said) == "GOOD!"
    assert [messages[-1]["content"] for messages in asked.messages] == ["Hi", "not bad", "louder"]


def test_closing_two_judges_closes_the_answer() -> None:
    asked = says("GOOD")
    events = answered(asked, [QUESTION], chained(judge, shouting), 0)
    next(events)
    events.close()
    assert asked.sources[0].closed
