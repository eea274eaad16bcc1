"""Access tokens and the sign-up limit."""

import jwt
import pytest

from langfast_wsgi.emulator.auth.limit import HourlyBucket
from langfast_wsgi.emulator.auth.tokens import BadToken, Tokens


class _Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_token_is_good_until_its_lifetime_is_over() -> None:
    clock = _Clock(1_000.0)
    tokens = Tokens(clock, lifetime=60)
    token = tokens.sign({"sub": "me"})
    clock.now = 1_059.0
    assert tokens.check(token)["sub"] == "me"
    clock.now = 1_060.0
    with pytest.raises(BadToken, match="expired"):
        tokens.check(token)


def test_the_claims_carry_audience_and_times() -> None:
    token = Tokens(_Clock(1_000.5), lifetime=60).sign({"sub": "me"})
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["aud"], claims["iat"], claims["exp"]) == ("authenticated", 1_000, 1_060)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


@pytest.mark.parametrize("token", ["", "a.b.c", "nonsense"])
def test_what_is_no_token_is_bad(token: str) -> None:
    with pytest.raises(BadToken):
        Tokens(_Clock(0.0), lifetime=60).check(token)


def test_a_token_of_another_emulator_is_bad() -> None:
    clock = _Clock(0.0)
    with pytest.raises(BadToken):
        Tokens(clock, 60).check(Tokens(clock, 60).sign({"sub": "me"}))


def test_one_token_can_be_refused_and_its_twin_stays_good() -> None:
    tokens = Tokens(_Clock(0.0), lifetime=60)
    one, twin = tokens.sign({"sub": "me"}), tokens.sign({"sub": "me"})
    tokens.refuse(one)
    with pytest.raises(BadToken):
        tokens.check(one)
    assert tokens.check(twin)["sub"] == "me"


def test_expiring_all_leaves_only_tokens_issued_afterwards() -> None:
    tokens = Tokens(_Clock(0.0), lifetime=60)
    before = tokens.sign({"sub": "me"})
    tokens.expire_all()
    with pytest.raises(BadToken):
        tokens.check(before)
    assert tokens.check(tokens.sign({"sub": "me"}))


def test_the_bucket_holds_an_hours_worth_and_refills_evenly() -> None:
    clock = _Clock(0.0)
    bucket = HourlyBucket(clock, 30)
    assert [bucket.take() for _ in range(31)] == [True] * 30 + [False]
    clock.now += 119
    assert not bucket.take()
    clock.now += 2
    assert (bucket.take(), bucket.take()) == (True, False)


def test_without_a_limit_everything_is_granted_and_with_none_left_nothing() -> None:
    assert all(HourlyBucket(_Clock(0.0), None).take() for _ in range(1_000))
    assert not HourlyBucket(_Clock(0.0), 0).take()
