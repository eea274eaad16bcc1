"""The call that starts a run, over urllib3: it costs half of what requests costs.

No cookies, no netrc, no redirects; one pool of connections and one TLS context.
"""

import logging
import random
import time
from collections.abc import Callable
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
from langfast_wsgi.errors import (
    GatewayError,
    StartRefused,
    UpstreamGarbled,
    UpstreamUnreachable,
)
from langfast_wsgi.observe import metrics
from langfast_wsgi.observe.logs import one_line
from langfast_wsgi.providers.langfast import translate, verdict
from langfast_wsgi.providers.langfast.answer import (
    AnswerCut,
    AnswerTooLarge,
    AnswerTooSlow,
    read,
    tls_context,
)
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.upstream import Upstream

log = logging.getLogger(__name__)

_ACCEPTED = metrics.STARTS.labels("accepted")


class StartFailed(Exception):
    """The run was not started, as far as we know (``spent``: it may be going on all the same).

    Carries the fault, and how long the account is to rest.
    """

    def __init__(self, refusal: verdict.Refusal) -> None:
        super().__init__(refusal.fault.message)
        self.fault = refusal.fault
        self.rest = refusal.rest
        self.spent = refusal.spent


class Starter:
    """Starts runs. ``refresh`` gets a new token for a credential, or raises a GatewayError."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        timeout: float,
        connections: int,
        refresh: Callable[[Credential], None],
    ) -> None:
        self._upstream = upstream
        self._path = f"{urlsplit(upstream.supabase_url).path}/functions/v1/initiate-prompt-run"
        self._timeout = timeout
        self._refresh = refresh
        # One host, so the pool itself: a manager of pools would cost a fifth of the call.
        secure = {"ssl_context": tls_context()} if upstream.supabase_url.startswith("https") else {}
        self._http = urllib3.connection_from_url(
            upstream.supabase_url, maxsize=connections, block=False, **secure
        )

    def start(self, credential: Credential, request: RunRequest) -> str | None:
        """Start a run on the account; its job id, None where the upstream gives none.

        A refused token is refreshed, and a failure that may pass is tried again with the same run
        id, once each. Raises StartFailed.
        """
        run_id = str(uuid4())
        tried: set[str] = set()
        while True:
            deadline = time.monotonic() + self._timeout
            used = credential.grant.access_token
            outcome = self._attempt(credential, request, run_id, deadline)
            if not isinstance(outcome, verdict.Refusal):
                _ACCEPTED.inc()
                return outcome
            metrics.STARTS.labels(outcome.fault.code or "refused_prompt").inc()
            if not outcome.again or outcome.again in tried:
                raise StartFailed(outcome)
            tried.add(outcome.again)
            self._prepare(credential, outcome, used)

    def _prepare(self, credential: Credential, outcome: verdict.Refusal, used: str) -> None:
        if outcome.again == "same":
            time.sleep(random.uniform(0.1, 0.4))
        elif credential.grant.access_token == used:  # nobody else refreshed it meanwhile
            try:
                self._refresh(credential)
            except GatewayError as error:
                raise StartFailed(outcome) from error

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
            fault: GatewayError = UpstreamUnreachable(
                "The upstream cannot be reached.", retry_after=5
            )
            return verdict.Refusal(fault, again="same")
        except (ReadTimeoutError, AnswerTooSlow, TimeoutError):
            return verdict.too_late()
        except (AnswerTooLarge, UpstreamGarbled):
            fault = UpstreamGarbled("The upstream's answer to the start is no good.")
            return verdict.Refusal(fault, spent=True)
        except (HTTPError, OSError, AnswerCut) as error:
            if isinstance(error.__cause__, ReadTimeoutError):
                return verdict.too_late()
            # Cut after the body was sent: the run may be going on, so no second one.
            fault = StartRefused("The upstream cut the connection.", retry=False)
            return verdict.Refusal(fault, spent=True)

    def _post(
        self, credential: Credential, body: bytes, deadline: float
    ) -> str | verdict.Refusal | None:
        answer = self._http.urlopen(
            "POST",
            self._path,
            body=body,
            headers={
                "apikey": self._upstream.anon_key,
                "Authorization": f"Bearer {credential.grant.access_token}",
                "Content-Type": "application/json",
            },
            timeout=urllib3.Timeout(total=self._timeout),
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
