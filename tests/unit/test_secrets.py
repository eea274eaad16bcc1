"""What holds a secret does not show it: the repr of everything that the service is made of."""

import functools
import gc
import json
import traceback
import types
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from langfast_wsgi import embedded, runtime
from langfast_wsgi.admission import Admission
from langfast_wsgi.app import Langfast
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.errors import GatewayError
from langfast_wsgi.gateway import Gateway
from langfast_wsgi.note import Note
from langfast_wsgi.observe.logs import mask
from langfast_wsgi.providers.langfast.accounts import Accounts
from langfast_wsgi.providers.langfast.breaker import Breaker
from langfast_wsgi.providers.langfast.budget import BudgetUnknown, FileBudget, RedisBudget
from langfast_wsgi.providers.langfast.build import build
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.grant import Grant
from langfast_wsgi.providers.langfast.inbox import Inbox
from langfast_wsgi.providers.langfast.keeper import Keeper
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.provider import LangfastProvider
from langfast_wsgi.providers.langfast.session import Session
from langfast_wsgi.providers.langfast.signups import SignUps
from langfast_wsgi.providers.langfast.start import Starter, StartFailed
from langfast_wsgi.providers.langfast.upstream import Upstream
from langfast_wsgi.settings import Settings, SettingsError, load
from tests.support.builders import answer, run_request, stub_server
from tests.support.canaries import SECRETS, Canaries, new

PLANTED = {name: new(name.lower()) for name in SECRETS}
PLANTED["REDIS_URL"] = f"redis://:{new('redis-password')}@127.0.0.1:1/0"
TOKENS = {"access": new("access-token"), "refresh": new("refresh-token")}


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    """Also the words of which an address is made."""
    found = Canaries(PLANTED)
    found.plant("REDIS_URL", PLANTED["REDIS_URL"].partition("@")[0].rpartition(":")[2])
    for name, token in TOKENS.items():
        found.plant(name, token)
    return found


def settings(**more: Any) -> Settings:
    planted = {name.lower(): value for name, value in PLANTED.items() if name != "REDIS_URL"}
    here = {"supabase_url": "http://auth", "socket_url": "http://sockets", "prompt_id": "p"}
    email = {"upstream_email": "somebody@example.com"}
    return Settings(_env_file=None, **{**planted, **here, **email, **more})


def parts(root: object) -> Iterator[object]:
    """Everything of ours that can be reached from an object, each once."""
    seen: set[int] = set()
    ahead = deque([root])
    while ahead:
        one = ahead.popleft()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, types.FunctionType):
            ahead.extend(cell.cell_contents for cell in one.__closure__ or () if _is_full(cell))
        elif isinstance(one, dict | list | tuple | set | frozenset | deque):
            ahead.extend(gc.get_referents(one))
        elif isinstance(one, types.MethodType | functools.partial) or _is_ours(type(one)):
            yield one
            ahead.extend(gc.get_referents(one))
        elif isinstance(one, BaseException | Flask):
            ahead.extend(gc.get_referents(one))


