"""What waiting in line would come to, as a table of how the accounts stand."""

import pytest

from langfast_wsgi.errors import (
    GatewayError,
    NoCredentials,
    QuotaExhausted,
    RateLimited,
    SessionRefused,
    SignUpRefused,
    StartRefused,
    TooManyRuns,
    UpstreamUnreachable,
)
from langfast_wsgi.providers.langfast.accounts import CredentialGone
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.outlook import (
    Refill,
    able,
    census,
    freest,
    hopeless,
    overdue,
    to_try,
)
from tests.support.builders import StubSocket, grant

NOW = 1000.0
PATIENCE = 10.0
NOT_US = StartRefused("not us", code="upstream_auth_error", retry=False)
NO_SOCKET = SessionRefused("no")
CAPTCHA = SignUpRefused("captcha", code="upstream_captcha_required", retry=False)
SPENT = NoCredentials("The sign-up budget is used up.")


def account(
    socket: bool = True,
    cool: float = 0.0,
    cool_for: GatewayError = NOT_US,
    refused: int = 0,
    in_flight: int = 0,
) -> Credential:
    credential = Credential("c", grant(), NOW)
    credential.socket = StubSocket() if socket else None
    credential.in_flight = in_flight
    if cool:
        credential.cool(NOW + cool, cool_for)
    for _ in range(refused):
        credential.refuse(NO_SOCKET)
    return credential


def refill(
    wait: float = 0.0,
    trouble: GatewayError | None = None,
    halted: GatewayError | None = None,
    due: bool = False,
) -> Refill:
    return Refill(wait, trouble, halted, due)


def told(accounts: list[Credential], how: Refill) -> GatewayError | None:
    return hopeless(accounts, how, NOW, PATIENCE)


# --- hopeless, or worth waiting for


@pytest.mark.parametrize(
    ("accounts", "how"),
    [
        ([], refill()),
        ([], refill(3.0, SPENT)),
        # A sign-up that failed is tried again: whether that is hopeless the breaker says.
        ([], refill(60.0, UpstreamUnreachable("down"))),
        ([account()], refill(halted=CAPTCHA)),
        ([account(in_flight=8)], refill()),
        ([account(cool=5.0)], refill()),
        ([account(cool=60.0), account()], refill()),
        ([account(cool=60.0), account(socket=False)], refill()),
        # There should be more accounts than there are, and the next one may come in time.
        ([account(cool=60.0)], refill(due=True)),
        ([account(socket=False, refused=2)], refill(due=True)),
        ([account(socket=False, refused=1)], refill()),
        ([account(socket=False)], refill()),
        # It has a socket of before, and was refused the one that should replace it.
        ([account(socket=True, refused=2)], refill()),
    ],
    ids=str,
)
def test_callers_wait_where_they_may_be_served_in_time(
    accounts: list[Credential], how: Refill
) -> None:
    assert told(accounts, how) is None


@pytest.mark.parametrize(
    ("accounts", "how", "fault"),
    [
        ([], refill(halted=CAPTCHA), CAPTCHA),
        ([account(cool=60.0)], refill(), NOT_US),
        ([account(cool=60.0), account(cool=30.0)], refill(), NOT_US),
        ([account(cool=60.0)], refill(due=True, halted=CAPTCHA), NOT_US),
        ([account(cool=60.0)], refill(due=True, wait=11.0), NOT_US),
        ([account(socket=False, refused=2)], refill(), NO_SOCKET),
        ([account(socket=False, refused=2), account(socket=False, refused=9)], refill(), NO_SOCKET),
    ],
    ids=str,
)
def test_callers_hear_at_once_what_will_still_be_so(
    accounts: list[Credential], how: Refill, fault: GatewayError
) -> None:
    found = told(accounts, how)
    assert found is not None
    assert found is not fault
    assert (type(found), found.code, found.retry) == (type(fault), fault.code, fault.retry)


