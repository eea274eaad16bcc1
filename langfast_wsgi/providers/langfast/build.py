"""Puts the parts of this provider together, from the settings."""

import hashlib
import logging
import math
from collections.abc import Callable
from pathlib import Path

from langfast_wsgi.note import Note
from langfast_wsgi.providers.base import Runtime
from langfast_wsgi.providers.langfast.accounts import Accounts, CredentialGone
from langfast_wsgi.providers.langfast.breaker import Breaker
from langfast_wsgi.providers.langfast.budget import Budget, FileBudget, RedisBudget
from langfast_wsgi.providers.langfast.grant import Grant
from langfast_wsgi.providers.langfast.keeper import Keeper
from langfast_wsgi.providers.langfast.offer import Offer
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.provider import LangfastProvider
from langfast_wsgi.providers.langfast.retries import RetryBudget
from langfast_wsgi.providers.langfast.start import Starter
from langfast_wsgi.providers.langfast.upstream import Upstream
from langfast_wsgi.settings import Settings

log = logging.getLogger(__name__)


def build(
    settings: Settings,
    upstream: Upstream,
    *,
    share: tuple[int, int],
    state: Path,
    note: Note,
    runtime: Runtime,
) -> LangfastProvider:
    """A provider with ``share`` (least, most) of the instance's credentials.

    ``state`` is a folder, ``note`` a little memory that all workers of the instance share.
    """
    breaker = Breaker()
    pool = Pool(
        *share, settings.runs_per_credential, patience=settings.queue_timeout, breaker=breaker
    )
    accounts = Accounts(upstream.supabase_url, upstream.anon_key, settings.signup_timeout)
    offer = Offer(upstream.emulator, upstream.models, accounts.emulator_models)
    accounts.on_answer = offer.answered
    keeper = Keeper(
        pool,
        accounts,
        _budget(settings, upstream, state),
        obtain=_own_account(settings, accounts, note) if settings.own_account else accounts.sign_up,
        budgeted=not settings.own_account,
        socket_url=upstream.socket_url,
        connect_timeout=settings.connect_timeout,
        socket_max_age=settings.socket_max_age,
        runtime=runtime,
        newest=_newest(settings, note),
    )
    starter = Starter(
        upstream,
        timeout=settings.start_timeout,
        connections=settings.max_runs,
        refresh=keeper.refresh,
        breaker=breaker,
        retries=RetryBudget(),
    )
    return LangfastProvider(
        pool,
        keeper,
        starter,
        offer,
        runtime=runtime,
        queue_timeout=settings.queue_timeout,
        start_timeout=settings.start_timeout,
        idle_timeout=settings.run_idle_timeout,
        shortest=min(
            settings.first_byte_timeout,
            settings.run_timeout,
            settings.drain_seconds,
            settings.heartbeat_seconds or math.inf,
        ),
    )


def _budget(settings: Settings, upstream: Upstream, state: Path) -> Budget:
    url = settings.redis_url.get_secret_value()
    if url:
        return RedisBudget(url, settings.signups_per_hour)
    # Another upstream in the same folder has a budget of its own.
    name = hashlib.sha256(f"{upstream.supabase_url} {upstream.anon_key}".encode()).hexdigest()[:16]
    return FileBudget(state / f"sign-ups-{name}", settings.signups_per_hour)


def _newest(settings: Settings, note: Note) -> Callable[[str], str]:
    """What a refresh token has become: over a reload two workers hold the one own account."""
    return lambda token: (note.read() if settings.own_account else "") or token


def _own_account(settings: Settings, accounts: Accounts, note: Note) -> Callable[[], Grant]:
    """Signs in to the operator's account: by refresh token while it serves, else by password."""
    password = settings.upstream_password.get_secret_value()
    # Tokens rotate: each is kept before it is used, for a worker that comes after this one.
    accounts.on_grant = lambda grant: note.write(grant.refresh_token)
    spent: set[str] = set()

    def obtain() -> Grant:
        tokens = (note.read(), settings.upstream_refresh_token.get_secret_value())
        for token in tokens:
            if token and token not in spent:
                try:
                    grant = accounts.refresh(token)
                except CredentialGone:
                    spent.add(token)
                    log.warning("a refresh token of the own account is known no more")
                else:
                    spent.add(token)
                    return grant
        if not settings.upstream_email:
            raise CredentialGone("The configured refresh token was used up.", retry=False)
        return accounts.sign_in(settings.upstream_email, password)

    return obtain
