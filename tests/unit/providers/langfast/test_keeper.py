"""The background work, one look at a time, with fakes for auth service, budget and socket."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from langfast_wsgi import runtime
from langfast_wsgi.errors import (
    GatewayError,
    NoCredentials,
    QuotaExhausted,
    RateLimited,
    SessionLost,
    SessionRefused,
    SignUpRefused,
    UpstreamUnreachable,
)
from langfast_wsgi.providers.langfast import keeper as keeper_module
from langfast_wsgi.providers.langfast.accounts import (
    AuthFailed,
    CredentialGone,
    NobodyThere,
    RefreshConflict,
)
from langfast_wsgi.providers.langfast.breaker import LIMIT, PROBE_EVERY
from langfast_wsgi.providers.langfast.budget import HOUR, BudgetUnknown
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.grant import Grant
from langfast_wsgi.providers.langfast.keeper import (
    CONFLICT_PAUSES,
    CONNECT_PAUSE,
    REFRESH_PAUSE,
    Keeper,
)
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.signups import (
    EARLY_LONGEST_PAUSE,
    LONGEST_PAUSE,
    LOSSES,
    SIGN_UPS_AT_ONCE,
    pause,
)
from tests.support.builders import counted, grant, series, spawn, taken, wait_for
from tests.support.clock import FakeClock

Outcome = Grant | Exception


class FakeSession:
    """A socket whose attempts to connect turn out as the case says."""

    outcomes: list[GatewayError | None]
    made: list["FakeSession"]

    def __init__(
        self,
        deliver: Callable[..., None],
        lost: Callable[["FakeSession"], None],
        _receiver: object,
    ) -> None:
        self.deliver, self.lost = deliver, lost
        self.runs = 0
        self.is_open = False
        self.closed = 0
        self.token = ""
        self.made.append(self)

    def connect(self, url: str, token: str, timeout: float) -> None:
        assert (url, timeout) == ("http://sockets", 15.0)
        self.token = token
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.is_open = True

    def cut_if_dead(self, now: float) -> None:
        pass

    def close(self) -> None:
        self.closed += 1
        self.is_open = False

    def die(self) -> None:
        """The other side goes away."""
        self.is_open = False
        self.lost(self)


class FakeAccounts:
    """The auth service."""

    def __init__(self) -> None:
        self.sign_ups: list[Outcome] = []
        self.refreshes: list[Outcome] = []
        self.asked: list[str] = []
        self.count = 0

    def sign_up(self) -> Grant:
        return self._say("sign-up", self.sign_ups)

    def refresh(self, token: str) -> Grant:
        return self._say(token, self.refreshes)

    def _say(self, what: str, outcomes: list[Outcome]) -> Grant:
        self.asked.append(what)
        self.count += 1
        outcome = outcomes.pop(0) if outcomes else grant(self.count)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class FakeBudget:
    """Says what it was told to say, else yes."""

    def __init__(self) -> None:
        self.answers: list[float | Exception] = []
        self.charged = 0
        self.given_back = 0

    def give_back(self) -> None:
        self.given_back += 1

    def charge(self) -> float:
        self.charged += 1
        answer = self.answers.pop(0) if self.answers else 0.0
        if isinstance(answer, Exception):
            raise answer
        return answer


class Case:
    """A keeper whose tasks run when the test says so."""

    def __init__(self, least: int = 1, most: int = 10, *, budgeted: bool = True) -> None:
        self.clock = FakeClock()
        self.pool = Pool(least, most, 2, clock=self.clock)
        self.accounts, self.budget = FakeAccounts(), FakeBudget()
        self.tasks: list[Callable[[], None]] = []
        self.keeper = Keeper(
            self.pool,
            self.accounts,  # type: ignore[arg-type]
            self.budget,
            obtain=self.accounts.sign_up,
            budgeted=budgeted,
            socket_url="http://sockets",
            connect_timeout=15.0,
            socket_max_age=240.0,
            runtime=SimpleNamespace(  # type: ignore[arg-type]
                spawn=self.tasks.append, receiver=runtime.receiver
            ),
            newest=lambda token: self.newest.get(token, token),
        )
        self.newest: dict[str, str] = {}

    def look(self) -> int:
        """One look of the loop; how many tasks came of it."""
        before = len(self.tasks)
        self.keeper._look()
        return len(self.tasks) - before

    def work(self) -> None:
        """Carry out what is waiting to be."""
        tasks, self.tasks[:] = list(self.tasks), []
        for task in tasks:
            task()

    def settle(self, rounds: int = 6) -> None:
        """Look and work, some times."""
        for _ in range(rounds):
            self.look()
            self.work()

    def account(self) -> Credential:
        """The only one there is."""
        (credential,) = self.pool.credentials()
        return credential

    def settled(self) -> "Case":
        self.settle()
        return self

    @property
    def signed_up(self) -> int:
        return self.accounts.asked.count("sign-up")


@pytest.fixture(autouse=True)
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[FakeSession]:
    made: list[FakeSession] = []
    monkeypatch.setattr(FakeSession, "made", made, raising=False)
    monkeypatch.setattr(FakeSession, "outcomes", [], raising=False)
    monkeypatch.setattr(keeper_module, "Session", FakeSession)
    return made


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jitter is in the middle, so that tests can name times."""
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)


