"""The token limit."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.events import Finished, Replaced, Text
from langfast_wsgi.stages import length, tokenizer
from langfast_wsgi.stages.length import limited
from langfast_wsgi.stages.tokenizer import count
from tests.unit.stages.streams import (
    PAUSE,
    Source,
    assert_well_formed,
    cut,
    cuts,
    reason_of,
    text_of,
)

ODD = [
    *"abcXYZ019 \n\t.,;:'’_-é漢字ñ🙂½²()[]/\r\u0301\u00a0\u3000。，",
    "'s",
    " the",
    "ing",
    "  ",
    "==",
]
WORDS = [" antidisestablishmentarianism", " notwithstanding", "Hello", ", ", "\n\n", " 12345"]
texts = st.lists(st.sampled_from([*ODD, *WORDS]), max_size=40).map("".join)


def longest(text: str, limit: int) -> str:
    """The longest prefix of so many tokens, by definition."""
    return next(text[:end] for end in range(len(text), -1, -1) if count(text[:end]) <= limit)


@given(text=texts, limit=st.integers(1, 30), places=cuts, last=st.booleans())
@example(text=" notwithstanding", limit=2, places=list(range(17)), last=False)
@settings(deadline=None, max_examples=500)
def test_however_a_text_is_cut_its_longest_prefix_that_fits_is_shown(
    text: str, limit: int, places: list[int], last: bool
) -> None:
    said = list(limited(iter(cut(text, places, last=last)), limit))
    assert text_of(said) == longest(text, limit)
    assert reason_of(said) == ("stop" if count(text) <= limit else "length")
    assert_well_formed(said)


@given(text=st.text(max_size=60), limit=st.integers(1, 30), places=cuts)
@settings(deadline=None, max_examples=200)
def test_any_text_is_cut_at_its_longest_prefix(text: str, limit: int, places: list[int]) -> None:
    assert text_of(limited(iter(cut(text, places)), limit)) == longest(text, limit)


@pytest.mark.parametrize("limit", [1, 50, 299, 300, 301, 600])
@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_a_long_text_is_cut_exactly(limit: int, size: int) -> None:
    text = "The quick brown fox's 1234 jumps, naïvely; 漢字です。\n" * 40
    deltas = cut(text, range(0, len(text), size), last=False)
    said = list(limited(iter(deltas), limit))
    assert text_of(said) == longest(text, limit)
    assert reason_of(said) == "length"


def test_a_word_that_fits_as_a_whole_is_not_cut_though_its_half_does_not_fit() -> None:
    word = " Einzelhandelsunternehmen"
    whole = count(word)
    assert any(count(word[:end]) > whole for end in range(len(word)))
    said = list(limited(iter(cut(word, range(len(word)), last=False)), whole))
    assert (text_of(said), reason_of(said)) == (word, "stop")


@pytest.mark.parametrize(
    "wall", ["-" * 6000, "漢字" * 3000, "xkcdq" * 1200, " " * 6000, "\n" * 6000]
)
@pytest.mark.parametrize("size", [11, 6000])
def test_a_wall_without_borders_is_cut_within_a_token_a_thousand_characters(
    wall: str, size: int
) -> None:
    tokens = count(wall) // 2
    said = list(limited(iter(cut(wall, range(0, 6000, size), last=False)), tokens))
    assert reason_of(said) == "length"
    assert abs(count(text_of(said)) - tokens) <= 1 + len(text_of(said)) // length.WALL
    assert list(limited(iter(cut(wall, [])), count(wall)))[-1] == Finished("stop")


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of all texts that are counted from now on."""
    lengths: list[int] = []

    def spy(text: str) -> int:
        lengths.append(len(text))
        return count(text)

    monkeypatch.setattr(tokenizer, "count", spy)
    return lengths


def test_below_the_limit_in_bytes_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = counting(monkeypatch)
    said = cut("é" * 50, range(50))
    assert list(limited(iter(said), 100)) == said
    assert lengths == []


def test_the_work_grows_with_the_text_and_not_with_its_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths = counting(monkeypatch)
    text = " ".join(random.Random(1).choices(["alpha", "beta", "gamma", "x1"], k=16_000))
    limit = count(text) - 10
    said = cut(text, range(0, len(text), 12), last=False)
    lengths.clear()
    assert reason_of(list(limited(iter(said), limit))) == "length"
    assert sum(lengths) < 3 * len(text)
    assert len(lengths) < 300


def test_where_no_token_is_left_the_next_character_ends_it() -> None:
    stage = limited(iter([Text("one two"), Text(" "), Text("three"), Finished("stop")]), 2)
    assert list(stage) == [Text("one two"), Finished("length")]


def test_a_text_that_fits_passes_as_the_same_events() -> None:
    event = Text("hello world", last=True)
    assert next(iter(limited(iter([event, Finished("stop")]), 2))) is event


def test_at_the_limit_the_source_is_closed_and_asked_no_more() -> None:
    source = Source(Text("one two three four"), Text(" five"), Finished("stop"))
    assert list(limited(source, 2)) == [Text("one two", last=True), Finished("length")]
    assert source.closed
    assert len(source.taken) == 1


def test_a_pause_is_passed_on_at_once_also_while_text_is_held() -> None:
    stage = limited(iter([Text(" antidis"), PAUSE, PAUSE, Finished("stop")]), 1)
    assert [next(stage) for _ in range(3)][1:] == [PAUSE, PAUSE]
    assert list(stage) == [Finished("length")]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([Text("ab"), Replaced("one two")], [Text("ab"), Replaced("one two"), Finished("stop")]),
        ([Text("ab"), Replaced("a b c d")], [Text("ab"), Replaced("a b c"), Finished("length")]),
        ([Replaced("a b c d")], [Text("a b c", last=True), Finished("length")]),
    ],
    ids=repr,
)
def test_a_text_that_is_replaced_is_counted_anew(said: list, expected: list) -> None:
    assert list(limited(iter([*said, Finished("stop")]), 3)) == expected


def test_the_reason_of_an_upstream_that_kept_the_limit_stays() -> None:
    said = [Text("one two", last=True), Finished("content_filter")]
    assert list(limited(iter(said), 2)) == said
