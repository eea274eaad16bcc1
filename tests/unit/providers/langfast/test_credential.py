"""One account, and what its times mean."""

import pytest

from langfast_wsgi.errors import RateLimited, SessionRefused, StartRefused
from langfast_wsgi.providers.langfast.credential import Credential
from tests.support.builders import StubSocket, grant


def connected(lifetime: float = 3600.0) -> Credential:
    credential = Credential("c1", grant(lifetime=lifetime), 1000.0)
    credential.socket = StubSocket()
    return credential


def test_its_repr_says_how_it_stands_and_no_token() -> None:
    credential = Credential("c1", grant(), 1000.0)
    assert repr(credential) == "<Credential c1 without socket 0 runs>"
    credential.socket = StubSocket()
    credential.in_flight = 2
    assert repr(credential) == "<Credential c1 connected 2 runs>"
    credential.retired = True
    assert repr(credential) == "<Credential c1 retired 2 runs>"
    assert "access" not in repr(credential.grant)
    assert "refresh-" not in repr(credential.grant)


def test_a12_a_usual_token_is_refreshed_ninety_seconds_ahead_with_jitter() -> None:
    ahead = [4600.0 - Credential("c", grant(), 1000.0).refresh_at for _ in range(50)]
    assert all(90.0 <= seconds <= 99.0 for seconds in ahead)
    assert len(set(ahead)) > 1


@pytest.mark.parametrize("lifetime", [1.0, 60.0, 100.0, 119.0])
def test_a_short_lived_token_is_refreshed_at_its_half(lifetime: float) -> None:
    credential = Credential("c", grant(lifetime=lifetime), 1000.0)
    assert credential.refresh_at == pytest.approx(1000.0 + lifetime / 2, rel=0.01)
    assert credential.expires_at == 1000.0 + lifetime


@pytest.mark.parametrize("lifetime", [120.0, 121.0, 130.0, 150.0, 3600.0, 86_400.0])
def test_a9_scheduled_refreshes_are_a_minute_apart(lifetime: float) -> None:
    for _ in range(20):
        assert Credential("c", grant(lifetime=lifetime), 1000.0).refresh_at >= 1060.0


@pytest.mark.parametrize("lifetime", [0.001, 1.0, 5.0, 9.0])
def test_a9_however_short_a_lifetime_is_there_is_no_busy_loop(lifetime: float) -> None:
    """A token that lives less than two minutes has to be refreshed within a minute (A12 wins)."""
    credential = Credential("c", grant(lifetime=lifetime), 1000.0)
    assert credential.refresh_at >= 1005.0


def test_a19_its_times_are_counted_from_receipt_on_the_given_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def jumping() -> float:
        raise AssertionError("nobody looks at the wall clock")

    monkeypatch.setattr("time.time", jumping)
    credential = connected(lifetime=3600.0)
    assert (credential.granted_at, credential.expires_at) == (1000.0, 4600.0)
    assert credential.usable(4599.0)


def test_what_cools_it_longest_is_why_it_cools() -> None:
    credential = connected()
    first, second = RateLimited("rate"), StartRefused("not us")
    credential.cool(1010.0, first)
    credential.cool(1005.0, second)
    assert credential.cooling_for is first
    credential.cool(1060.0, second)
    assert credential.cooling_for is second
    assert credential.resting_for is first
    assert credential.connected(1000.0)
    assert not credential.usable(1000.0)


def test_refusals_are_counted_in_a_row() -> None:
    credential, no = connected(), SessionRefused("no")
    credential.refuse(no)
    credential.refuse(no)
    assert (credential.refused, credential.refusals) == (no, 2)
    credential.refuse(None)
    assert (credential.refused, credential.refusals) == (None, 0)


def test_it_is_usable_with_a_socket_only() -> None:
    credential = connected()
    assert credential.usable(1000.0)
    credential.socket = None
    assert not credential.usable(1000.0)


def test_it_is_usable_until_its_token_expires() -> None:
    credential = connected(lifetime=100.0)
    assert credential.usable(1099.9)
    assert not credential.usable(1100.0)
    credential.renew(grant(2, 50.0), 1100.0)
    assert credential.usable(1149.9)
    assert credential.grant.access_token == "access-2"


def test_it_is_not_usable_while_it_rests() -> None:
    credential = connected()
    credential.cooling_until = 1010.0
    assert credential.cooling(1009.9)
    assert not credential.usable(1009.9)
    assert credential.usable(1010.0)


def test_it_is_not_usable_once_it_is_retired() -> None:
    credential = connected()
    credential.retired = True
    assert not credential.usable(1000.0)
