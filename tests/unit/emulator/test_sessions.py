"""Refresh tokens: rotation, reuse, theft."""

import pytest

from langfast_wsgi.emulator.auth.refusals import AuthRefusal
from langfast_wsgi.emulator.auth.sessions import Session, Sessions
from tests.support.canaries import Canaries


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def sessions(clock: _Clock) -> Sessions:
    return Sessions(clock, reuse_interval=10.0)


def _refused(sessions: Sessions, token: str) -> str:
    with pytest.raises(AuthRefusal) as caught:
        sessions.refresh(token)
    return caught.value.code


def _family(sessions: Sessions, clock: _Clock) -> tuple[Session, list[str]]:
    """A session whose token was rotated twice, long enough ago."""
    session = sessions.open("user", "anonymous")
    tokens = [session.current]
    for _ in range(2):
        tokens.append(sessions.refresh(tokens[-1]).current)
    clock.now += 60
    return session, tokens


def test_a_refresh_token_is_twelve_small_letters_or_digits(sessions: Sessions) -> None:
    token = sessions.open("user", "anonymous").current
    assert len(token) == 12
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz0123456789")


def test_a_refresh_token_bears_a_mark_by_which_a_leak_is_found(sessions: Sessions) -> None:
    session = sessions.open("user", "anonymous")
    for token in (session.current, sessions.refresh(session.current).current):
        assert list(Canaries({}).seen_in(f"got {token}!"))


def test_using_the_current_token_rotates_it(sessions: Sessions) -> None:
    session = sessions.open("user", "anonymous")
    first = session.current
    assert sessions.refresh(first) is session
    assert session.current != first


def test_the_parent_is_answered_with_the_current_token_however_late(
    sessions: Sessions, clock: _Clock
) -> None:
    _, (_, parent, current) = _family(sessions, clock)
    assert sessions.refresh(parent).current == current


def test_an_older_token_is_answered_within_the_reuse_interval(
    sessions: Sessions, clock: _Clock
) -> None:
    session = sessions.open("user", "anonymous")
    oldest = session.current
    sessions.refresh(sessions.refresh(oldest).current)
    clock.now += 9.9
    assert sessions.refresh(oldest).current == session.current


def test_an_older_token_after_the_interval_revokes_the_family(
    sessions: Sessions, clock: _Clock
) -> None:
    _, tokens = _family(sessions, clock)
    assert _refused(sessions, tokens[0]) == "refresh_token_already_used"
    assert [_refused(sessions, token) for token in tokens] == ["refresh_token_already_used"] * 3


def test_a_token_nobody_issued_is_not_found(sessions: Sessions) -> None:
    assert _refused(sessions, "abcdefghijkl") == "refresh_token_not_found"


def test_an_ended_session_is_gone_with_all_its_tokens(sessions: Sessions, clock: _Clock) -> None:
    session, tokens = _family(sessions, clock)
    sessions.end(session)
    assert sessions.get(session.id) is None
    assert {_refused(sessions, token) for token in tokens} == {"refresh_token_not_found"}


def test_forgotten_refresh_tokens_leave_the_session(sessions: Sessions) -> None:
    session = sessions.open("user", "anonymous")
    sessions.forget_refresh_tokens()
    assert _refused(sessions, session.current) == "refresh_token_not_found"
    assert sessions.get(session.id) is session


def test_the_sessions_of_a_user_are_that_users_only(sessions: Sessions) -> None:
    mine = [sessions.open("me", "anonymous") for _ in range(2)]
    sessions.open("you", "anonymous")
    assert sessions.of_user("me") == mine


def test_each_use_of_a_token_is_told_by_its_place(clock: _Clock) -> None:
    told: list[int] = []
    sessions = Sessions(clock, 0.0, lambda _, place: told.append(place))
    _, tokens = _family(sessions, clock)
    sessions.refresh(tokens[1])
    _refused(sessions, tokens[0])
    _refused(sessions, tokens[2])
    _refused(sessions, "abcdefghijkl")
    assert told == [0, 1, 1, 0, 2]
