"""When to come again, from how fast things get done."""

import pytest

from langfast_wsgi.observe.pace import Pace
from tests.support.clock import FakeClock


def done(pace: Pace, times: int) -> None:
    for _ in range(times):
        pace.done()


def test_at_first_nobody_knows_and_a_second_is_said() -> None:
    pace = Pace(FakeClock())
    assert pace.rate() == 0
    assert pace.wait_for(500) == 1


def test_the_wait_follows_from_what_was_done_in_the_last_windows() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    done(pace, 20)
    clock.advance(10)
    assert pace.rate() == 2
    assert pace.wait_for(8) == 4
    clock.advance(10)
    assert pace.rate() == 0


def test_it_is_rounded_up_and_kept_between_one_and_thirty_seconds() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    done(pace, 10)
    clock.advance(10)
    assert [pace.wait_for(ahead) for ahead in (0, 1, 2, 29, 31, 10_000)] == [1, 1, 2, 29, 30, 30]


def test_the_window_that_has_begun_counts_for_the_time_that_it_lasts() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    done(pace, 10)
    clock.advance(15)
    done(pace, 5)
    assert pace.rate() == pytest.approx(1.0)


def test_it_says_its_rate() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    done(pace, 5)
    assert repr(pace) == "<Pace 0.50/s>"
