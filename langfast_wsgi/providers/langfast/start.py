"""The call that starts a run, over urllib3: it costs half of what requests costs.

No cookies, no netrc, no redirects; one pool of connections and one TLS context. What comes of each
attempt is told to the breaker, and a second one has to be in the retry budget.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import GatewayError, UpstreamGarbled
from langfast_wsgi.observe import metrics
from langfast_wsgi.observe.logs import one_line
from langfast_wsgi.providers.langfast import translate, verdict
from langfast_wsgi.providers.langfast.accounts import CONNECT_SECONDS
from langfast_wsgi.providers.langfast.answer import (
    AnswerCut,
    AnswerTooLarge,
    AnswerTooSlow,
    read,
    timely_pool,
)
from langfast_wsgi.providers.langfast.breaker import Breaker
from langfast_wsgi.providers.langfast.credential import REFRESH_SPACING, Credential
from langfast_wsgi.providers.langfast.retries import RetryBudget
from langfast_wsgi.providers.langfast.upstream import Upstream

log = logging.getLogger(__name__)

_ACCEPTED = metrics.STARTS.labels("accepted")
_RETRIED = metrics.START_RETRIES.labels("made")
_NOT_RETRIED = metrics.START_RETRIES.labels("over_budget")


class StartFailed(Exception):
    """The run was not started, as far as we know (``spent``: it may be going on all the same).

    Carries the fault, and how long the account is to rest.
    """

    def __init__(self, refusal: verdict.Refusal) -> None:
        super().__init__(refusal.fault.message)
        self.fault = refusal.fault
        self.rest = refusal.rest
        self.spent = refusal.spent
        #: Whether nothing is wrong with the account: the upstream looked at what it asked for.
        self.taken = refusal.blame == ""


class Starter:
    """Starts runs. ``refresh`` gets a new token for a credential, or raises a GatewayError."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        timeout: float,
        connections: int,
        refresh: Callable[[Credential], None],
        breaker: Breaker | None = None,
        retries: RetryBudget | None = None,
    ) -> None:
        self._upstream = upstream
        self._path = f"{urlsplit(upstream.supabase_url).path}/functions/v1/initiate-prompt-run"
        self._timeout = timeout
        self._refresh = refresh
        self._breaker = breaker or Breaker()
        self._retries = retries or RetryBudget()
        # One host, so its pool alone: a manager of pools would cost a fifth of the call.
        self._http = timely_pool(upstream.supabase_url, connections)

    def start(self, credential: Credential, request: RunRequest) -> str | None:
        """Start a run on the account; its job id, None where the upstream gives none.

        After a refused token, which is refreshed, or a failure that may pass it is tried once more
        with the same run id, within the retry budget and START_TIMEOUT; an account that rests for
        a refusal gets no token sooner than usual for that. Raises StartFailed.
        """
        run_id = str(uuid4())
        deadline = time.monotonic() + self._timeout
        is_second = False
        self._retries.pay_in()
        tried = time.monotonic()
        # Refused a moment ago with a fresh token: yet another one would prove nothing.
        fresh = credential.cooling(tried) and tried - credential.refreshed_at < REFRESH_SPACING
        while True:
            used, began = credential.grant.access_token, self._breaker.now()
            outcome = self._attempt(credential, request, run_id, deadline)
            if not isinstance(outcome, verdict.Refusal):
                _ACCEPTED.inc()
                credential.served = True
                self._breaker.accepted(began)
                return outcome
            metrics.STARTS.labels(outcome.fault.code or "refused_prompt").inc()
            useless = is_second or (fresh and outcome.again == "refreshed")
            may_help = bool(outcome.again) and not useless
            if not (may_help and outcome.again == "refreshed"):
                self._tell(outcome, began, credential.name)
            if not may_help:
                raise StartFailed(outcome)
            is_second = True
            self._prepare(credential, outcome, used)

    def _tell(self, outcome: verdict.Refusal, began: float, account: str) -> None:
        """For the breaker. A refused token counts when a fresh one is refused as well."""
        if outcome.blame == "upstream":
            self._breaker.failed(began)
        elif outcome.blame == "account":
            self._breaker.refused(began, account, outcome.fault)
        elif outcome.blame == "project":
            self._breaker.restricted(began, outcome.fault)
        elif outcome.blame == "setup":
            self._breaker.misconfigured(began, outcome.fault)
        elif outcome.blame == "":
            self._breaker.answered(began)

    def _prepare(self, credential: Credential, outcome: verdict.Refusal, used: str) -> None:
        """What a second attempt needs. Raises StartFailed where there can be none."""
        if outcome.again == "same":
            if self._breaker.state != "closed":  # then this was the one probe
                raise StartFailed(outcome)
            self._charge(outcome)
            time.sleep(random.uniform(0.1, 0.4))
            return
        if credential.grant.access_token == used:  # nobody else refreshed it meanwhile
            try:
                self._refresh(credential)
            except GatewayError as error:
                # It will be replaced, or serves again once it could be refreshed.
                raise StartFailed(replace(outcome, rest=0.0)) from error
        # The account is well again: it need not rest, whether or not this run may use it.
        self._charge(replace(outcome, rest=0.0))

    def _charge(self, outcome: verdict.Refusal) -> None:
        if not self._retries.take():
            _NOT_RETRIED.inc()
            raise StartFailed(outcome)
        _RETRIED.inc()

    def _attempt(
        self, credential: Credential, request: RunRequest, run_id: str, deadline: float
    ) -> str | verdict.Refusal | None:
        body = translate.payload(
            request,
            run_id=run_id,
            prompt_id=self._upstream.prompt_id,
            user_id=credential.grant.user_id,
        )
        try:
            return self._post(credential, orjson.dumps(body), deadline)
        except (NewConnectionError, ConnectTimeoutError, SSLError):
            return verdict.unreachable()
        except (ReadTimeoutError, AnswerTooSlow, TimeoutError):
            return verdict.too_late()
        except (AnswerTooLarge, UpstreamGarbled):
            return verdict.garbled()
        except (HTTPError, OSError, AnswerCut) as error:
            if isinstance(error.__cause__, ReadTimeoutError):
                return verdict.too_late()
            return verdict.cut()

    def _post(
        self, credential: Credential, body: bytes, deadline: float
    ) -> str | verdict.Refusal | None:
        left = deadline - time.monotonic()
        if left <= 0:
            return verdict.too_late()
        answer = self._http.urlopen(
            "POST",
            self._path,
            body=body,
            headers={
                "apikey": self._upstream.anon_key,
                "Authorization": f"Bearer {credential.grant.access_token}",
                "Content-Type": "application/json",
            },
            timeout=urllib3.Timeout(total=left, connect=min(left, CONNECT_SECONDS)),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        try:
            content = read(answer, deadline)
        except BaseException:
            answer.close()  # a half-read connection serves nobody
            raise
        answer.release_conn()
        if answer.status == 200:
            try:
                return verdict.accepted(content)
            except UpstreamGarbled:
                _note(answer.status, content)
                raise
        _note(answer.status, content)
        return verdict.refused(answer.status, answer.headers, content)


def _note(status: int, content: bytes) -> None:
    """For whoever wants to know what the upstream said: one line, secrets masked."""
    log.debug("the start was answered %d: %s", status, one_line(content.decode("utf-8", "replace")))
