"""The circuit breaker: its table row by row, and any happenings in any order."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from langfast_wsgi.errors import GatewayError, QuotaExhausted, StartRefused, UpstreamUnreachable
from langfast_wsgi.providers.langfast.breaker import (
    ACCOUNTS,
    APART,
    AWAY,
    LIMIT,
    PROBE_EVERY,
    RESTRICTED,
    SLOW,
    Breaker,
)
from tests.support.clock import FakeClock

NOT_US = StartRefused("not us", code="upstream_auth_error", retry=False)
QUOTA = QuotaExhausted("the project")


class Case:
    """A breaker with a clock, and how often it said that it opened."""

    def __init__(self, *, serving: bool = True) -> None:
        self.clock = FakeClock()
        self.breaker = Breaker(self.clock)
        self.opens = 0
        self.breaker.on_open = self._opened
        self.breaker.serving(serving)

    def _opened(self) -> None:
        assert not self.breaker._lock.locked(), "on_open must be called outside the lock"
        self.opens += 1

    def fail(self, times: int = 1) -> None:
        """Starts that fail at once."""
        for _ in range(times):
            self.breaker.failed(self.clock())

    def refuse(self, *accounts: str) -> None:
        for account in accounts:
            self.breaker.refused(self.clock(), account, NOT_US)

    def lose(self, times: int = AWAY, apart: float = APART) -> None:
        """Attempts of the keeper that fail at once."""
        for _ in range(times):
            self.breaker.unreached(self.clock())
            self.clock.advance(apart)

    def heard(self, free: bool = True) -> GatewayError | None:
        """What the next caller hears."""
        return self.breaker.admit(free)

    def probed(self) -> float:
        """Let the time of the next probe come, and its caller in."""
        self.clock.advance(PROBE_EVERY)
        assert self.heard() is None
        return self.clock()


def opened_by(reason: str) -> Case:
    case = Case(serving=reason != "away")
    if reason == "starts":
        case.fail(LIMIT)
    elif reason == "accounts":
        case.refuse("c1", "c2", "c3")
    elif reason == "restricted":
        case.breaker.restricted(case.clock(), QUOTA)
    else:
        case.lose()
    assert case.breaker.state == "open"
    assert case.breaker.opened == {reason: 1}
    assert case.opens == 1
    return case


REASONS = ["starts", "accounts", "restricted", "away"]
OF_STARTS = REASONS[:3]

# --- closed


def test_at_first_callers_are_let_in() -> None:
    case = Case()
    assert case.heard() is None
    assert case.heard(free=False) is None
    assert (case.breaker.state, repr(case.breaker)) == ("closed", "<Breaker closed>")
    assert case.breaker.trouble is None


def test_p5_twenty_failures_in_a_row_open_it() -> None:
    case = Case()
    case.fail(LIMIT - 1)
    assert case.heard() is None
    case.fail()
    found = case.heard()
    assert isinstance(found, UpstreamUnreachable)
    assert (found.status, found.code) == (503, "upstream_unavailable")
    assert (found.retry_after, found.retry) == (PROBE_EVERY, None)
    assert LIMIT == 20


def test_p5_an_accepted_start_ends_the_row() -> None:
    case = Case()
    case.fail(LIMIT - 1)
    case.breaker.accepted(case.clock())
    case.fail(LIMIT - 1)
    assert case.heard() is None


def test_p5_refused_prompts_and_rate_limits_neither_count_nor_end_the_row() -> None:
    case = Case()
    for _ in range(LIMIT - 1):
        case.fail()
        case.breaker.answered(case.clock())
    assert case.heard() is None
    case.fail()
    assert case.heard() is not None


def test_b2_three_different_accounts_that_are_refused_open_it() -> None:
    case = Case()
    case.refuse("c1", "c2", "c1", "c2", "c1")
    assert case.heard() is None
    case.refuse("c3")
    found = case.heard()
    assert isinstance(found, StartRefused)
    assert found is not NOT_US
    assert (found.code, found.retry, found.retry_after) == ("upstream_auth_error", False, None)
    assert ACCOUNTS == 3


@pytest.mark.parametrize("well", ["accepted", "answered"])
def test_b2_an_account_that_was_taken_ends_the_row_of_refusals(well: str) -> None:
    case = Case()
    case.refuse("c1", "c2")
    getattr(case.breaker, well)(case.clock())
    case.refuse("c3", "c1")
    assert case.heard() is None


def test_b3_a_restricted_project_opens_it_for_five_minutes() -> None:
    case = opened_by("restricted")
    assert case.breaker.restricted_for() == RESTRICTED == 300.0
    case.clock.advance(RESTRICTED - 0.1)
    found = case.heard()
    assert isinstance(found, QuotaExhausted)
    assert (found.retry, found.retry_after) == (False, None)
    case.clock.advance(0.1)
    assert case.breaker.restricted_for() == 0.0
    assert case.heard() is None, "a probe"
    assert case.heard() is not None
    case.breaker.restricted(case.clock(), QUOTA)
    assert case.breaker.restricted_for() == RESTRICTED


# --- away: the keeper's own attempts, while nobody can serve


def test_p5_three_failures_of_the_keeper_open_it_while_nobody_can_serve() -> None:
    case = Case(serving=False)
    case.lose(AWAY - 1)
    assert case.heard(free=False) is None
    case.lose(1)
    found = case.heard(free=False)
    assert isinstance(found, UpstreamUnreachable)
    assert found.retry_after == PROBE_EVERY
    assert case.breaker.away
    assert case.breaker.trouble is not None


def test_p5_a_mass_loss_of_sockets_counts_once() -> None:
    case = Case(serving=False)
    case.lose(100, apart=0.0)
    assert not case.breaker.away
    case.clock.advance(APART)
    case.lose(100, apart=0.0)
    assert not case.breaker.away


def test_an_attempt_that_was_not_answered_for_long_is_enough() -> None:
    case = Case(serving=False)
    begun = case.clock()
    case.clock.advance(SLOW)
    case.breaker.unreached(begun)
    assert case.breaker.away


def test_a3_a17_what_the_keeper_fails_at_is_nobodys_trouble_while_an_account_serves() -> None:
    case = Case(serving=True)
    case.lose(100)
    assert case.heard() is None
    case.breaker.serving(False)
    assert case.heard() is None, "and it counts from then on only"
    case.lose(AWAY - 1)
    assert case.heard() is None


@pytest.mark.parametrize("back", [Breaker.reached, lambda breaker: breaker.serving(True)])
def test_the_first_attempt_that_gets_through_closes_it(back: Callable[[Breaker], object]) -> None:
    case = opened_by("away")
    back(case.breaker)
    assert case.heard() is None
    case.lose(AWAY - 1)
    assert case.heard() is None


def test_reached_says_whether_it_ended_an_absence() -> None:
    case = opened_by("away")
    assert case.breaker.reached()
    assert not case.breaker.reached()


def test_while_it_is_away_no_caller_is_a_probe() -> None:
    case = opened_by("away")
    case.clock.advance(1000.0)
    assert case.heard(free=True) is not None


def test_no_account_and_no_failure_is_no_absence() -> None:
    case = Case(serving=False)
    case.clock.advance(1000.0)
    case.breaker.serving(False)
    assert case.heard(free=False) is None


# --- open, and one caller at a time


@pytest.mark.parametrize("reason", ["starts", "accounts"])
def test_p5_one_caller_in_five_seconds_is_let_in(reason: str) -> None:
    case = opened_by(reason)
    let_in = []
    for tick in range(200):
        if case.heard() is None:
            let_in.append(tick / 10)
        assert case.heard() is not None
        case.clock.advance(0.1)
    assert let_in == pytest.approx([5.0, 10.0, 15.0])


def test_a_caller_that_could_not_begin_is_no_probe() -> None:
    case = opened_by("starts")
    case.clock.advance(PROBE_EVERY)
    assert case.heard(free=False) is not None
    assert case.breaker.state == "half_open"
    assert case.heard(free=True) is None
    assert case.breaker.state == "open"


def test_retry_after_is_the_time_until_the_next_probe_and_never_below_a_second() -> None:
    case = opened_by("starts")
    waits = []
    for _ in range(5):
        found = case.heard(free=False)
        assert found is not None
        waits.append(found.retry_after)
        case.clock.advance(1.5)
    assert waits == [5.0, 3.5, 2.0, 1.0, 1.0]


@pytest.mark.parametrize("reason", OF_STARTS)
@pytest.mark.parametrize("well", ["accepted", "answered"])
def test_a_probe_that_the_upstream_answers_closes_it(reason: str, well: str) -> None:
    case = opened_by(reason)
    case.clock.advance(RESTRICTED)
    getattr(case.breaker, well)(case.probed())
    assert [case.heard() for _ in range(10)] == [None] * 10
    assert case.breaker.trouble is None


@pytest.mark.parametrize("reason", OF_STARTS)
def test_a_probe_that_fails_keeps_it_open_until_the_next(reason: str) -> None:
    case = opened_by(reason)
    case.clock.advance(RESTRICTED)
    case.breaker.failed(case.probed())
    assert case.heard() is not None
    case.breaker.accepted(case.probed())
    assert case.heard() is None
    assert case.breaker.opened == {reason: 1}


def test_a_probe_that_is_lost_is_followed_by_the_next() -> None:
    case = opened_by("starts")
    case.probed()  # and its caller leaves, and nobody ever hears of it
    case.probed()


def test_a_probe_that_takes_longer_than_five_seconds_closes_it_all_the_same() -> None:
    """Or an upstream whose starts take six would be shut out for ever."""
    case = opened_by("starts")
    slow = case.probed()
    case.probed()
    case.clock.advance(1.0)
    case.breaker.accepted(slow)
    assert case.heard() is None


def test_a_refused_account_shows_that_the_upstream_is_back() -> None:
    case = opened_by("starts")
    case.breaker.refused(case.probed(), "c1", NOT_US)
    assert case.heard() is None
    case.refuse("c2", "c3")
    assert case.heard() is not None


def test_a_probe_that_meets_a_restriction_opens_it_for_that() -> None:
    case = opened_by("starts")
    case.breaker.restricted(case.probed(), QUOTA)
    assert isinstance(case.heard(), QuotaExhausted)
    assert case.breaker.opened == {"starts": 1, "restricted": 1}


# --- what is void


@pytest.mark.parametrize("reason", OF_STARTS)
@pytest.mark.parametrize("well", ["accepted", "answered"])
def test_starts_from_before_it_opened_do_not_close_it(reason: str, well: str) -> None:
    case = Case()
    early = case.clock()
    case.clock.advance(1.0)
    if reason == "starts":
        case.fail(LIMIT)
    elif reason == "accounts":
        case.refuse("c1", "c2", "c3")
    else:
        case.breaker.restricted(case.clock(), QUOTA)
    getattr(case.breaker, well)(early)
    assert case.heard() is not None


def test_starts_from_before_it_closed_do_not_open_it_again() -> None:
    """A hundred that hung time out one by one, while new ones work again."""
    case = opened_by("starts")
    early = case.clock()
    case.breaker.accepted(case.probed())
    for _ in range(100):
        case.breaker.failed(early)
        case.breaker.refused(early, "c1", NOT_US)
        case.breaker.restricted(early, QUOTA)
    assert case.heard() is None


def test_failures_while_it_is_open_are_not_counted() -> None:
    case = opened_by("starts")
    case.fail(100)
    case.breaker.accepted(case.probed())
    case.fail(LIMIT - 1)
    assert case.heard() is None


# --- for the operator


def test_b7_a_function_that_is_missing_is_trouble_until_a_start_is_accepted() -> None:
    case = Case()
    missing = StartRefused("no function", code="upstream_misconfigured", retry=False)
    case.breaker.misconfigured(case.clock(), missing)
    assert case.breaker.trouble is missing
    assert case.heard() is None
    case.breaker.accepted(case.clock())
    assert case.breaker.trouble is None


@pytest.mark.parametrize("reason", REASONS)
def test_while_it_is_open_its_reason_is_trouble(reason: str) -> None:
    case = opened_by(reason)
    assert case.breaker.trouble is not None


# --- any happenings in any order


class BreakerMachine(RuleBasedStateMachine):
    """Whatever happens: it opens for its reasons only, and an upstream that is well gets in."""

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock()
        self.breaker = Breaker(self.clock)
        self.told = 0
        self.breaker.on_open = self._opened
        self.able = False
        self.began = [self.clock()]
        self.let_in: list[float] = []

    def _opened(self) -> None:
        self.told += 1

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.9, 5.0, 61.0, 300.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(free=st.booleans())
    def call(self, free: bool) -> None:
        was_shut = self.breaker._open is not None or self.breaker.away
        fault = self.breaker.admit(free)
        if not was_shut:
            assert fault is None
        if fault is None:
            self.began.append(self.clock())
            if was_shut:
                assert free
                assert not self.breaker.away
                self.let_in.append(self.clock())
        else:
            assert fault.retry_after is None or fault.retry_after >= 1

    def _some(self, data: st.DataObject) -> float:
        return data.draw(st.sampled_from(self.began[-5:]))

    @rule(data=st.data(), times=st.sampled_from([1, LIMIT]))
    def fail(self, data: st.DataObject, times: int) -> None:
        began = self._some(data)
        for _ in range(times):
            self.breaker.failed(began)

    @rule(data=st.data(), account=st.sampled_from(["c1", "c2", "c3", "c4"]))
    def refuse(self, data: st.DataObject, account: str) -> None:
        self.breaker.refused(self._some(data), account, NOT_US)

    @rule(data=st.data())
    def restrict(self, data: st.DataObject) -> None:
        self.breaker.restricted(self._some(data), QUOTA)

    @rule(data=st.data(), how=st.sampled_from(["accepted", "answered"]))
    def answer(self, data: st.DataObject, how: str) -> None:
        getattr(self.breaker, how)(self._some(data))

    @rule(able=st.booleans())
    def serve(self, able: bool) -> None:
        self.able = able
        self.breaker.serving(able)

    @rule(seconds=st.sampled_from([0.0, SLOW]))
    def miss(self, seconds: float) -> None:
        self.breaker.unreached(self.clock() - seconds)

    @rule()
    def reach(self) -> None:
        self.breaker.reached()
        assert not self.breaker.away

    @invariant()
    def nobody_is_turned_away_for_the_keepers_troubles_while_an_account_serves(self) -> None:
        assert not (self.able and self.breaker.away)

    @invariant()
    def probes_are_apart(self) -> None:
        pairs = zip(self.let_in, self.let_in[1:], strict=False)
        assert all(later - earlier >= PROBE_EVERY - 1e-9 for earlier, later in pairs)

    @invariant()
    def it_says_when_it_opens_and_never_in_vain(self) -> None:
        shut = self.breaker.state != "closed"
        assert (self.breaker.trouble is not None) == shut
        assert self.told >= sum(self.breaker.opened.values())
        assert not shut or self.told > 0

    def teardown(self) -> None:
        """However it stands: an upstream that is well from now on is served again in time."""
        if not hasattr(self, "breaker"):
            return
        self.breaker.reached()
        self.breaker.serving(True)
        self.clock.advance(self.breaker.restricted_for())
        for _ in range(2):
            self.clock.advance(PROBE_EVERY)
            if self.breaker.admit(True) is None:
                self.breaker.accepted(self.clock())
        assert self.breaker.state == "closed"
        assert self.breaker.admit(True) is None


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