# --- filling the pool


def test_the_pool_is_filled_to_the_least_and_each_account_connected(
    sessions: list[FakeSession],
) -> None:
    case = Case(least=3).settled()
    assert case.pool.census()["ready"] == 3
    assert case.signed_up == 3
    assert sorted(session.token for session in sessions) == ["access-1", "access-2", "access-3"]
    assert case.look() == 0, "then there is nothing to do"


def test_the_first_sign_up_goes_alone_and_then_four_at_once() -> None:
    case = Case(least=9, most=9)
    assert case.look() == 1
    assert case.look() == 0
    case.work()
    case.look()  # which also connects the first
    assert len(case.tasks) == SIGN_UPS_AT_ONCE + 1
    assert case.look() == 0
    case.work()
    case.settle()
    assert case.signed_up == 9


def test_while_sign_ups_fail_they_go_one_by_one() -> None:
    case = Case(least=5)
    case.settle(1)
    case.accounts.sign_ups = [SignUpRefused("no")] * 4
    case.look()
    case.work()
    assert case.signed_up == 5
    case.clock.advance(EARLY_LONGEST_PAUSE * 1.3)
    case.tasks.clear()
    case.pool.drop(case.pool.credentials()[0])
    assert case.look() == 1


def test_a3_sign_ups_are_charged_before_they_are_asked_for() -> None:
    case = Case()
    case.accounts.sign_ups = [SignUpRefused("no")]
    case.look()
    case.work()
    assert case.budget.charged == 1


def test_an_own_account_is_not_charged() -> None:
    case = Case(budgeted=False).settled()
    assert case.budget.charged == 0
    assert case.pool.census()["ready"] == 1


def test_a10_a_budget_that_is_used_up_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    case = Case()
    case.budget.answers = [1800.0]
    with counted("langfast_sign_ups_total", result="over_budget") as grew:
        case.settle()
        assert grew() == 1
    assert case.signed_up == 0
    case.clock.advance(1799.0)
    assert case.look() == 0
    case.clock.advance(1.0)
    assert case.look() == 1
    case.work()
    assert case.signed_up == 1
    assert "1800 s" in caplog.text


def test_without_proof_of_budget_nobody_is_signed_up() -> None:
    case = Case()
    case.budget.answers = [BudgetUnknown()]
    with counted("langfast_sign_ups_total", result="budget_unknown") as grew:
        case.settle()
        assert grew() == 1
    assert case.signed_up == 0
    case.clock.advance(EARLY_LONGEST_PAUSE)
    case.settle()
    assert case.signed_up == 1


def test_a3_failing_sign_ups_back_off() -> None:
    case = Case()
    case.accounts.sign_ups = [SignUpRefused("no")] * 100
    waits = []
    case.look()
    case.work()
    for _ in range(40):
        begun = case.clock()
        while case.look() == 0:
            case.clock.advance(0.25)
        waits.append(case.clock() - begun)
        case.work()
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits[4:8]) <= EARLY_LONGEST_PAUSE
    assert waits[-1] == LONGEST_PAUSE


def test_a_success_ends_the_trouble() -> None:
    case = Case()
    trouble = SignUpRefused("no")
    case.accounts.sign_ups = [trouble]
    case.settle(1)
    assert case.pool.trouble is trouble
    case.clock.advance(2.0)
    case.settle()
    assert case.pool.trouble is None


@pytest.mark.parametrize(("asked", "waited"), [(None, 1.0), (120.0, 120.0), (300.0, 300.0)])
def test_a1_a2_a_rate_limit_is_waited_out(asked: float | None, waited: float) -> None:
    case = Case()
    case.accounts.sign_ups = [RateLimited("slow down", retry_after=asked)]
    case.settle(1)
    case.clock.advance(waited - 0.1)
    assert case.look() == 0
    case.clock.advance(0.1)
    assert case.look() == 1


def test_another_failure_in_the_same_moment_does_not_cut_a_rate_limits_pause() -> None:
    """Up to four sign-ups are under way at once; policy: limits are obeyed."""
    case = Case(least=3)
    case.settle(1)
    case.accounts.sign_ups = [RateLimited("slow down", retry_after=120.0), SignUpRefused("no")]
    case.settle(1)
    assert case.signed_up == 3
    case.clock.advance(60.0)
    case.settle()
    assert case.signed_up == 3


