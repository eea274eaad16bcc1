"""Cutting texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langfast_wsgi.emulator.runs.pieces import cuts, default_count


@pytest.mark.parametrize(
    ("length", "count", "ends"),
    [
        (0, None, []),
        (1, None, [1]),
        (3, None, [1, 2, 3]),
        (36, None, [12, 24, 36]),
        (48, None, [12, 24, 36, 48]),
        (10, 2, [5, 10]),
        (2, 5, [1, 2]),
    ],
)
def test_a_text_is_cut_at_these_places(length: int, count: int | None, ends: list[int]) -> None:
    assert cuts(length, count) == ends


def test_a_long_text_gets_a_bounded_number_of_pieces() -> None:
    assert default_count(10_000_000) == 500


@given(st.integers(0, 5_000), st.none() | st.integers(1, 600))
def test_pieces_are_never_empty_and_always_reach_the_end(length: int, count: int | None) -> None:
    ends = cuts(length, count)
    assert sorted(set(ends)) == ends
    assert (ends[-1] if ends else 0) == length
