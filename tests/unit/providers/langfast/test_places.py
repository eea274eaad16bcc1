"""Places for several runs, taken at once or not at all."""

import threading
import time
from collections.abc import Callable, Generator

import pytest

from langfast_wsgi.conversation.events import Event, Finished, Pause, Text, awaited
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import NoCredentials, TooManyRuns
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.places import Lock, Places, served
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.turn import Lease, Turn
from tests.support.builders import StubSocket, grant, run_request
from tests.support.clock import FakeClock


class Case:
    """A pool with connected accounts, and a provider that runs on a turn until it is closed."""

    def __init__(
        self, accounts: int = 1, runs: int = 4, *, most: int = 3, apart: bool | None = True
    ) -> None:
        self.clock = FakeClock()
        self.pool = Pool(1, most, runs, clock=self.clock)
        for number in range(accounts):
            credential = self.pool.add(grant(number))
            self.pool.connected(credential, StubSocket(), 240.0)
        if apart is not None:
            self.pool.learn(apart)
        self.mailboxes: list[Mailbox] = []

    @property
    def taken(self) -> int:
        return self.pool.census()["taken"]

    def queue(self, turn: Turn) -> Generator[Event, None, None]:
        return served(turn, self.pool, 0.05, 0.01)

    def runs(
        self, _: RunRequest, turn_of: Callable[[], Turn], mailbox: Callable[[Lock], Mailbox]
    ) -> Generator[Event, None, None]:
        with turn_of() as turn:
            yield from self.queue(turn)
            lease = turn.take()
        with lease:
            self.mailboxes.append(mailbox(threading.Lock()))
            yield Text("begun")
            yield Finished("stop")

    def places(self, count: int) -> Places:
        return Places(count, "somebody", self.pool, self.queue, self.runs, 0.01)

    def begun(self, places: Places) -> Generator[Event, None, None]:
        """A run that has begun."""
        run = places.run(run_request())
        assert next(run) == Text("begun")
        return run


def lease(pool: Pool) -> Lease:
    found = pool.turn().wait(0)
    assert found is not None
    return found


# --- a turn for several places


def test_a_turn_for_several_places_gets_all_of_them_at_once() -> None:
    case = Case(accounts=2, runs=2)
    with case.pool.turn(places=3) as turn:
        assert turn.wait(0)
        leases = turn.take_all()
    assert case.taken == 3
    assert len({one.credential for one in leases}) == 2, "on the accounts that carry the fewest"
    for one in leases:
        one.close()
    assert case.taken == 0


def test_a_turn_that_is_left_gives_all_places_back() -> None:
    case = Case()
    with case.pool.turn(places=3) as turn:
        assert turn.wait(0)
        assert case.taken == 3
    assert case.taken == 0


def test_a_turn_for_several_places_gets_none_while_one_is_missing() -> None:
    case = Case(runs=4)
    held = [lease(case.pool), lease(case.pool)]
    with case.pool.turn(places=3) as turn:
        assert turn.wait(0) is None
        assert case.taken == 2
        later = case.pool.turn()
        assert later.wait(0) is None, "who comes later does not overtake"
        held.pop().close()
        assert turn.wait(0)
        assert case.taken == 4
        assert later.wait(0) is None


def test_more_places_than_there_will_ever_be_are_refused_at_once() -> None:
    case = Case(runs=4, most=2)
    with case.pool.turn(places=9) as turn, pytest.raises(TooManyRuns) as caught:
        turn.wait(0)
    assert caught.value.retry is False
    with case.pool.turn(places=8) as turn:
        assert turn.wait(0) is None, "another account may come"
    assert lease(case.pool)


def test_the_pool_grows_by_all_places_that_are_waited_for() -> None:
    case = Case(runs=2, most=5)
    with case.pool.turn(places=7):
        assert case.pool.missing(0) == 3


# --- places


def test_no_run_begins_before_all_places_are_there() -> None:
    case = Case(runs=3)
    held = lease(case.pool)
    places = case.places(3)
    queue = places.queue()
    assert isinstance(next(queue), Pause)
    assert case.taken == 1
    held.close()
    assert list(queue) == []
    assert case.taken == 3
    assert repr(places) == "<Places 3 of 3 unused>"
    runs = [case.begun(places) for _ in range(3)]
    assert case.taken == 3
    for run in runs:
        run.close()
    places.close()
    assert case.taken == 0


def test_who_waits_too_long_for_all_places_gets_none() -> None:
    case = Case(runs=2)
    held = lease(case.pool)
    with pytest.raises(TooManyRuns):
        list(awaited(case.places(2).queue()))
    assert case.taken == 1
    held.close()


def test_without_an_account_the_reason_is_told() -> None:
    case = Case(accounts=0)
    with pytest.raises(NoCredentials):
        list(awaited(case.places(2).queue()))


def test_places_that_were_not_used_are_given_back() -> None:
    case = Case()
    places = case.places(3)
    list(places.queue())
    run = case.begun(places)
    places.run(run_request()).close()
    places.close()
    places.close()
    assert case.taken == 1
    run.close()
    assert case.taken == 0


def test_a_run_that_comes_when_all_places_are_used_waits_in_line() -> None:
    case = Case(runs=2)
    places = case.places(2)
    list(places.queue())
    first, _ = case.begun(places), case.begun(places)
    again = places.run(run_request())
    assert isinstance(next(again), Pause)
    first.close()
    assert next(again) == Text("begun")


def test_while_nobody_knows_how_many_runs_an_account_takes_one_begins_alone() -> None:
    case = Case(runs=4, apart=None)
    places = case.places(3)
    list(places.queue())
    assert case.taken == 1
    first = case.begun(places)
    others = [places.run(run_request()) for _ in range(2)]
    assert all(isinstance(next(one), Pause) for one in others)
    case.pool.learn(True)
    assert [next(one) for one in others] == [Text("begun")] * 2
    first.close()


def test_where_enough_accounts_are_there_all_begin_though_nobody_knows() -> None:
    case = Case(accounts=3, apart=None)
    places = case.places(3)
    list(places.queue())
    assert case.taken == 3
    places.close()
    assert case.taken == 0


# --- the bell


def test_news_in_any_of_the_runs_wake_who_waits_for_them_all() -> None:
    case = Case()
    places = Places(2, "somebody", case.pool, case.queue, case.runs, 5.0)
    list(places.queue())
    _ = [case.begun(places) for _ in range(2)]
    for mailbox in case.mailboxes:
        timer = threading.Timer(0.02, mailbox.put, ["text"])
        began = time.monotonic()
        timer.start()
        places.wait()
        assert time.monotonic() - began < 4.0
        timer.join()
    case.mailboxes[0].end("stop")
    places.wait()


def test_without_news_it_is_time_to_look_around_soon() -> None:
    places = Case().places(2)
    began = time.monotonic()
    assert places.wait() is False
    assert time.monotonic() - began < 4.0