def test_another_failure_in_the_same_moment_does_not_cut_the_budgets_pause() -> None:
    case = Case(least=3)
    case.settle(1)
    case.budget.answers = [1800.0, 0.0]
    case.accounts.sign_ups = [SignUpRefused("no")]
    case.settle(1)
    case.clock.advance(60.0)
    case.settle()
    assert case.budget.charged == 3


def test_a6_to_a8_what_an_operator_must_mend_ends_the_sign_ups(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case(least=3)
    no = SignUpRefused("a captcha", code="upstream_captcha_required", retry=False)
    case.accounts.sign_ups = [no]
    case.settle(1)
    case.clock.advance(24 * 3600.0)
    assert case.look() == 0
    assert case.pool.trouble is no
    with pytest.raises(SignUpRefused):
        case.pool.turn().wait(0)
    assert "no more sign-ups until this is mended: a captcha" in caplog.text


def test_an_unforeseen_failure_of_a_sign_up_is_logged_and_waited_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case()
    case.accounts.sign_ups = [ValueError("what?")]
    case.settle(1)
    assert "unforeseen" in caplog.text
    case.clock.advance(LONGEST_PAUSE - 1)
    assert case.look() == 0
    case.clock.advance(1)
    assert case.look() == 1


@pytest.mark.parametrize("no", [RateLimited("rate"), QuotaExhausted("quota")])
def test_nobody_is_signed_up_while_an_account_rests_for_its_quota(no: GatewayError) -> None:
    case = Case(least=1).settled()
    case.pool.cool(case.account(), 3600.0, no)
    case.keeper._pool.least = 5
    assert case.look() == 0


# --- refreshing


def test_a_token_is_refreshed_when_it_is_due_and_not_before() -> None:
    case = Case().settled()
    credential = case.account()
    credential.replace_at = float("inf")
    case.clock.advance(credential.refresh_at - case.clock() - 1)
    assert case.look() == 0
    case.clock.advance(1)
    with counted("langfast_refreshes_total", result="granted") as grew:
        case.settle(1)
        assert grew() == 1
    assert case.accounts.asked[-1] == "refresh-1"
    assert credential.grant == grant(2)
    assert credential.refresh_at > case.clock() + 3000


@pytest.mark.parametrize(
    "fault", [UpstreamUnreachable("down"), AuthFailed("ill"), RateLimited("slow down")]
)
def test_a17_a_failed_refresh_is_tried_again_after_a_minute(fault: GatewayError) -> None:
    case = Case().settled()
    credential = case.account()
    credential.replace_at = float("inf")
    credential.refresh_at = case.clock()
    case.accounts.refreshes = [fault]
    case.settle()
    assert case.accounts.asked[1:] == ["refresh-1"]
    case.clock.advance(REFRESH_PAUSE - 1)
    assert case.look() == 0
    case.clock.advance(1)
    case.settle(1)
    assert case.accounts.asked[1:] == ["refresh-1", "refresh-1"]


@pytest.mark.parametrize(
    ("fault", "least", "most"), [(AuthFailed("ill"), 9, 14), (RateLimited("slow down"), 0, 0)]
)
def test_a17_an_expired_account_rests_and_is_not_replaced_because_of_it(
    fault: GatewayError, least: int, most: int
) -> None:
    """Only a rate limit keeps its whole minute: else one attempt follows the other (P5)."""
    case = Case().settled()
    credential = case.account()
    credential.replace_at = float("inf")
    case.clock.advance(credential.expires_at - case.clock() - 1)
    case.accounts.refreshes = [fault] * 100
    case.settle(1)
    assert case.accounts.asked == ["sign-up", "refresh-1"]
    assert case.pool.census()["ready"] == 1, "the token is still good"
    for _ in range(45):
        case.clock.advance(1)
        case.settle(1)
    assert case.pool.census()["ready"] == 0
    assert case.signed_up == 1
    assert case.pool.credentials() == [credential]
    assert least <= len(case.accounts.asked) - 2 <= most


def test_a16_where_somebody_else_is_refreshing_it_waits_and_looks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    case = Case().settled()
    case.account().refresh_at = case.clock()
    case.accounts.refreshes = [RefreshConflict("busy"), RefreshConflict("busy")]
    case.newest = {"refresh-1": "refresh-9"}  # what the other one has left in the store
    case.settle(1)
    assert case.accounts.asked[1:] == ["refresh-9"] * 3
    assert slept == list(CONFLICT_PAUSES)
    assert case.account().grant.access_token == "access-4"


def test_a16_a_conflict_that_does_not_end_is_a_failed_refresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    case = Case().settled()
    credential = case.account()
    credential.refresh_at, credential.replace_at = case.clock(), float("inf")
    case.accounts.refreshes = [RefreshConflict("busy")] * 9
    case.settle()
    assert len(case.accounts.asked) == 1 + 1 + len(CONFLICT_PAUSES)
    assert credential.refresh_at == case.clock() + REFRESH_PAUSE


def test_a14_an_account_that_is_known_no_more_is_dropped_and_replaced(
    sessions: list[FakeSession],
) -> None:
    case = Case().settled()
    old = case.account()
    old.refresh_at = case.clock()
    case.accounts.refreshes = [CredentialGone("gone")]
    case.settle(1)
    assert old.retired
    case.settle()
    assert case.account() is not old
    assert sessions[0].closed == 1


def test_a16_a_refresh_is_not_begun_twice() -> None:
    case = Case().settled()
    case.account().refresh_at = case.clock()
    assert case.look() == 1
    assert case.look() == 0


def test_a_run_that_was_refused_gets_a_new_token() -> None:
    case = Case().settled()
    case.keeper.refresh(case.account())
    assert case.account().grant.access_token == "access-2"
    assert not case.account().refreshing


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (UpstreamUnreachable("down"), SessionRefused),
        (RateLimited("slow down"), SessionRefused),
        (CredentialGone("gone"), CredentialGone),
    ],
)
def test_b1_a_run_hears_when_there_is_no_new_token(
    fault: GatewayError, heard: type[GatewayError]
) -> None:
    case = Case().settled()
    case.accounts.refreshes = [fault]
    credential = case.account()
    with pytest.raises(heard):
        case.keeper.refresh(credential)
    assert not credential.refreshing
    assert not credential.usable(case.clock()), "the upstream does not take its token"


