"""Puts the parts of this provider together, from the settings."""

from collections.abc import Callable
from pathlib import Path

from langfast_wsgi.providers.langfast.accounts import Accounts, CredentialGone, Grant
from langfast_wsgi.providers.langfast.budget import Budget, FileBudget, RedisBudget
from langfast_wsgi.providers.langfast.keeper import Keeper
from langfast_wsgi.providers.langfast.offer import Offer
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.provider import LangfastProvider, Spawn
from langfast_wsgi.providers.langfast.start import Starter
from langfast_wsgi.providers.langfast.upstream import Upstream
from langfast_wsgi.settings import Settings


def build(
    settings: Settings, upstream: Upstream, *, share: tuple[int, int], state: Path, spawn: Spawn
) -> LangfastProvider:
    """A provider with ``share`` (least, most) of the instance's credentials.

    ``state`` is a folder that all workers of the instance share.
    """
    pool = Pool(*share, settings.runs_per_credential)
    accounts = Accounts(upstream.supabase_url, upstream.anon_key, settings.signup_timeout)
    offer = Offer(upstream.emulator, upstream.models, accounts.emulator_models)
    accounts.on_answer = offer.answered
    keeper = Keeper(
        pool,
        accounts,
        _budget(settings, state),
        obtain=_own_account(settings, accounts) if settings.own_account else accounts.sign_up,
        budgeted=not settings.own_account,
        socket_url=upstream.socket_url,
        connect_timeout=settings.connect_timeout,
        socket_max_age=settings.socket_max_age,
        spawn=spawn,
    )
    starter = Starter(
        upstream,
        timeout=settings.start_timeout,
        connections=settings.max_runs,
        refresh=keeper.refresh,
    )
    return LangfastProvider(
        pool,
        keeper,
        starter,
        offer,
        spawn=spawn,
        queue_timeout=settings.queue_timeout,
        start_timeout=settings.start_timeout,
        idle_timeout=settings.run_idle_timeout,
    )


def _budget(settings: Settings, state: Path) -> Budget:
    url = settings.redis_url.get_secret_value()
    if url:
        return RedisBudget(url, settings.signups_per_hour)
    return FileBudget(state / "sign-ups", settings.signups_per_hour)


def _own_account(settings: Settings, accounts: Accounts) -> Callable[[], Grant]:
    """Signs in to the operator's account: by refresh token while it serves, else by password."""
    token = settings.upstream_refresh_token.get_secret_value()
    password = settings.upstream_password.get_secret_value()

    def obtain() -> Grant:
        nonlocal token
        if token:
            try:
                grant = accounts.refresh(token)
            except CredentialGone as fault:
                token = ""
                fault.retry = bool(settings.upstream_email)
                raise
            token = ""  # tokens rotate: from now on the pool has its successor
            return grant
        if not settings.upstream_email:
            raise CredentialGone("The configured refresh token was used up.", retry=False)
        return accounts.sign_in(settings.upstream_email, password)

    return obtain
