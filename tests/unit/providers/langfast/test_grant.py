"""The session in an answer: A5 and A9 as a table. Over HTTP: ``test_accounts``."""

from typing import Any

import pytest

from langfast_wsgi.errors import UpstreamGarbled
from langfast_wsgi.providers.langfast.grant import LONGEST_LIFETIME, Grant, read_grant
from tests.support.builders import jwt

SESSION: dict[str, Any] = {
    "access_token": jwt("user-9"),
    "expires_in": 3600,
    "refresh_token": "refresh-9",
    "user": {"id": "other"},
}


def test_a_session_is_a_grant() -> None:
    assert read_grant(SESSION) == Grant(SESSION["access_token"], "refresh-9", "user-9", 3600.0)


@pytest.mark.parametrize("found", [None, [], {}, "session", 7, True, [SESSION]], ids=repr)
def test_a5_anything_else_is_none(found: object) -> None:
    with pytest.raises(UpstreamGarbled):
        read_grant(found)


@pytest.mark.parametrize("missing", ["access_token", "refresh_token", "expires_in"])
def test_a5_a_session_that_lacks_one_of_the_three_is_none(missing: str) -> None:
    with pytest.raises(UpstreamGarbled):
        read_grant({name: value for name, value in SESSION.items() if name != missing})


@pytest.mark.parametrize("told", [0, -1, -3600, "3600", "", True, None, [], {}, 0.0, -0.5])
def test_a9_a_lifetime_that_is_no_positive_number_is_refused(told: object) -> None:
    with pytest.raises(UpstreamGarbled):
        read_grant({**SESSION, "expires_in": told})


@pytest.mark.parametrize("told", [86_400, 86_401, 10**9, 10**30, 1e300])
def test_a9_a_huge_lifetime_is_a_day(told: float) -> None:
    assert read_grant({**SESSION, "expires_in": told}).lifetime == LONGEST_LIFETIME == 86_400.0


@pytest.mark.parametrize("exp", [0, -1, 10**12, "soon", None])
def test_a19_what_the_token_says_about_its_end_is_ignored(exp: object) -> None:
    session = {**SESSION, "access_token": jwt("user-9", exp=exp), "expires_at": exp}
    assert read_grant(session).lifetime == 3600.0


@pytest.mark.parametrize("token", ["to ken", "to\nken", "tökén", "", "\x00"])
def test_a_token_that_cannot_travel_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(UpstreamGarbled):
        read_grant({**SESSION, "refresh_token": token})
