"""Who waits for a place, in a fair order."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langfast_wsgi.providers.langfast.line import Line
from langfast_wsgi.providers.langfast.turn import Turn


def turn() -> Turn:
    return Turn(lambda _: None)


def queued(line: Line, callers: str) -> dict[Turn, str]:
    """A turn for each letter, in that order."""
    turns = {turn(): f"{caller}{number}" for number, caller in enumerate(callers)}
    for one, name in turns.items():
        line.append(one, name[0])
    return turns


def served(line: Line, names: dict[Turn, str]) -> list[str]:
    return [names[line.popleft()] for _ in range(len(line))]


def test_with_one_caller_it_is_first_come_first_served() -> None:
    line = Line()
    names = queued(line, "aaaa")
    assert served(line, names) == ["a0", "a1", "a2", "a3"]


def test_callers_take_turns_and_each_ones_requests_keep_theirs() -> None:
    line = Line()
    names = queued(line, "aaaabac")
    assert served(line, names) == ["a0", "b4", "c6", "a1", "a2", "a3", "a5"]


def test_who_comes_later_waits_one_round_at_the_most() -> None:
    line = Line()
    names = queued(line, "aaaabbbb")
    assert [names[line.popleft()] for _ in range(2)] == ["a0", "b4"]
    late = turn()
    line.append(late, "c")
    names[late] = "c"
    assert served(line, names)[:3] == ["a1", "b5", "c"]


def test_whoever_leaves_is_waited_for_no_more() -> None:
    line = Line()
    names = queued(line, "aab")
    first, second, _ = names
    line.discard(first)
    assert first not in line
    assert len(line) == 2
    line.discard(second)
    assert repr(line) == "<Line of 1 by 1 callers>"
    line.discard(first)
    assert served(line, names) == ["b2"]
    assert not line
    with pytest.raises(StopIteration):
        line.popleft()


@given(st.text("abc", max_size=30), st.data())
def test_no_caller_is_ever_two_ahead_of_one_that_waits(callers: str, data: st.DataObject) -> None:
    line = Line()
    names = queued(line, callers)
    for one in list(line):
        if data.draw(st.integers(0, 4)) == 0:
            line.discard(one)
    waiting = Counter(names[one][0] for one in line)
    got: Counter[str] = Counter()
    while line:
        caller = names[line.popleft()][0]
        got[caller] += 1
        others = [got[other] for other in waiting if got[other] < waiting[other]]
        assert all(got[caller] - count <= 1 for count in others)
    assert got == waiting
