"""The history: bounded, numbered, without secrets."""

import pytest

from langfast_wsgi.emulator import history
from langfast_wsgi.emulator.history import History
from langfast_wsgi.emulator.replies.steering import label
from tests.support.clock import FakeClock


def test_calls_are_numbered_and_may_be_asked_for_after_a_number() -> None:
    kept = History(FakeClock(5.0))
    for run_id in ("a", "b"):
        kept.call().run_id = run_id
    told = kept.as_json(since=1)
    assert told["next"] == 2
    assert told["starts"] == [
        {"number": 2, "at": 5.0, "run_id": "b", "user_id": "", "label": "", "status": 0}
    ]


def test_sign_ups_have_their_time_and_an_account_is_entered_once() -> None:
    kept = History(FakeClock(5.0))
    kept.sign_up().status = 429
    kept.account("u").connects += 1
    kept.account("u").connects += 1
    told = kept.as_json(0)
    assert told["sign_ups"] == [{"at": 5.0, "status": 429, "user_id": ""}]
    [account] = told["accounts"]  # type: ignore[misc]
    assert account["connects"] == 2


def test_the_most_runs_in_flight_are_kept_by_account() -> None:
    kept = History()
    for in_flight in (1, 2, 3, 1):
        kept.run_began("u", in_flight)
    assert (kept.account("u").runs, kept.account("u").runs_max) == (4, 3)


def test_the_uses_of_refresh_tokens_are_counted_by_session_and_place() -> None:
    kept = History()
    for session, place in (("s", 0), ("s", 1), ("s", 1), ("t", 2)):
        kept.token_used("u", session, place)
    assert kept.account("u").refresh_uses == {"s": [1, 2], "t": [0, 0, 1]}


def test_only_the_newest_accounts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_MOST_ACCOUNTS", 2)
    kept = History()
    for user_id in "abc":
        kept.account(user_id)
    accounts = kept.as_json(0)["accounts"]
    assert [account["user_id"] for account in accounts] == ["b", "c"]  # type: ignore[attr-defined]


def test_numbers_go_on_after_everything_was_forgotten() -> None:
    kept = History()
    kept.call()
    kept.sign_up()
    kept.account("u")
    kept.clear()
    assert kept.as_json(0) == {"next": 1, "starts": [], "sign_ups": [], "accounts": []}
    assert kept.call().number == 2


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("hello", "hello"),
        ("x" * 300, "x" * 200),
        ('{"nonce": "n-1"}', "n-1"),
        ('{"text": "a", "nonce": "n-2"}', "n-2"),
        ('{"nonce": 5}', '{"nonce": 5}'),
        ("{broken", "{broken"),
        ("", ""),
    ],
)
def test_a_request_is_named_by_its_nonce_or_how_its_message_begins(said: str, named: str) -> None:
    assert label(said) == named