def test_a17_an_account_whose_token_was_refused_serves_again_as_soon_as_it_could_be_refreshed() -> (
    None
):
    case = Case().settled()
    case.accounts.refreshes = [AuthFailed("ill")] * 20
    with pytest.raises(SessionRefused):
        case.keeper.refresh(case.account())
    pass_time(case, 30.0)
    assert case.pool.breaker.away
    case.accounts.refreshes.clear()
    pass_time(case, PROBE_EVERY + 1)
    assert case.pool.census()["ready"] == 1
    assert case.signed_up == 1


def test_a9_a_lifetime_of_moments_is_no_reason_to_refresh_more_often() -> None:
    case = Case().settled()
    case.account().refresh_at = case.clock()
    case.accounts.refreshes = [grant(number, 0.1) for number in range(100)]
    pass_time(case, 60.0)
    assert len(case.accounts.asked) - 1 <= 60 / 5 + 1


def test_a9_a_run_that_is_refused_soon_after_a_refresh_waits_for_the_next_one() -> None:
    """However often the upstream refuses fresh tokens, refreshes stay seconds apart."""
    case = Case().settled()
    case.keeper.refresh(case.account())
    patient = spawn(lambda: case.keeper.refresh(case.account()))
    time.sleep(0.15)
    assert case.accounts.asked == ["sign-up", "refresh-1"]
    case.clock.advance(5.0)
    patient.join(5.0)
    assert case.accounts.asked == ["sign-up", "refresh-1", "refresh-2"]