def _is_full(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asking is what raises
    except ValueError:
        return False
    return True


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith("langfast_wsgi") and kind is not type


def provider(tmp_path: Path, note: Note, **more: Any) -> LangfastProvider:
    """With an account that has a socket, which was refused once."""
    upstream = Upstream("http://auth", PLANTED["SUPABASE_ANON_KEY"], "http://sockets", "p")
    made = build(
        settings(**more), upstream, share=(1, 2), state=tmp_path, note=note, runtime=runtime
    )
    pool: Any = made._pool
    credential = pool.add(Grant(TOKENS["access"], TOKENS["refresh"], "user", 3600.0))
    session: Any = Session(credential.inbox, lambda _: None, runtime.receiver)
    session._refusal = {"message": TOKENS["access"]}
    pool.connected(credential, session, 60.0)
    note.write(TOKENS["refresh"])
    return made


# --- reprs


@pytest.mark.parametrize("own", [True, False])
def test_nothing_that_the_service_is_made_of_shows_a_secret(
    tmp_path: Path, canaries: Canaries, own: bool
) -> None:
    note = Note()
    account = {} if own else {"upstream_email": "", "upstream_password": ""}
    account |= {} if own else {"upstream_refresh_token": ""}
    chosen, host = settings(**account), Flask("host")
    assert chosen.api_keys  # kept from now on
    langfast = Langfast(host, chosen)
    langfast._gateway = Gateway(
        [provider(tmp_path, note, **account)],
        known_models=["m"],
        allow_unknown_models=False,
        max_runs=1,
        run_timeout=1.0,
    )
    found = list(parts([langfast, host, host.view_functions, host.before_request_funcs]))
    for blueprint in host.blueprints.values():
        found += parts(blueprint.before_request_funcs)
    for one in found:
        assert list(canaries.seen_in(f"{one!r} {one}")) == [], type(one)
    kinds = {type(one) for one in found}
    assert kinds >= {
        *(Settings, Langfast, Service, Gateway, Admission, LangfastProvider, Pool, Keeper, Starter),
        *(Accounts, Credential, Grant, Session, Upstream, SignUps, FileBudget, Breaker, Inbox),
    }
    assert Note in kinds


def test_a_budget_in_redis_does_not_show_its_password(canaries: Canaries) -> None:
    budget = RedisBudget(PLANTED["REDIS_URL"], 30)
    assert list(canaries.seen_in(repr(budget))) == []
    with pytest.raises(BudgetUnknown) as caught:
        budget.charge()  # nobody listens there
    assert list(canaries.seen_in("".join(traceback.format_exception(caught.value)))) == []


def test_the_embedded_emulators_key_is_not_shown(canaries: Canaries) -> None:
    key = PLANTED["SUPABASE_ANON_KEY"]
    emulator = embedded.Emulator("http://127.0.0.1:5", key, "p", ("echo",), 1, -1)
    assert list(canaries.seen_in(f"{emulator!r} {emulator}")) == []


def test_settings_that_do_not_fit_are_refused_without_their_values(
    monkeypatch: pytest.MonkeyPatch, canaries: Canaries
) -> None:
    monkeypatch.setenv("ENV_FILE", "")
    for name in SECRETS[:-1]:
        monkeypatch.setenv(name, PLANTED[name] + "\u00e9")
    with pytest.raises(SettingsError) as caught:
        load(port="no number")
    assert list(canaries.seen_in("".join(traceback.format_exception(caught.value)))) == []


# --- faults


BODY = json.dumps({"code": "x", "message": " ".join(TOKENS.values()), **TOKENS}).encode()


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 409, 429, 500])
@pytest.mark.parametrize("call", ["sign_up", "sign_in", "refresh"])
def test_a_fault_of_the_auth_service_repeats_nothing(
    canaries: Canaries, call: str, status: int
) -> None:
    with stub_server(answer(status, BODY, Location=f"/?{TOKENS['access']}")) as stub:
        accounts = Accounts(stub.url, PLANTED["SUPABASE_ANON_KEY"], 5.0)
        asked = {"sign_in": ("a@b", TOKENS["access"]), "refresh": (TOKENS["refresh"],)}
        with pytest.raises(GatewayError) as caught:
            getattr(accounts, call)(*asked.get(call, ()))
    assert list(canaries.seen_in("".join(traceback.format_exception(caught.value)))) == []


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 429, 500])
def test_a_fault_of_the_start_repeats_nothing(canaries: Canaries, status: int) -> None:
    grant = Grant(TOKENS["access"], TOKENS["refresh"], "user", 3600.0)
    with stub_server(answer(status, BODY, Location=f"/?{TOKENS['access']}")) as stub:
        upstream = Upstream(stub.url, PLANTED["SUPABASE_ANON_KEY"], stub.url, "p")
        starter = Starter(upstream, timeout=5.0, connections=1, refresh=lambda _: None)
        with pytest.raises(StartFailed) as caught:
            starter.start(Credential("c", grant, 0.0), run_request())
    said = [*traceback.format_exception(caught.value), caught.value.fault.message]
    assert list(canaries.seen_in("".join(said))) == []


# --- the log's mask


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {TOKENS['access']} apikey={TOKENS['refresh']}",
        json.dumps({"refresh_token": TOKENS["refresh"], "a": {"apikey": TOKENS["access"]}}),
        json.dumps({"text": json.dumps({"password": TOKENS["access"]})}),
        f"Bearer {TOKENS['access']}\\napikey: {TOKENS['refresh']}",
    ],
    ids=["bearer-then-key", "json", "json-in-json", "escaped-line-end"],
)
def test_the_mask_knows_more_secrets_than_one(canaries: Canaries, text: str) -> None:
    assert list(canaries.seen_in(mask(text))) == []
