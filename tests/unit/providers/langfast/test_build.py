"""The parts of this provider, put together from the settings."""

from pathlib import Path
from typing import Any

import pytest

from langfast_wsgi import runtime
from langfast_wsgi.errors import UpstreamUnreachable
from langfast_wsgi.note import Note
from langfast_wsgi.providers.langfast.accounts import CredentialGone, Grant
from langfast_wsgi.providers.langfast.budget import FileBudget, RedisBudget
from langfast_wsgi.providers.langfast.build import _newest, _own_account, build
from langfast_wsgi.providers.langfast.provider import LangfastProvider
from langfast_wsgi.providers.langfast.upstream import Upstream
from langfast_wsgi.providers.registry import PROVIDERS
from langfast_wsgi.settings import Settings
from tests.support.builders import grant

UPSTREAM = Upstream("http://auth", "anon", "http://sockets", "p", emulator=True, models=("echo",))
OURS = {
    "supabase_url": "http://auth",
    "supabase_anon_key": "anon",
    "socket_url": "http://sockets",
    "prompt_id": "p",
}


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def built(tmp_path: Path, **values: Any) -> LangfastProvider:
    return build(
        settings(**values), UPSTREAM, share=(2, 4), state=tmp_path, note=Note(), runtime=runtime
    )


def test_the_settings_reach_the_parts_they_concern(tmp_path: Path) -> None:
    provider = built(
        tmp_path,
        runs_per_credential=3,
        signups_per_hour=7,
        connect_timeout=1,
        socket_max_age=2,
        start_timeout=4,
        queue_timeout=5,
        run_idle_timeout=6,
    )
    pool, keeper = provider._pool, provider._keeper
    assert (pool.least, pool.most, pool._runs_per_credential) == (2, 4, 3)
    assert (keeper._connect_timeout, keeper._socket_max_age) == (1, 2)
    assert keeper._socket_url == "http://sockets"
    assert keeper._sign_ups._budgeted
    assert isinstance(keeper._sign_ups._budget, FileBudget)
    assert repr(keeper._sign_ups._budget) == "<FileBudget of 7 an hour>"
    assert keeper._sign_ups._budget._path.parent == tmp_path
    assert provider._starter._timeout == 4
    assert (provider._start_timeout, provider._queue_timeout) == (4, 5)
    assert provider._idle_timeout == 6
    assert (provider.fingerprint, provider.models()) == ("emulator", ("echo",))


def test_accounts_are_signed_up_and_their_marks_heard(tmp_path: Path) -> None:
    provider = built(tmp_path)
    accounts = provider._keeper._accounts
    assert provider._keeper._sign_ups._obtain == accounts.sign_up
    assert accounts.on_answer == provider._offer.answered
    assert provider._starter._refresh == provider._keeper.refresh


def test_p5_one_breaker_serves_the_line_the_keeper_and_the_starts(tmp_path: Path) -> None:
    provider = built(tmp_path, queue_timeout=5)
    breaker = provider._pool.breaker
    assert provider._keeper._breaker is breaker
    assert provider._starter._breaker is breaker
    assert breaker.on_open == provider._pool._turn_away
    assert provider._pool._patience == 5


def test_a16_what_an_own_accounts_token_became_in_another_worker_is_taken_up() -> None:
    note = Note()
    ours = _newest(settings(**OURS, upstream_refresh_token="r0"), note)
    signed_up = _newest(settings(**OURS), note)
    assert ours("r1") == "r1"
    note.write("r2")
    assert ours("r1") == "r2"
    assert signed_up("r1") == "r1"


def test_with_redis_the_budget_is_kept_there(tmp_path: Path) -> None:
    provider = built(tmp_path, redis_url="redis://127.0.0.1:1/0")
    assert isinstance(provider._keeper._sign_ups._budget, RedisBudget)


def test_an_own_account_is_not_budgeted(tmp_path: Path) -> None:
    provider = built(tmp_path, **OURS, upstream_refresh_token="r0")
    assert not provider._keeper._sign_ups._budgeted


def test_the_registry_knows_this_provider() -> None:
    assert {"langfast": build} == PROVIDERS


# --- the operator's own account


class FakeAccounts:
    def __init__(self, *refreshes: Grant | Exception) -> None:
        self.refreshes = list(refreshes)
        self.asked: list[Any] = []

    def refresh(self, token: str) -> Grant:
        self.asked.append(token)
        outcome = self.refreshes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def sign_in(self, email: str, password: str) -> Grant:
        self.asked.append((email, password))
        return grant(9)


def obtain(accounts: FakeAccounts, **values: Any) -> Any:
    return _own_account(settings(**OURS, **values), accounts, Note())  # type: ignore[arg-type]


PASSWORD = {"upstream_email": "me@x", "upstream_password": "pw"}


def test_with_e_mail_and_password_it_signs_in_each_time() -> None:
    accounts = FakeAccounts()
    sign_in = obtain(accounts, **PASSWORD)
    assert sign_in() == sign_in() == grant(9)
    assert accounts.asked == [("me@x", "pw")] * 2


def test_with_a_refresh_token_it_serves_once_for_tokens_rotate() -> None:
    accounts = FakeAccounts(grant(1))
    sign_in = obtain(accounts, upstream_refresh_token="r0")
    assert sign_in() == grant(1)
    with pytest.raises(CredentialGone) as caught:
        sign_in()
    assert caught.value.retry is False
    assert accounts.asked == ["r0"]


def test_with_both_the_password_serves_once_the_token_was_used() -> None:
    accounts = FakeAccounts(grant(1))
    sign_in = obtain(accounts, upstream_refresh_token="r0", **PASSWORD)
    assert (sign_in(), sign_in()) == (grant(1), grant(9))


def test_a_token_that_is_not_taken_is_not_tried_again() -> None:
    accounts = FakeAccounts(CredentialGone("gone"))
    sign_in = obtain(accounts, upstream_refresh_token="r0")
    for _ in range(2):
        with pytest.raises(CredentialGone) as caught:
            sign_in()
        assert caught.value.retry is False
    assert accounts.asked == ["r0"]


def test_where_the_token_is_not_taken_the_password_serves_at_once() -> None:
    accounts = FakeAccounts(CredentialGone("gone"))
    sign_in = obtain(accounts, upstream_refresh_token="r0", **PASSWORD)
    assert sign_in() == sign_in() == grant(9)
    assert accounts.asked.count("r0") == 1


def test_a_token_whose_answer_did_not_come_serves_again() -> None:
    accounts = FakeAccounts(UpstreamUnreachable("down"), grant(1))
    sign_in = obtain(accounts, upstream_refresh_token="r0")
    with pytest.raises(UpstreamUnreachable):
        sign_in()
    assert sign_in() == grant(1)


def test_the_newest_token_is_noted_before_it_is_used_and_serves_the_next_worker() -> None:
    note, accounts = Note(), FakeAccounts(grant(1), grant(2))
    values = settings(**OURS, upstream_refresh_token="r0")
    _own_account(values, accounts, note)()  # type: ignore[arg-type]
    accounts.on_grant(grant(1))  # type: ignore[attr-defined]
    assert note.read() == grant(1).refresh_token
    _own_account(values, accounts, note)()  # type: ignore[arg-type]
    assert accounts.asked == ["r0", grant(1).refresh_token]
