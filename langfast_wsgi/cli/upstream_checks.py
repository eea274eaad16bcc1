"""Checks of the upstream, from its address to one run, with the provider's own parts.

They build on each other: the account that signs in connects the socket, on which the run comes.
"""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from langfast_wsgi import embedded, runtime
from langfast_wsgi.cli import advice, reach
from langfast_wsgi.cli.steps import NotDone, Step, Wrong
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import GatewayError, SessionLost, SessionRefused, UpstreamSilent
from langfast_wsgi.providers.langfast.accounts import Accounts, Grant
from langfast_wsgi.providers.langfast.budget import HELD, BudgetUnknown, RedisBudget
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.session import Session
from langfast_wsgi.providers.langfast.start import Starter, StartFailed
from langfast_wsgi.providers.langfast.upstream import Upstream
from langfast_wsgi.settings import Settings

PROMPT = "Say OK."
MARGIN = 5.0  # seconds that a check has beyond the deadlines of what it does
EMULATOR_START = 20.0


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be spent on the diagnosis."""

    sign_up: bool = False
    refresh_token: bool = False


class UpstreamChecks:
    """The upstream of these settings; closing it ends what the checks left open."""

    def __init__(self, settings: Settings, allowed: Allowed) -> None:
        self._settings = settings
        self._allowed = allowed
        self._upstream = _configured(settings)
        self._credential: Credential | None = None
        self._session: Session | None = None

    def __repr__(self) -> str:
        return f"<UpstreamChecks of {self._upstream}>"

    def __enter__(self) -> "UpstreamChecks":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut the socket and end the emulator; twice is fine."""
        if self._session is not None:
            self._session.close()
        if self._settings.embedded:
            embedded.stop()

    def steps(self) -> list[Step]:
        """The chain."""
        chosen = self._settings
        connect = chosen.connect_timeout + MARGIN
        run = 2 * chosen.start_timeout + chosen.run_idle_timeout + MARGIN
        chain = [
            Step("auth service", self._reach_auth, 2 * connect),
            Step("sign-in", self._sign_in, 2 * chosen.signup_timeout + MARGIN),
            Step("socket", self._connect, connect),
            Step("run", self._run, run),
        ]
        if chosen.embedded:
            return [Step("emulator", self._start_emulator, EMULATOR_START), *chain]
        if _origin(chosen.socket_url) != _origin(chosen.supabase_url):
            chain.insert(1, Step("socket service", self._reach_socket, connect, needed=False))
        return chain

    def _start_emulator(self) -> str:
        try:
            emulator = embedded.start()
        except embedded.EmulatorFailed as error:
            raise Wrong(str(error), advice.by_code("emulator_failed")) from error
        self._upstream = Upstream(
            emulator.url, emulator.anon_key, emulator.url, emulator.prompt_id, emulator=True
        )
        return f"started for this diagnosis at {emulator.url}"

    def _reach_auth(self) -> str:
        url, timeout = self._upstream.supabase_url, self._settings.connect_timeout
        below = reach.connection(url, timeout)
        return f"{below}, {reach.auth_service(url, self._upstream.anon_key, timeout)}"

    def _reach_socket(self) -> str:
        return reach.connection(self._upstream.socket_url, self._settings.connect_timeout)

    def _sign_in(self) -> str:
        accounts = Accounts(
            self._upstream.supabase_url, self._upstream.anon_key, self._settings.signup_timeout
        )
        begun = time.monotonic()
        how, grant = self._granted(accounts)
        self._credential = Credential("doctor", grant, time.monotonic())
        return f"{how}, {_since(begun)}; the token is good for {grant.lifetime:.0f} s"

    def _granted(self, accounts: Accounts) -> tuple[str, Grant]:
        chosen = self._settings
        if chosen.upstream_email:
            password = chosen.upstream_password.get_secret_value()
            return "own account, by password", accounts.sign_in(chosen.upstream_email, password)
        if chosen.own_account:
            if not self._allowed.refresh_token:
                raise NotDone(
                    "a refresh token is good for one use, which would be this one; with"
                    " --use-refresh-token it is spent on this"
                )
            token = chosen.upstream_refresh_token.get_secret_value()
            return "own account, by refresh token (now used up)", accounts.refresh(token)
        if not self._upstream.emulator:
            self._ask_for_sign_up()
        return "anonymous sign-up", accounts.sign_up()

    def _ask_for_sign_up(self) -> None:
        """Whether an account may be made on somebody's upstream."""
        if not self._allowed.sign_up:
            raise NotDone("it would make an account, which counts as a sign-up; allow: --sign-up")
        url = self._settings.redis_url.get_secret_value()
        if not url:
            return  # the budget of one instance is in its own hands, and one more is asked for here
        try:
            wait = RedisBudget(url, self._settings.signups_per_hour).charge()
        except BudgetUnknown:
            raise Wrong(
                "Redis, which keeps the sign-up budget, does not answer",
                advice.by_code("budget_unknown"),
            ) from None
        if wait > 0:
            sentence = f"no sign-up for {wait:.0f} s: {HELD}"
            raise Wrong(sentence, advice.by_code("over_budget"))

    def _connect(self) -> str:
        credential = self._known()
        self._session = Session(
            credential.inbox, lambda _: credential.inbox.interrupt(), runtime.receiver
        )
        begun = time.monotonic()
        self._session.connect(
            self._upstream.socket_url,
            credential.grant.access_token,
            self._settings.connect_timeout,
        )
        return f"connected and joined, {_since(begun)}"

    def _run(self) -> str:
        credential, mailbox = self._known(), Mailbox()
        begun = time.monotonic()
        credential.inbox.expect(mailbox)
        try:
            job_id = self._starter().start(credential, self._request())
        except StartFailed as failed:
            raise failed.fault from None
        credential.inbox.assign(mailbox, job_id)
        first, length, reason = _followed(mailbox, self._settings.run_idle_timeout)
        spent = f"first text after {first - begun:.2f} s, " if first else ""
        model = self._settings.default_model
        return f"{model}: {spent}{length} characters in {_since(begun)}, ended: {reason}"

    def _starter(self) -> Starter:
        return Starter(
            self._upstream,
            timeout=self._settings.start_timeout,
            connections=1,
            refresh=_not_refreshed,
        )

    def _request(self) -> RunRequest:
        return RunRequest(self._settings.default_model, [{"role": "user", "content": PROMPT}])

    def _known(self) -> Credential:
        assert self._credential is not None  # noqa: S101 - the chain ends where signing in failed
        return self._credential


def _configured(settings: Settings) -> Upstream:
    return Upstream(
        settings.supabase_url.rstrip("/"),
        settings.supabase_anon_key.get_secret_value(),
        settings.socket_url.rstrip("/"),
        settings.prompt_id,
    )


def _not_refreshed(_: Credential) -> None:
    # A token that is seconds old was refused: a new one would be refused as well.
    raise SessionRefused("The upstream refused the gateway's own account.")


def _followed(mailbox: Mailbox, idle: float) -> tuple[float | None, int, str]:
    """When the first text came, how long the text got, and how it ended. Raises GatewayError."""
    first: float | None = None
    length = 0
    while True:
        mailbox.wait(idle)
        news = mailbox.take()
        if news is None:
            raise UpstreamSilent("The upstream stopped sending.")
        if news.text:
            first = first or time.monotonic()
            length = len(news.text)
        if isinstance(news.ending, GatewayError):
            raise news.ending
        if news.ending is not None:
            return first, length, news.ending
        if mailbox.lost_at is not None:
            raise SessionLost("The connection to the upstream was lost during the run.")


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.2f} s"


def _origin(url: str) -> tuple[Any, ...]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
