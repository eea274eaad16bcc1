"""Who may run where: the pool against a clock that the test turns, and sockets that do nothing."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from langfast_wsgi.errors import (
    GatewayError,
    NoCredentials,
    QuotaExhausted,
    RateLimited,
    SessionRefused,
    SignUpRefused,
    StartRefused,
    TooManyRuns,
)
from langfast_wsgi.providers.langfast.breaker import APART, AWAY, LIMIT, PROBE_EVERY
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.turn import Lease, Turn
from tests.support.builders import StubSocket, grant
from tests.support.clock import FakeClock

MAX_AGE = 240.0
PATIENCE = 10.0
QUOTA = QuotaExhausted("quota")
RATE = RateLimited("rate")
REFUSED = StartRefused("not us", code="upstream_auth_error", retry=False)


class Case:
    """A pool, its clock, and its sockets."""

    def __init__(self, least: int = 1, most: int = 10, runs: int = 2, *, apart: bool = True):
        self.clock = FakeClock()
        self.pool = Pool(least, most, runs, clock=self.clock)
        self.changes = 0
        self.pool.on_change = self._changed
        if apart:
            self.pool.learn(True)

    def _changed(self) -> None:
        assert not self.pool._lock.locked(), "on_change must be called outside the lock"
        self.changes += 1

    def account(self, number: int = 1, lifetime: float = 3600.0) -> tuple[Credential, StubSocket]:
        """One more, connected."""
        credential = self.pool.add(grant(number, lifetime))
        return credential, self.connect(credential)

    def connect(self, credential: Credential) -> StubSocket:
        socket = StubSocket()
        self.pool.connected(credential, socket, MAX_AGE)
        return socket

    def lease(self) -> Lease:
        lease = self.pool.turn().wait(0)
        assert lease is not None
        return lease

    def to_close(self) -> list[object]:
        return list(self.pool.to_close())


def waiting(turn: Turn) -> bool:
    return turn.wait(0) is None


def fault(turn: Turn) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        turn.wait(0)
    return caught.value


# --- places


def test_a_caller_gets_a_place_at_once_where_one_is_free() -> None:
    case = Case()
    credential, socket = case.account()
    lease = case.lease()
    assert (lease.credential, lease.socket) == (credential, socket)
    assert (credential.in_flight, socket.runs) == (1, 1)


def test_no_more_runs_share_an_account_than_the_setting_allows() -> None:
    case = Case(runs=2)
    case.account()
    case.lease()
    case.lease()
    assert waiting(case.pool.turn())


@pytest.mark.parametrize("apart", [None, False])
def test_an_account_carries_one_run_until_runs_can_be_told_apart(apart: bool | None) -> None:
    case = Case(runs=2, apart=False)
    case.account()
    if apart is not None:
        case.pool.learn(apart)
    case.lease()
    turn = case.pool.turn()
    assert waiting(turn)
    case.pool.learn(True)
    assert not waiting(turn)


def test_callers_are_served_first_come_first_served() -> None:
    case = Case(runs=1)
    case.account()
    lease = case.lease()
    turns = [case.pool.turn() for _ in range(3)]
    for number, turn in enumerate(turns):
        lease.close()
        assert [waiting(other) for other in turns[number:]] == [False, True, True][: 3 - number]
        lease = turn.take()


def test_a_caller_that_left_the_line_is_passed_over() -> None:
    case = Case(runs=1)
    case.account()
    lease = case.lease()
    with case.pool.turn() as first:
        second = case.pool.turn()
        assert waiting(first)
    lease.close()
    assert not waiting(second)
    assert case.pool.census()["waiting"] == 0


def test_a_place_whose_caller_left_in_the_same_instant_goes_to_the_next() -> None:
    case = Case(runs=1)
    case.account()
    lease = case.lease()
    with case.pool.turn():
        second = case.pool.turn()
        lease.close()  # the first turn has the place now, and nobody takes it
    assert not waiting(second)


def test_a_lease_that_is_closed_twice_gives_one_place_back() -> None:
    case = Case(runs=2)
    credential, socket = case.account()
    first, _ = case.lease(), case.lease()
    first.close()
    first.close()
    assert (credential.in_flight, socket.runs) == (1, 1)
    case.lease()
    assert waiting(case.pool.turn())


def test_accounts_share_the_load() -> None:
    case = Case(runs=3)
    accounts = [case.account(number)[0] for number in range(3)]
    for _ in range(6):
        case.lease()
    assert [credential.in_flight for credential in accounts] == [2, 2, 2]


def test_equally_loaded_accounts_take_turns() -> None:
    case = Case()
    for number in range(3):
        case.account(number)
    names = []
    for _ in range(6):
        with case.lease() as lease:
            names.append(lease.credential.name)
    assert names == ["c1", "c2", "c3"] * 2


def test_an_account_without_a_socket_carries_nothing_until_it_has_one() -> None:
    case = Case()
    credential = case.pool.add(grant())
    turn = case.pool.turn()
    assert waiting(turn)
    case.connect(credential)
    assert not waiting(turn)


def test_a17_an_account_whose_token_expired_rests_and_is_not_replaced_because_of_it() -> None:
    case = Case()
    credential, _ = case.account(lifetime=100.0)
    case.clock.advance(100.0)
    turn = case.pool.turn()
    assert waiting(turn)
    assert case.pool.missing(0) == 0
    case.pool.renew(credential, grant(2))
    assert not waiting(turn)


def test_an_account_that_rested_is_used_again_when_its_time_is_over() -> None:
    case = Case()
    credential, _ = case.account()
    case.pool.cool(credential, PATIENCE, REFUSED)
    turn = case.pool.turn()
    assert waiting(turn)
    case.clock.advance(PATIENCE)
    case.pool.credentials()  # the keeper looks once a second
    assert not waiting(turn)


# --- where waiting has no point


def test_where_all_rest_for_their_rate_limit_callers_hear_it_at_once() -> None:
    case = Case()
    first, second = case.account(1)[0], case.account(2)[0]
    case.pool.cool(first, 50.0, RATE)
    case.pool.cool(second, 20.0, RATE)
    case.clock.advance(5.0)
    found = fault(case.pool.turn())
    assert isinstance(found, RateLimited)
    assert found is not RATE
    assert found.retry_after == 15.0


def test_those_in_line_hear_it_too_when_the_last_account_begins_to_rest() -> None:
    case = Case(runs=1)
    credential, _ = case.account()
    case.lease()
    turn = case.pool.turn()
    assert waiting(turn)
    case.pool.cool(credential, 5.0, RATE)
    assert isinstance(fault(turn), RateLimited)


def test_the_soonest_retry_after_is_never_below_a_second() -> None:
    case = Case()
    case.pool.cool(case.account()[0], 0.2, RATE)
    assert fault(case.pool.turn()).retry_after == 1.0


def test_a_quota_that_is_used_up_names_no_time() -> None:
    case = Case()
    case.pool.cool(case.account()[0], 3600.0, QUOTA)
    found = fault(case.pool.turn())
    assert isinstance(found, QuotaExhausted)
    assert found.retry_after is None


def test_the_account_that_rests_the_shortest_says_what_callers_hear() -> None:
    case = Case()
    case.pool.cool(case.account(1)[0], 3600.0, QUOTA)
    case.pool.cool(case.account(2)[0], 30.0, RATE)
    assert isinstance(fault(case.pool.turn()), RateLimited)


def test_where_one_account_does_not_rest_callers_wait_for_it() -> None:
    case = Case()
    case.pool.cool(case.account(1)[0], 50.0, RATE)
    case.pool.add(grant(2))  # not connected yet
    assert waiting(case.pool.turn())


def test_a_shorter_rest_does_not_cut_a_longer_one() -> None:
    case = Case()
    credential, _ = case.account()
    case.pool.cool(credential, 3600.0, QUOTA)
    case.pool.cool(credential, 5.0, RATE)
    assert credential.cooling_until == case.clock() + 3600.0


def test_a_shorter_rest_for_another_reason_does_not_hide_that_the_quota_is_used_up() -> None:
    """A second run of the account, refused for its token, must not open the way to sign-ups."""
    case = Case(least=2)
    credential, _ = case.account()
    case.pool.cool(credential, 3600.0, QUOTA)
    case.pool.cool(credential, 60.0, REFUSED)
    assert case.pool.missing(0) == 0
    assert isinstance(fault(case.pool.turn()), QuotaExhausted)


def test_a_shorter_rate_limit_does_not_pass_for_the_quotas_rest() -> None:
    case = Case()
    credential, _ = case.account()
    case.pool.cool(credential, 3600.0, QUOTA)
    case.pool.cool(credential, 5.0, RATE)
    assert isinstance(fault(case.pool.turn()), QuotaExhausted)


def test_without_an_account_callers_hear_why_there_will_be_none() -> None:
    case = Case()
    turn = case.pool.turn()
    assert waiting(turn)
    no = SignUpRefused("captcha", code="upstream_captcha_required", retry=False)
    case.pool.halt(no)
    for one in (turn, case.pool.turn()):
        found = fault(one)
        assert found is not no
        assert (found.code, found.retry) == ("upstream_captcha_required", False)


def test_a_halt_does_not_hurt_accounts_that_there_are() -> None:
    case = Case()
    case.account()
    case.pool.halt(SignUpRefused("captcha", retry=False))
    case.lease()


def test_an_account_that_came_after_all_ends_a_halt() -> None:
    case = Case(least=2)
    case.pool.halt(SignUpRefused("no", retry=False))
    assert case.pool.missing(0) == 0
    case.account()
    assert case.pool.missing(0) == 1


@pytest.mark.parametrize("waits", [True, False])
def test_b2_where_every_account_is_refused_for_longer_than_callers_wait_they_hear_it_at_once(
    waits: bool,
) -> None:
    case = Case(runs=1)
    credential, _ = case.account()
    case.lease()
    turn = case.pool.turn() if waits else None
    case.pool.cool(credential, PATIENCE + 1, REFUSED)
    found = fault(turn or case.pool.turn())
    assert (found.code, found.retry) == ("upstream_auth_error", False)


def refused_case(*others: GatewayError) -> tuple[Case, Credential]:
    """An account that was refused just now; the others rest for what is given."""
    case = Case(runs=1)
    for number, why in enumerate(others, 2):
        credential, _ = case.account(number)
        case.pool.cool(credential, 60, why)
    credential, _ = case.account()
    case.pool.cool(credential, 60, REFUSED)
    return case, credential


@pytest.mark.parametrize("others", [[], [REFUSED], [REFUSED] * 4])
def test_b2_while_all_are_refused_one_caller_every_few_seconds_tries_one(
    others: list[GatewayError],
) -> None:
    case, _ = refused_case(*others)
    for _ in range(3):
        assert fault(case.pool.turn()) is not REFUSED
        case.clock.advance(PROBE_EVERY)
        tries = case.lease()
        for _ in range(2):
            assert fault(case.pool.turn()).code == "upstream_auth_error"
        case.pool.cool(tries.credential, 60, REFUSED)
        tries.close()


def test_b2_an_account_that_is_taken_again_serves_at_once() -> None:
    case, credential = refused_case()
    case.clock.advance(PROBE_EVERY)
    tries = case.lease()
    turn = case.pool.turn(places=1)
    assert fault(turn).code == "upstream_auth_error"
    case.pool.accepted(credential)
    turn = case.pool.turn()
    assert waiting(turn), "its place is taken"
    tries.close()
    assert turn.take().credential is credential


@pytest.mark.parametrize("limit", [QUOTA, RATE])
def test_b2_b4_an_account_that_rests_for_a_limit_is_not_tried(limit: GatewayError) -> None:
    case, credential = refused_case(limit)
    case.pool.cool(credential, 30, limit)
    case.clock.advance(PROBE_EVERY)
    assert fault(case.pool.turn()).code == limit.code
    case.clock.advance(30)
    assert case.lease().credential is credential
    case.pool.accepted(credential)
    assert case.pool.census()["cooling"] == 1


def test_b2_an_account_that_was_refused_rests_while_another_serves() -> None:
    case, _ = refused_case()
    case.account(2)
    case.lease()
    case.clock.advance(PROBE_EVERY)
    assert waiting(case.pool.turn())


def test_b2_a_start_that_was_accepted_ends_no_rest_for_a_limit() -> None:
    case, credential = refused_case()
    case.pool.cool(credential, 30, RATE)
    case.pool.accepted(credential)
    for _ in range(2):
        assert fault(case.pool.turn()).code == "rate_limit_exceeded"
        assert case.pool.missing(0) == 0
        case.clock.advance(PROBE_EVERY)
    case.clock.advance(30 - 2 * PROBE_EVERY)
    case.lease()


def test_b2_one_that_is_accepted_serves_who_waits_at_once() -> None:
    case = Case(runs=2)
    credential, _ = case.account()
    case.lease()
    case.pool.cool(credential, PATIENCE, REFUSED)
    turn = case.pool.turn()
    assert waiting(turn)
    case.pool.accepted(credential)
    assert turn.take().credential is credential


def test_b2_while_one_caller_tries_nobody_else_does() -> None:
    case, _ = refused_case(REFUSED)
    case.clock.advance(PROBE_EVERY)
    case.lease()
    case.clock.advance(PROBE_EVERY - 0.1)
    assert fault(case.pool.turn()).code == "upstream_auth_error"
    case.clock.advance(0.1)
    case.lease()


def between_sockets(case: Case) -> Callable[[], object]:
    other, socket = case.account(2)
    case.pool.disconnected(other, socket)
    return lambda: case.connect(other)


def between_tokens(case: Case) -> Callable[[], object]:
    other, _ = case.account(2, lifetime=PROBE_EVERY)
    return lambda: case.pool.renew(other, grant(3))


def at_the_end_of_a_limit(case: Case) -> Callable[[], object]:
    other, _ = case.account(2)
    case.pool.cool(other, PROBE_EVERY + PATIENCE, RATE)

    def ends() -> None:
        case.clock.advance(PATIENCE)
        case.pool.credentials()

    return ends


@pytest.mark.parametrize("away", [between_sockets, between_tokens, at_the_end_of_a_limit])
def test_b2_no_refused_account_is_tried_where_another_is_back_in_a_moment(
    away: Callable[[Case], Callable[[], object]],
) -> None:
    case, credential = refused_case()
    comes_back = away(case)
    case.clock.advance(PROBE_EVERY)
    turn = case.pool.turn()
    assert waiting(turn)
    comes_back()
    assert turn.take().credential is not credential


@pytest.mark.parametrize("trouble", ["no socket", "no token"])
def test_b2_a_refused_account_is_tried_where_the_other_has_troubles_of_its_own(
    trouble: str,
) -> None:
    case, credential = refused_case()
    other, socket = case.account(2, lifetime=PROBE_EVERY)
    if trouble == "no socket":
        case.pool.disconnected(other, socket)
        case.pool.connect_failed(other, case.clock() + 1, None)
    else:
        other.refresh_fails = True
    case.clock.advance(PROBE_EVERY)
    assert case.lease().credential is credential


def test_b2_a_caller_that_wants_several_places_tries_one_account_only() -> None:
    case = Case(runs=4)
    for number in range(3):
        credential, _ = case.account(number + 1)
        case.pool.cool(credential, 60, REFUSED)
    case.clock.advance(PROBE_EVERY)
    assert fault(case.pool.turn(places=5)).code == "upstream_auth_error"
    leases = case.pool.turn(places=4).take_all()
    assert len(leases) == 4
    assert len({lease.credential for lease in leases}) == 1


def test_a10_where_the_budget_is_used_up_for_longer_than_callers_wait_they_hear_it_at_once() -> (
    None
):
    case = Case()
    case.pool.trouble = NoCredentials("The sign-up budget is used up.")
    case.pool.sign_ups_from = case.clock() + PATIENCE
    assert waiting(case.pool.turn())
    case.pool.sign_ups_from += 3000
    found = fault(case.pool.turn())
    assert (found.code, found.retry) == ("no_credentials_available", False)
    assert found.retry_after == 3010


# --- the breaker


def test_p5_callers_in_line_are_released_when_it_opens() -> None:
    case = Case(runs=1)
    case.account()
    case.lease()
    turns = [case.pool.turn() for _ in range(3)]
    for _ in range(LIMIT):
        case.pool.breaker.failed(case.clock())
    assert {fault(turn).code for turn in turns} == {"upstream_unavailable"}
    assert case.pool.census()["waiting"] == 0
    assert fault(case.pool.turn()).status == 503


def test_p5_one_caller_probes_and_gets_the_place_and_all_are_served_when_it_closes() -> None:
    case = Case(runs=4)
    case.account()
    for _ in range(LIMIT):
        case.pool.breaker.failed(case.clock())
    case.clock.advance(PROBE_EVERY)
    probe = case.lease()
    assert fault(case.pool.turn()).retry_after == PROBE_EVERY
    case.pool.breaker.accepted(case.clock())
    case.lease()
    probe.close()


def test_p5_a_probe_that_leaves_before_it_takes_its_place_leaks_nothing() -> None:
    case = Case()
    credential, socket = case.account()
    for _ in range(LIMIT):
        case.pool.breaker.failed(case.clock())
    case.clock.advance(PROBE_EVERY)
    with case.pool.turn():
        pass
    assert (credential.in_flight, socket.runs) == (0, 0)
    case.clock.advance(PROBE_EVERY)
    case.lease()


def lose_touch(case: Case) -> None:
    for _ in range(AWAY):
        case.pool.breaker.unreached(case.clock())
        case.clock.advance(APART)


def test_p5_where_nobody_can_be_reached_those_in_line_hear_it_and_an_account_ends_it() -> None:
    case = Case()
    turn = case.pool.turn()
    assert waiting(turn)
    lose_touch(case)
    assert fault(turn).code == "upstream_unavailable"
    assert case.pool.breaker.trouble is not None
    case.account()
    case.lease()
    assert case.pool.breaker.trouble is None


def test_while_an_account_serves_nobody_hears_of_what_the_keeper_fails_at() -> None:
    case = Case(runs=1)
    case.account()
    lose_touch(case)
    case.lease()
    assert waiting(case.pool.turn())


def test_a_pool_without_a_least_tries_for_an_account_while_it_turns_callers_away() -> None:
    """Or nobody would ever find out that the upstream is back."""
    case = Case(least=0)
    case.pool.turn()
    assert case.pool.missing(0) == 1
    lose_touch(case)
    assert case.pool.missing(0) == 1
    case.clock.advance(PATIENCE)
    assert case.pool.missing(0) == 0
    assert fault(case.pool.turn()).code == "upstream_unavailable"
    assert case.pool.missing(0) == 1
    assert case.pool.missing(1) == 0


def test_a_pool_without_a_least_that_lost_its_account_while_starts_failed_gets_another() -> None:
    """Or there would never be a place for a probe."""
    case = Case(least=0)
    credential, _ = case.account()
    for _ in range(LIMIT):
        case.pool.breaker.failed(case.clock())
    case.pool.drop(credential)
    case.clock.advance(3600)
    assert case.pool.missing(0) == 0
    assert fault(case.pool.turn()).code == "upstream_unavailable"
    assert case.pool.missing(0) == 1
    case.account(2)
    case.lease()


def test_being_turned_away_for_starts_that_fail_is_no_reason_for_another_account() -> None:
    case = Case(least=1, runs=1)
    case.account()
    case.lease()
    for _ in range(LIMIT):
        case.pool.breaker.failed(case.clock())
    fault(case.pool.turn())
    assert case.pool.missing(0) == 0


def test_b3_a_restricted_project_is_a_rest_for_all() -> None:
    case = Case(least=2)
    case.account(1)
    case.account(2)
    assert case.pool.all_rest_for() == 0.0
    case.pool.breaker.restricted(case.clock(), QUOTA)
    assert case.pool.all_rest_for() == 300.0
    assert isinstance(fault(case.pool.turn()), QuotaExhausted)


def test_a_caller_that_is_turned_away_does_not_wake_the_keeper() -> None:
    case = Case()
    case.account()
    for _ in range(LIMIT):
        case.pool.breaker.failed(case.clock())
    before = case.changes
    fault(case.pool.turn())
    assert case.changes == before


# --- what a caller hears that waited too long


def test_a_caller_that_waited_too_long_hears_that_all_places_are_taken() -> None:
    case = Case(runs=1)
    case.account()
    case.lease()
    found = case.pool.overdue()
    assert isinstance(found, TooManyRuns)
    assert found.retry_after == 1


def test_a_caller_that_waited_too_long_hears_when_those_before_it_will_be_served() -> None:
    case = Case(runs=1)
    case.account()
    for _ in range(5):
        case.lease().close()
    case.lease()
    case.clock.advance(10)
    waiting = [case.pool.turn() for _ in range(4)]
    assert case.pool.overdue().retry_after == 8, "four wait, one is served every two seconds"
    for turn in waiting:
        turn.__exit__(None, None, None)


def test_places_go_round_the_callers_that_wait() -> None:
    case = Case(runs=1)
    case.account()
    held = case.lease()
    greedy = [case.pool.turn("greedy") for _ in range(3)]
    modest = case.pool.turn("modest")
    order: list[str] = []
    for _ in range(4):
        held.close()
        for name, turn in [*(("greedy", one) for one in greedy), ("modest", modest)]:
            if turn.lease is not None:
                held = turn.take()
                order.append(name)
    assert order == ["greedy", "modest", "greedy", "greedy"]


def test_a_caller_that_waited_too_long_hears_that_there_is_no_account() -> None:
    found = Case().pool.overdue()
    assert isinstance(found, NoCredentials)
    assert (found.retry_after, found.retry) == (5, None)


@pytest.mark.parametrize(
    ("hold", "after", "retry"), [(1.0, 5, None), (60.0, 60, None), (61.0, 61, False)]
)
def test_a_caller_without_an_account_hears_when_the_next_one_may_come(
    hold: float, after: float, retry: bool | None
) -> None:
    case = Case()
    case.pool.sign_ups_from = case.clock() + hold
    found = case.pool.overdue()
    assert (found.retry_after, found.retry) == (after, retry)


def test_a_caller_that_waited_too_long_hears_that_the_sockets_refuse_us() -> None:
    case = Case()
    case.pool.add(grant(1))
    credential = case.pool.add(grant(2))
    no = SessionRefused("no")
    case.pool.connect_failed(credential, case.clock() + 1, no)
    found = case.pool.overdue()
    assert isinstance(found, SessionRefused)
    assert found is not no
    case.connect(credential)
    assert isinstance(case.pool.overdue(), TooManyRuns)


# --- how many accounts there should be


def test_the_pool_is_filled_to_the_least() -> None:
    case = Case(least=3)
    assert case.pool.missing(0) == 3
    assert case.pool.missing(2) == 1
    case.pool.add(grant(1))
    assert case.pool.missing(1) == 1
    assert case.pool.missing(2) == 0
    assert case.pool.missing(9) == 0


@pytest.mark.parametrize(
    ("waiting", "missing"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (100, 3)]
)
def test_the_pool_grows_with_the_line_up_to_the_most(waiting: int, missing: int) -> None:
    case = Case(least=1, most=4, runs=2)
    case.account()
    for _ in range(2):
        case.lease()
    for _ in range(waiting):
        case.pool.turn()
    assert case.pool.missing(0) == missing


def test_the_pool_does_not_grow_before_it_is_known_how_many_runs_an_account_carries() -> None:
    case = Case(least=1, most=4, runs=2, apart=False)
    case.account()
    for _ in range(9):
        case.pool.turn()
    assert case.pool.missing(0) == 0
    case.pool.learn(False)
    assert case.pool.missing(0) == 3


def test_the_most_wins_over_the_least() -> None:
    assert Case(least=5, most=2).pool.missing(0) == 2


def test_a_pool_of_none_wants_none_whatever_the_line() -> None:
    case = Case(least=0, most=0)
    case.pool.turn()
    assert case.pool.missing(0) == 0


@pytest.mark.parametrize("no", [QUOTA, RATE])
def test_b4_b5_nobody_is_signed_up_while_an_account_rests_for_its_quota(no: GatewayError) -> None:
    case = Case(least=3, runs=1)
    case.account(1)
    credential = case.account(2)[0]
    case.lease()
    case.pool.cool(credential, 10.0, no)
    for _ in range(5):
        case.pool.turn()
    assert case.pool.missing(0) == 0
    case.clock.advance(10.0)
    case.pool.credentials()
    assert case.pool.missing(0) > 0


def test_resting_for_another_reason_keeps_nobody_from_signing_up() -> None:
    case = Case(least=2)
    case.pool.cool(case.account()[0], 60.0, REFUSED)
    assert case.pool.missing(0) == 1


def test_a_dropped_account_is_replaced() -> None:
    case = Case(least=1)
    credential, _ = case.account()
    assert case.pool.missing(0) == 0
    case.pool.drop(credential)
    assert case.pool.missing(0) == 1


# --- sockets


def test_a_replaced_socket_without_runs_is_closed_at_once() -> None:
    case = Case()
    credential, old = case.account()
    new = case.connect(credential)
    assert case.to_close() == [old]
    assert credential.socket is new
    assert credential.replace_at == case.clock() + MAX_AGE


def test_a_replaced_socket_is_closed_when_its_last_run_ends() -> None:
    case = Case(runs=3)
    credential, old = case.account()
    first, second = case.lease(), case.lease()
    new = case.connect(credential)
    third = case.lease()
    assert third.socket is new
    first.close()
    assert case.to_close() == []
    before = case.changes
    second.close()
    assert case.changes == before + 1, "the keeper is told that there is something to close"
    assert case.to_close() == [old]
    third.close()
    assert case.to_close() == []
    assert (old.runs, new.runs, credential.in_flight) == (0, 0, 0)


def test_a_socket_that_went_away_is_let_go_and_another_is_due_at_once() -> None:
    case = Case()
    credential, socket = case.account()
    case.clock.advance(30.0)
    assert case.pool.disconnected(credential, socket)
    assert credential.socket is None
    assert credential.connect_at == case.clock()
    assert case.to_close() == [socket]
    assert waiting(case.pool.turn())


def test_a_run_on_a_socket_that_went_away_keeps_its_place() -> None:
    case = Case(runs=1)
    credential, socket = case.account()
    lease = case.lease()
    case.pool.disconnected(credential, socket)
    case.connect(credential)
    turn = case.pool.turn()
    assert waiting(turn)
    lease.close()
    assert not waiting(turn)


def test_the_end_of_an_old_socket_changes_nothing() -> None:
    case = Case()
    credential, old = case.account()
    new = case.connect(credential)
    assert not case.pool.disconnected(credential, old)
    assert credential.socket is new
    assert not case.pool.disconnected(credential, old)


def test_a_failed_attempt_says_when_the_next_one_is_due() -> None:
    case = Case()
    credential = case.pool.add(grant())
    assert case.pool.claim(credential, "connecting")
    case.pool.connect_failed(credential, case.clock() + 7, None)
    assert credential.connect_at == case.clock() + 7
    assert credential.connect_failures == 1
    assert not credential.connecting
    case.connect(credential)
    assert credential.connect_failures == 0


def test_a_failed_replacement_keeps_the_socket_and_is_tried_again_later() -> None:
    case = Case()
    credential, socket = case.account()
    case.clock.advance(MAX_AGE)
    case.pool.connect_failed(credential, case.clock() + 3, None)
    assert credential.socket is socket
    assert credential.replace_at == case.clock() + 3
    case.lease()


# --- accounts that are known no more


def test_a_dropped_account_gets_no_runs_and_its_idle_socket_is_closed() -> None:
    case = Case()
    credential, socket = case.account()
    case.pool.drop(credential)
    assert case.pool.credentials() == []
    assert case.to_close() == [socket]
    assert waiting(case.pool.turn())


def test_the_runs_of_a_dropped_account_go_on_to_their_end() -> None:
    case = Case()
    credential, socket = case.account()
    lease = case.lease()
    case.pool.drop(credential)
    assert case.to_close() == []
    lease.close()
    assert case.to_close() == [socket]


def test_dropping_an_account_twice_does_no_harm() -> None:
    case = Case()
    credential, socket = case.account()
    case.pool.drop(credential)
    case.pool.drop(credential)
    assert case.to_close() == [socket]


def test_a_socket_that_comes_for_a_dropped_account_is_closed() -> None:
    case = Case()
    credential = case.pool.add(grant())
    case.pool.drop(credential)
    socket = case.connect(credential)
    assert case.to_close() == [socket]
    assert credential.socket is None


def test_where_the_last_account_is_dropped_callers_hear_of_a_halt() -> None:
    case = Case()
    credential, _ = case.account()
    case.pool.halt(SignUpRefused("captcha", retry=False))
    case.pool.drop(credential)
    assert isinstance(fault(case.pool.turn()), SignUpRefused)


# --- tasks, figures


@pytest.mark.parametrize("task", ["connecting", "refreshing"])
def test_a_task_is_claimed_once_until_it_is_done(task: str) -> None:
    case = Case()
    credential = case.pool.add(grant())
    assert case.pool.claim(credential, task)
    assert not case.pool.claim(credential, task)
    case.pool.done(credential, task)
    assert case.pool.claim(credential, task)


def test_the_census_counts_each_account_once() -> None:
    case = Case(runs=1)
    busy, cooling = case.account(1)[0], case.account(2)[0]
    case.account(3)
    case.pool.add(grant(4))
    expired = case.account(5, lifetime=10.0)[0]
    case.clock.advance(10.0)
    assert case.lease().credential is busy
    case.pool.cool(cooling, 60.0, REFUSED)
    assert case.pool.census() == {
        "ready": 1,
        "busy": 1,
        "cooling": 1,
        "connecting": 2,
        "taken": 1,
        "waiting": 0,
    }
    case.lease()
    case.pool.turn()
    assert case.pool.census()["waiting"] == 1
    assert expired.socket is not None


def test_the_keeper_is_told_of_every_change_that_may_concern_it() -> None:
    case = Case(runs=1)
    credential, _ = case.account()
    events: list[Callable[[], object]] = [
        lambda: case.pool.add(grant(2)),
        lambda: case.pool.renew(credential, grant(3)),
        lambda: case.connect(credential),
        lambda: case.pool.connect_failed(credential, 0.0, None),
        lambda: case.pool.disconnected(credential, credential.socket),  # type: ignore[arg-type]
        lambda: case.pool.cool(credential, 1.0, REFUSED),
        lambda: case.pool.drop(credential),
        case.pool.turn,  # nobody can serve it
    ]
    for event in events:
        before = case.changes
        event()
        assert case.changes == before + 1


def test_a_lease_or_a_served_turn_is_no_news_for_the_keeper() -> None:
    case = Case()
    case.account()
    before = case.changes
    case.lease().close()
    assert case.changes == before


def test_many_threads_never_share_a_place() -> None:
    case = Case(runs=2)
    accounts = [case.account(number)[0] for number in range(2)]
    worst, served = [0], [0]
    lock = threading.Lock()

    def call() -> None:
        for _ in range(60):
            with case.pool.turn() as turn:
                assert turn.wait(5.0) is not None
                with turn.take(), lock:
                    worst[0] = max(worst[0], *(one.in_flight for one in accounts))
                    served[0] += 1

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert served == [720]
    assert worst[0] <= 2
    assert [one.in_flight for one in accounts] == [0, 0]


# --- any operations in any order


class PoolMachine(RuleBasedStateMachine):
    """Random operations; what must always hold is checked after each."""

    RUNS = 2
    accounts = Bundle("accounts")
    dropped = Bundle("dropped")
    turns = Bundle("turns")

    @initialize(most=st.integers(1, 3))
    def begin(self, most: int) -> None:
        self.clock = FakeClock()
        self.pool = Pool(1, most, self.RUNS, clock=self.clock)
        self.all: list[Credential] = []
        self.sockets: dict[int, tuple[StubSocket, bool]] = {}  # with: did it die by itself
        self.open: list[Turn] = []
        self.leases: list[Lease] = []

    @rule(target=accounts, lifetime=st.sampled_from([50.0, 3600.0]))
    def add(self, lifetime: float) -> object:
        if self.pool.missing(0) == 0 and len(self.all) > 4:
            return multiple()
        credential = self.pool.add(grant(len(self.all), lifetime))
        self.all.append(credential)
        return credential

    @rule(credential=accounts | dropped)
    def connect(self, credential: Credential) -> None:
        socket = StubSocket()
        self.sockets[id(socket)] = (socket, False)
        self.pool.connected(credential, socket, MAX_AGE)

    @rule(credential=accounts | dropped)
    def die(self, credential: Credential) -> None:
        socket = credential.socket
        if isinstance(socket, StubSocket):
            self.sockets[id(socket)] = (socket, True)
            self.pool.disconnected(credential, socket)

    @rule(credential=accounts)
    def fail_to_connect(self, credential: Credential) -> None:
        self.pool.connect_failed(credential, self.clock() + 1, SessionRefused("no"))

    @rule(credential=accounts)
    def refresh(self, credential: Credential) -> None:
        self.pool.renew(credential, grant(9))

    @rule(credential=accounts, seconds=st.sampled_from([5.0, 100.0]))
    def rest(self, credential: Credential, seconds: float) -> None:
        self.pool.cool(credential, seconds, RATE if seconds < 60 else QUOTA)

    @rule(target=dropped, credential=consumes(accounts))
    def drop(self, credential: Credential) -> Credential:
        self.pool.drop(credential)
        return credential

    @rule(what=st.sampled_from(["failed", "unreached", "accepted"]))
    def tell_the_breaker(self, what: str) -> None:
        for _ in range(LIMIT):
            getattr(self.pool.breaker, what)(self.clock())
        if what == "unreached":
            self.clock.advance(APART)

    @rule(apart=st.booleans())
    def learn(self, apart: bool) -> None:
        self.pool.learn(apart)

    @rule(seconds=st.sampled_from([1.0, 10.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.pool.credentials()

    @rule(target=turns)
    def queue(self) -> Turn:
        turn = self.pool.turn()
        self.open.append(turn)
        return turn

    @rule(turn=consumes(turns))
    def leave_or_take(self, turn: Turn) -> None:
        self.open.remove(turn)
        try:
            lease = turn.wait(0)
        except GatewayError:
            return
        if lease is None:
            turn.__exit__(None, None, None)
        else:
            self.leases.append(turn.take())

    @rule(data=st.data(), twice=st.booleans())
    def end_a_run(self, data: st.DataObject, twice: bool) -> None:
        if self.leases:
            lease = self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))
            lease.close()
            if twice:
                lease.close()

    @rule()
    def close_what_is_released(self) -> None:
        for socket in self.pool.to_close():
            socket.close()

    def held(self) -> list[Lease]:
        return self.leases + [turn.lease for turn in self.open if turn.lease is not None]

    @invariant()
    def places_add_up(self) -> None:
        for credential in self.all:
            mine = [lease for lease in self.held() if lease.credential is credential]
            assert credential.in_flight == len(mine)
            assert 0 <= credential.in_flight <= self.RUNS
        for socket, _ in self.sockets.values():
            assert socket.runs == sum(lease.socket is socket for lease in self.held())

    @invariant()
    def nobody_waits_while_there_is_a_place(self) -> None:
        census = self.pool.census()
        assert not (census["waiting"] and census["ready"])
        assert not (census["waiting"] and self.pool.breaker.state == "open")
        assert census["waiting"] == sum(
            turn.lease is None and turn._fault is None for turn in self.open
        )

    @invariant()
    def never_more_accounts_than_the_most_are_asked_for(self) -> None:
        present = len(self.pool.credentials())
        assert 0 <= self.pool.missing(0) <= max(0, self.pool.most - present)
        resting = [one for one in self.pool.credentials() if one.cooling(self.clock())]
        assert not resting or self.pool.missing(0) == 0

    @invariant()
    def a_socket_is_closed_when_it_is_out_of_use(self) -> None:
        in_use = {id(one.socket) for one in self.all if not one.retired}
        for socket, died in self.sockets.values():
            if socket.closed:
                assert id(socket) not in in_use
                assert died or socket.closed == [0], "closed once, and not under its runs"

    def teardown(self) -> None:
        """In the end every socket that is out of use was closed: none leaks."""
        if not hasattr(self, "pool"):
            return
        for lease in self.held():
            lease.close()
        for turn in self.open:
            turn.__exit__(None, None, None)
        self.close_what_is_released()
        in_use = {id(one.socket) for one in self.pool.credentials()}
        for key, (socket, _) in self.sockets.items():
            assert key in in_use or socket.closed, "leaked"
        assert all(one.in_flight == 0 for one in self.all)


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