def test_a16_b1_many_refused_runs_cause_one_refresh() -> None:
    case = Case().settled()
    credential = case.account()
    begin = threading.Barrier(8)
    busy = threading.Event()
    real = case.accounts.refresh

    def slowly(token: str) -> Grant:
        busy.wait(0.03)
        return real(token)

    case.accounts.refresh = slowly  # type: ignore[method-assign]

    def refused() -> None:
        begin.wait(5)
        case.keeper.refresh(credential)

    threads = [threading.Thread(target=refused) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert case.accounts.asked == ["sign-up", "refresh-1"]


def test_a_run_whose_token_was_refreshed_before_its_turn_asks_for_nothing() -> None:
    case = Case().settled()
    credential = case.account()
    claim = case.pool.claim

    def claim_late(one: Credential, task: str) -> bool:
        case.pool.renew(one, grant(7))
        return claim(one, task)

    case.pool.claim = claim_late  # type: ignore[method-assign]
    case.keeper.refresh(credential)
    assert case.accounts.asked == ["sign-up"]


def test_a_refresh_that_never_ends_is_not_waited_for_longer_than_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case().settled()
    assert case.pool.claim(case.account(), "refreshing")
    case.keeper._connect_timeout = 0.06
    begun = time.monotonic()
    with pytest.raises(SessionRefused):
        case.keeper.refresh(case.account())
    assert 0.05 < time.monotonic() - begun < 1.0


# --- accounts that are taken back


def take_back(case: Case, *, served: bool = False) -> None:
    """The upstream forgets every account that there is now."""
    for credential in case.pool.credentials():
        credential.served = credential.served or served
        credential.refresh_at = case.clock()
        case.accounts.refreshes.append(CredentialGone("banned"))


def test_a18_accounts_that_are_taken_back_as_soon_as_they_are_made_end_the_sign_ups(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case(least=1).settled()
    with counted("langfast_credentials_lost_total") as lost:
        for _ in range(30):
            take_back(case)
            case.settle()
            case.clock.advance(1.0)
        assert lost() == LOSSES + 1
    assert case.signed_up == LOSSES + 1
    assert "no sign-up for an hour" in caplog.text
    found = case.pool.overdue()
    assert isinstance(found, NoCredentials)
    assert found.retry is False
    case.clock.advance(HOUR)
    case.settle()
    assert case.signed_up == LOSSES + 2, "one attempt, to see whether it has passed"
    take_back(case)
    case.settle()
    assert case.signed_up == LOSSES + 2


def test_a18_one_mass_loss_is_one_loss() -> None:
    case = Case(least=10, most=10)
    for _ in range(LOSSES):
        case.settle(12)
        assert case.pool.census()["ready"] == 10
        case.clock.advance(1.0)
        take_back(case)
        case.settle(1)
    case.settle(12)
    assert case.pool.census()["ready"] == 10


def test_a18_an_account_that_had_served_ends_the_row() -> None:
    case = Case(least=1).settled()
    for number in range(30):
        take_back(case, served=number % 5 == 4)
        case.settle()
        case.clock.advance(1.0)
    assert case.signed_up == 31


# --- an upstream that is away (P5)


def attempts(case: Case) -> int:
    """Whatever was tried with the upstream."""
    return len(case.accounts.asked) + len(FakeSession.made)


def pass_time(case: Case, seconds: float) -> None:
    for _ in range(round(seconds * 2)):
        case.clock.advance(0.5)
        case.settle(2)


def test_p5_at_a_cold_start_with_a_dead_upstream_callers_are_released_within_seconds() -> None:
    case = Case(least=5)
    case.accounts.sign_ups = [NobodyThere("refused")] * 1000
    case.settle(1)
    turn = case.pool.turn()
    assert turn.wait(0) is None
    pass_time(case, 6.0)
    with pytest.raises(UpstreamUnreachable):
        turn.wait(0)
    assert case.pool.breaker.state == "open"


def test_p5_a_dead_upstream_costs_no_budget_and_is_asked_every_five_seconds() -> None:
    case = Case(least=5)
    case.accounts.sign_ups = [NobodyThere("refused")] * 1000
    case.settle(1)
    pass_time(case, 600.0)
    assert case.budget.given_back == case.budget.charged == case.signed_up
    assert 600 / (PROBE_EVERY + 1) - 3 <= case.signed_up <= 600 / PROBE_EVERY + 6
    case.accounts.sign_ups.clear()
    pass_time(case, PROBE_EVERY + 2)
    assert case.pool.census()["ready"] == 5
    assert case.pool.breaker.state == "closed"


def test_a3_a_sign_up_that_failed_over_there_is_charged_and_backed_off_from() -> None:
    case = Case(least=1)
    case.accounts.sign_ups = [AuthFailed("ill")] * 1000
    case.settle(1)
    pass_time(case, 60.0)
    assert case.pool.breaker.away
    assert case.signed_up <= 10
    pass_time(case, 600.0)
    assert case.signed_up <= 22
    assert (case.budget.given_back, case.budget.charged) == (0, case.signed_up)


def test_p5_lost_sockets_are_asked_for_one_at_a_time_while_nobody_is_there() -> None:
    case = Case(least=8, most=8).settled()
    assert case.pool.census()["ready"] == 8
    FakeSession.outcomes += [UpstreamUnreachable("down")] * 1000
    for session in list(FakeSession.made):
        session.die()
    case.settle(1)
    assert not case.pool.breaker.away, "one mass loss counts once"
    pass_time(case, 6.0)
    assert case.pool.breaker.away
    before = attempts(case)
    pass_time(case, 60.0)
    assert attempts(case) - before <= 60 / PROBE_EVERY + 1
    FakeSession.outcomes.clear()
    pass_time(case, PROBE_EVERY + 1)
    assert case.pool.census()["ready"] == 8, "the first one that got through brought the others"


@pytest.mark.parametrize("empty", [True, False])
def test_p5_an_upstream_that_is_back_but_knows_nobody_is_no_longer_away(empty: bool) -> None:
    """It was set up anew, say: sockets refuse the tokens, and refreshes say why."""
    case = Case(least=2)
    if not empty:
        case.settle()
    case.accounts.sign_ups = [NobodyThere("refused")] * 1000
    FakeSession.outcomes += [UpstreamUnreachable("down")] * 1000
    for session in list(FakeSession.made):
        session.die()
    case.settle(1)
    pass_time(case, 30.0)
    assert case.pool.breaker.away
    FakeSession.outcomes[:] = [] if empty else [SessionRefused("who?")] * 2
    case.accounts.sign_ups.clear()
    case.accounts.refreshes = [CredentialGone("who?")] * 2
    pass_time(case, PROBE_EVERY + 4)
    assert case.pool.census()["ready"] == 2
    assert case.pool.breaker.state == "closed"


def test_p5_sockets_that_refused_us_are_tried_again_also_while_the_auth_service_is_away() -> None:
    """Whatever it was that opened the breaker: there is always something to probe with."""
    case = Case(least=2)
    case.settle(1)
    FakeSession.outcomes += [SessionRefused("no")] * 1000
    case.accounts.sign_ups = [NobodyThere("refused")] * 1000
    pass_time(case, 240.0)
    assert case.pool.breaker.opened["away"] >= 1
    FakeSession.outcomes.clear()
    pass_time(case, CONNECT_PAUSE + 1)
    assert case.pool.census()["ready"] == 1
    assert case.pool.breaker.state == "closed"


@pytest.mark.parametrize("fault", [RateLimited("slow down"), SignUpRefused("no", retry=False)])
def test_p5_whoever_refuses_is_there(fault: GatewayError) -> None:
    case = Case(least=1)
    case.accounts.sign_ups = [NobodyThere("refused")] * 5
    case.settle(1)
    pass_time(case, 8.0)
    assert case.pool.breaker.away
    case.accounts.sign_ups[:] = [fault]
    pass_time(case, PROBE_EVERY + 1)
    assert not case.pool.breaker.away


def test_p5_an_auth_service_that_knows_an_account_no_more_is_there() -> None:
    case = Case(least=1).settled()
    case.accounts.refreshes = [AuthFailed("ill")] * 1000
    case.account().replace_at = float("inf")
    case.clock.advance(3700.0)
    pass_time(case, 10.0)
    assert case.pool.breaker.away
    case.accounts.sign_ups = [SignUpRefused("no")] * 1000
    case.accounts.refreshes[:] = [CredentialGone("gone")]
    case.clock.advance(PROBE_EVERY)
    case.look()
    (refresh,) = case.tasks
    refresh()
    assert not case.pool.breaker.away


def test_p5_where_all_tokens_expired_one_refresh_at_a_time_is_tried() -> None:
    case = Case(least=4).settled()
    case.accounts.refreshes = [AuthFailed("ill")] * 10_000
    for credential in case.pool.credentials():
        credential.replace_at = float("inf")
    case.clock.advance(3700.0)
    pass_time(case, 10.0)
    assert case.pool.breaker.away
    before = attempts(case)
    pass_time(case, 60.0)
    assert 60 / PROBE_EVERY - 2 <= attempts(case) - before <= 60 / PROBE_EVERY + 1
    case.accounts.refreshes.clear()
    pass_time(case, PROBE_EVERY + 2)
    assert case.pool.census()["ready"] == 4
    assert case.signed_up == 4


def test_a17_refreshes_that_fail_turn_nobody_away_while_tokens_are_good() -> None:
    case = Case(least=2).settled()
    case.pool.learn(True)
    case.accounts.refreshes = [AuthFailed("ill")] * 10_000
    for credential in case.pool.credentials():
        credential.refresh_at = case.clock()
        credential.replace_at = float("inf")
    pass_time(case, 600.0)
    assert case.pool.turn().wait(0) is not None
    assert case.pool.breaker.state == "closed"


def test_sockets_that_refuse_us_are_no_absence_and_keep_their_pauses() -> None:
    case = Case(least=2)
    FakeSession.outcomes += [SessionRefused("no")] * 1000
    pass_time(case, 120.0)
    assert not case.pool.breaker.away
    assert attempts(case) < 30
    with pytest.raises(SessionRefused):
        case.pool.turn().wait(0)


def test_a_rate_limit_of_sign_ups_is_no_absence() -> None:
    case = Case(least=1)
    case.accounts.sign_ups = [RateLimited("slow down", retry_after=120.0)] * 100
    case.settle(1)
    pass_time(case, 1000.0)
    assert not case.pool.breaker.away
    assert case.signed_up <= 9


def test_a1_a2_a_rate_limit_of_sign_ups_is_followed_by_one_attempt_and_no_burst() -> None:
    case = Case(least=5)
    case.accounts.sign_ups = [RateLimited("slow down", retry_after=120.0)] * 3
    case.settle(1)
    for _ in range(3):
        pass_time(case, 119.0)
        before = case.signed_up
        case.clock.advance(1.0)
        case.look()
        case.work()
        assert case.signed_up == before + 1


def test_the_breaker_is_in_the_figures() -> None:
    case = Case().settled()
    with counted("langfast_breaker_opens_total", reason="starts") as opens:
        for _ in range(LIMIT):
            case.pool.breaker.failed(case.clock())
        case.look()
        case.look()
        assert opens() == 1
        assert series("langfast_breaker_open") == 1
    case.clock.advance(PROBE_EVERY)
    case.pool.breaker.accepted(case.clock())
    case.look()
    assert series("langfast_breaker_open") == 0


# --- sockets


def test_a_socket_is_replaced_when_it_is_old_and_the_new_one_is_ready_first(
    sessions: list[FakeSession],
) -> None:
    case = Case().settled()
    case.clock.advance(239.0)
    assert case.look() == 0
    case.clock.advance(1.0)
    assert case.look() == 1
    assert case.account().socket is sessions[0]
    case.work()
    assert case.account().socket is sessions[1]
    case.look()
    assert (sessions[0].closed, sessions[1].closed) == (1, 0)


def test_ages_differ_so_that_sockets_are_not_replaced_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        seen.append((low, high))
        return low

    case = Case()
    monkeypatch.setattr("random.uniform", uniform)
    case.settle()
    assert (0.9, 1.1) in seen
    assert case.account().replace_at == case.clock() + 216.0


def test_a_failed_replacement_keeps_the_old_socket_and_its_runs() -> None:
    case = Case().settled()
    credential = case.account()
    old, mailbox = credential.socket, Mailbox()
    credential.inbox.expect(mailbox)
    FakeSession.outcomes.append(UpstreamUnreachable("down"))
    case.clock.advance(240.0)
    case.settle(1)
    assert credential.socket is old
    assert taken(mailbox, 0) is None


def test_a_lost_socket_interrupts_its_runs_and_another_is_connected(
    sessions: list[FakeSession],
) -> None:
    case = Case().settled()
    credential, mailbox = case.account(), Mailbox()
    credential.inbox.expect(mailbox)
    sessions[0].die()
    assert mailbox.lost_at is not None
    assert credential.socket is None
    case.settle()
    assert credential.socket is sessions[1]
    assert taken(mailbox, 0) is None


def test_a_replaced_socket_that_goes_away_interrupts_nobody(sessions: list[FakeSession]) -> None:
    case = Case().settled()
    credential, mailbox = case.account(), Mailbox()
    credential.inbox.expect(mailbox)
    case.clock.advance(240.0)
    case.settle()
    sessions[0].die()
    assert mailbox.lost_at is None
    assert credential.socket is sessions[1]


def test_where_the_one_attempt_to_reconnect_fails_the_runs_fail() -> None:
    case = Case().settled()
    credential, mailbox = case.account(), Mailbox()
    credential.inbox.expect(mailbox)
    FakeSession.outcomes.append(UpstreamUnreachable("down"))
    FakeSession.made[0].die()
    case.settle(1)
    news = taken(mailbox, 0)
    assert news is not None
    assert isinstance(news.ending, SessionLost)


def test_a_socket_that_is_let_in_and_cut_at_once_is_not_connected_without_a_pause(
    sessions: list[FakeSession],
) -> None:
    """An upstream in trouble accepts and cuts; the time in this test stands still."""
    case = Case().settled()
    for _ in range(20):
        if sessions[-1].is_open:
            sessions[-1].die()
        case.settle(1)
    assert len(sessions) <= 5


def test_failing_connections_back_off() -> None:
    case = Case()
    FakeSession.outcomes += [UpstreamUnreachable("down")] * 100
    case.look()
    case.work()
    case.look()
    case.work()
    waits = []
    for _ in range(10):
        begun = case.clock()
        while case.look() == 0:
            case.clock.advance(0.25)
        waits.append(case.clock() - begun)
        case.work()
    # Its own pauses at first, and then, while nobody can serve, those of a probe.
    assert waits[:4] == [0.5, 1.0, 1.0, 1.0]
    assert waits[4:] == [PROBE_EVERY] * 6


def test_where_another_account_serves_failing_connections_back_off_further() -> None:
    case = Case(least=2)
    FakeSession.outcomes.append(None)
    FakeSession.outcomes += [UpstreamUnreachable("down")] * 100
    case.settle(3)
    waits = []
    for _ in range(10):
        begun = case.clock()
        while case.look() == 0:
            case.clock.advance(0.25)
        waits.append(case.clock() - begun)
        case.work()
        case.pool.credentials()[0].replace_at = float("inf")
    assert waits[0] <= 1.0
    assert waits[-1] == CONNECT_PAUSE


def test_a_refused_token_is_refreshed_once_and_tried_again(sessions: list[FakeSession]) -> None:
    case = Case()
    FakeSession.outcomes.append(SessionRefused("no"))
    case.settle(2)
    credential = case.account()
    assert credential.refused is not None
    case.settle(1)
    assert case.accounts.asked == ["sign-up", "refresh-1"]
    case.clock.advance(0.5)
    case.settle()
    assert [session.token for session in sessions] == ["access-1", "access-2"]
    assert credential.refused is None
    assert case.pool.census()["ready"] == 1


def test_a_token_that_is_refused_again_and_again_is_not_refreshed_each_time() -> None:
    case = Case()
    FakeSession.outcomes += [SessionRefused("no")] * 20
    for _ in range(30):
        case.settle(1)
        case.clock.advance(2.0)
    assert case.accounts.asked == ["sign-up", "refresh-1"]
    with pytest.raises(SessionRefused):
        raise case.pool.overdue()


def test_a_socket_that_is_lost_before_the_pool_knows_it_is_taken_for_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case()
    case.settle(1)
    monkeypatch.setattr(FakeSession, "connect", lambda *_: None)  # is_open stays False
    case.look()
    case.work()
    assert case.account().socket is None


def test_an_unforeseen_failure_of_a_task_is_logged_and_waited_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case()
    case.settle(1)

    def fail(*_: object) -> None:
        raise ValueError("what?")

    monkeypatch.setattr(FakeSession, "connect", fail)
    case.settle(1)
    assert "connecting of <Credential c1 without socket 0 runs> failed" in caplog.text
    case.clock.advance(CONNECT_PAUSE - 1)
    assert case.look() == 0
    case.clock.advance(1)
    assert case.look() > 0
    assert not case.account().refreshing or case.tasks


# --- the loop, and figures


def test_the_loop_looks_at_once_when_something_changes_and_cuts_the_sockets_at_its_end(
    sessions: list[FakeSession],
) -> None:
    case = Case(least=2)
    case.keeper._runtime.spawn = case.keeper._sign_ups._spawn = spawn
    loop = threading.Thread(target=case.keeper.run)
    begun = time.monotonic()
    loop.start()
    wait_for(lambda: case.pool.census()["ready"] == 2)
    assert time.monotonic() - begun < 0.9, "no tick was waited for"
    FakeSession.outcomes.append(UpstreamUnreachable("down"))
    case.pool.add(grant(3))  # which never gets a socket
    case.keeper.stop()
    loop.join(2)
    assert not loop.is_alive()
    assert [session.closed for session in sessions] == [1, 1]


def test_the_figures_follow_the_pool() -> None:
    case = Case(least=2).settled()
    case.pool.learn(True)
    with case.pool.turn() as turn:
        turn.wait(0)
        case.look()
        assert series("langfast_credentials", state="ready") == 2
        assert series("langfast_leases") == 1
        assert series("langfast_queue_length") == 0
    case.look()
    assert series("langfast_leases") == 0


def test_a_caller_in_line_makes_the_pool_grow() -> None:
    case = Case(least=1, most=2).settled()
    case.pool.learn(False)
    first, second = case.pool.turn(), case.pool.turn()
    assert first.wait(0) is not None
    assert second.wait(0) is None
    case.settle()
    assert second.wait(0) is not None


@pytest.fixture
def real_jitter(monkeypatch: pytest.MonkeyPatch, steady: None) -> None:
    monkeypatch.undo()


@pytest.mark.usefixtures("real_jitter")
@pytest.mark.parametrize("failures", [0, 1, 5, 100, 10_000])
def test_a_pause_grows_to_its_limit_and_varies(failures: int) -> None:
    middle = min(0.5 * 2.0 ** min(failures, 16), 30.0)
    pauses = [pause(failures, 30.0) for _ in range(50)]
    assert all(0.7 * middle <= one <= 1.3 * middle for one in pauses)
    assert len(set(pauses)) > 1


def test_a_caller_that_waited_hears_when_the_next_account_may_come() -> None:
    case = Case()
    case.budget.answers = [1800.0]
    case.settle(1)
    found = case.pool.overdue()
    assert isinstance(found, NoCredentials)
    assert (found.retry_after, found.retry) == (1800.0, False)
    assert isinstance(case.pool.trouble, NoCredentials)


def test_the_loop_goes_on_after_whatever_befell_it(sessions: list[FakeSession]) -> None:
    case = Case(least=1)
    failures = [RuntimeError("can't start new thread"), RuntimeError("again")]

    def stumbling(task: Callable[[], None]) -> object:
        if failures:
            raise failures.pop()
        return spawn(task)

    case.keeper._runtime.spawn = case.keeper._sign_ups._spawn = stumbling
    loop = threading.Thread(target=case.keeper.run)
    loop.start()
    wait_for(lambda: case.pool.census()["ready"] == 1)
    case.keeper.stop()
    loop.join(2)
    assert not failures
