"""Several streams as one."""

from collections.abc import Callable, Iterator

import pytest

from langfast_wsgi.conversation.events import Chosen, Event, Finished, Pause, Text, Usage
from langfast_wsgi.stages.choices import Bells, side_by_side


class Bell:
    """One that remembers who listens."""

    def __init__(self) -> None:
        self.listener: Callable[[], bool] | None = None

    def wait(self) -> bool:
        raise AssertionError("a stage waited")


def together(*streams: list[Event]) -> Iterator[Event]:
    return side_by_side([iter(stream) for stream in streams], lambda: True)


A, B = Text("a"), Text("b")
END = Finished("stop")


def pause() -> Pause:
    return Pause(Bell())


def test_each_is_read_up_to_its_pause_and_then_the_next() -> None:
    events = list(together([A, A, pause(), A, END], [B, pause(), pause(), B, END]))
    kinds = ["pause" if isinstance(event, Pause) else event for event in events]
    assert kinds == [
        *(Chosen(0, A), Chosen(0, A), Chosen(1, B), "pause"),
        *(Chosen(0, A), Chosen(0, END), "pause"),
        *(Chosen(1, B), Chosen(1, END)),
        END,
    ]


def test_usage_is_of_the_prompt_once_and_of_all_answers() -> None:
    events = list(together([A, END, Usage(8, 1)], [B, END, Usage(8, 2)]))
    assert events[-2:] == [END, Usage(8, 3)]
    assert sum(isinstance(event, Usage) for event in events) == 1


def test_where_all_pause_they_do_so_with_one_bell() -> None:
    events = together([pause(), pause(), END], [pause(), pause(), END])
    first, second = next(events), next(events)
    assert isinstance(first, Pause)
    assert isinstance(second, Pause)
    assert first.bell is second.bell
    assert isinstance(first.bell, Bells)
    assert first.bell.wait() is True


def test_nobody_listens_to_the_bells_of_each() -> None:
    """What comes for one may begin or end another, which is the business of who waits."""
    bell = Bell()
    first = next(together([Pause(bell), END], [Pause(bell), END]))
    assert isinstance(first, Pause)
    first.bell.listener = lambda: True
    assert bell.listener is None


def test_one_that_fails_ends_them_all() -> None:
    def failing() -> Iterator[Event]:
        yield B
        raise ValueError("what?")

    events = side_by_side([iter([A, END]), failing()], lambda: True)
    assert [next(events) for _ in range(3)] == [Chosen(0, A), Chosen(0, END), Chosen(1, B)]
    with pytest.raises(ValueError, match="what"):
        next(events)