@pytest.mark.parametrize("cool", [0.5, 20.0, 3600.0])
def test_p12_where_all_rest_for_their_limits_the_soonest_is_told_whatever_the_patience(
    cool: float,
) -> None:
    accounts = [account(cool=7200.0, cool_for=QuotaExhausted("quota"))]
    found = told(accounts, refill())
    assert isinstance(found, QuotaExhausted)
    assert found.retry_after is None
    accounts.append(account(cool=cool, cool_for=RateLimited("rate")))
    found = told(accounts, refill())
    assert isinstance(found, RateLimited)
    assert found.retry_after == max(cool, 1.0)


@pytest.mark.parametrize(
    ("wait", "trouble", "retry"),
    [
        (11.0, SPENT, None),
        (60.0, SPENT, None),
        (61.0, SPENT, False),  # A10
        (120.0, RateLimited("rate"), None),  # A2
        (3600.0, CredentialGone("taken back"), False),  # A18
    ],
)
def test_a2_a10_a18_without_an_account_callers_hear_when_the_next_one_may_come(
    wait: float, trouble: GatewayError, retry: bool | None
) -> None:
    found = told([], refill(wait, trouble))
    assert isinstance(found, NoCredentials)
    assert (found.retry_after, found.retry) == (wait, retry)
    assert trouble.message in found.message


# --- for those who waited


def test_who_waited_too_long_hears_why() -> None:
    assert isinstance(overdue([account(in_flight=8)], refill(), 1, NOW), TooManyRuns)
    assert isinstance(overdue([account(socket=False)], refill(), 1, NOW), NoCredentials)
    assert isinstance(overdue([account(False, refused=1)], refill(), 1, NOW), SessionRefused)
    assert isinstance(
        overdue([account(False, refused=1), account()], refill(), 1, NOW), TooManyRuns
    )
    assert isinstance(overdue([], refill(), 1, NOW), NoCredentials)


# --- who is free


def test_the_freest_account_is_the_one_that_carries_the_fewest_runs() -> None:
    busy, full, idle = account(in_flight=1), account(in_flight=2), account()
    assert freest([busy, full, idle], 2, 1) == [idle]
    assert freest([busy, full], 2, 1) == [busy]
    assert freest([full], 2, 1) == []


def test_several_places_are_spread_over_the_freest_accounts_or_there_are_none() -> None:
    busy, idle = account(in_flight=2), account()
    assert freest([busy, idle], 4, 3) == [idle, idle, busy]
    assert freest([busy, idle], 4, 6) == [idle, idle, busy, idle, busy, idle]
    assert freest([busy, idle], 4, 7) == []


def test_who_is_refused_or_has_no_socket_is_not_able() -> None:
    well, lost, refused = account(), account(socket=False), account(cool=1.0)
    rests = account(cool=1.0, cool_for=RateLimited("rate"))
    assert able([well, lost, refused, rests], NOW) == [well]
    assert able([lost, refused, rests], NOW) == []


def test_of_those_that_were_refused_the_idlest_is_tried_unless_another_is_soon_back() -> None:
    refused, busier = account(cool=60.0), account(cool=60.0, in_flight=1)
    rests = account(cool=60.0, cool_for=RateLimited("rate"))
    lost = account(socket=False)
    assert to_try([busier, refused, rests], NOW, 59.9) == [refused]
    assert to_try([busier, refused, rests], NOW, 60.0) == [], "its limit is over by then"
    assert to_try([refused, lost], NOW, 10.0) == [], "it was only lost"
    lost.connect_at = NOW + 10.1
    assert to_try([refused, lost], NOW, 10.0) == [refused]
    lost.stay_away(NOW + 1.0, None)
    assert to_try([refused, lost], NOW, 10.0) == [refused]
    assert to_try([lost], NOW, 10.0) == []


def test_the_census_counts_each_account_once() -> None:
    accounts = [account(), account(in_flight=2), account(cool=1.0), account(socket=False)]
    counts = {"ready": 1, "busy": 1, "cooling": 1, "connecting": 1, "taken": 2}
    assert census(accounts, 2, NOW) == counts
