"""The control routes under ``/emulator``: what a test may look at and switch. They need no key.

=====================================  =========================================================
``GET /emulator``                      what this is: url, anon key, prompt id, models
``GET /emulator/stats``                counters since the start, and what is open now
``GET /emulator/runs[?texts=1]``       the newest 2,000 runs, with every text sent if asked for
``DELETE /emulator/runs``              forget runs and counters
``GET /emulator/history[?since=N]``    starts, runs, sign-ups and accounts, for checking
``GET, PUT, DELETE /emulator/faults``  service faults: see ``faults/switchboard.py``
``POST /emulator/sockets/drop``        cut all sockets; ``{"mode": "kick"}`` and others
``POST /emulator/tokens/expire``       access tokens issued so far are refused
``POST /emulator/tokens/revoke``       and refresh tokens issued so far are unknown
``GET, POST /emulator/elsewhere``      where redirects lead unless told otherwise
=====================================  =========================================================
"""

from collections.abc import Mapping

import orjson

from langfast_wsgi.emulator.auth.sessions import Sessions
from langfast_wsgi.emulator.auth.tokens import Tokens
from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.faults.switchboard import Switchboard
from langfast_wsgi.emulator.history import History
from langfast_wsgi.emulator.runs.journal import Journal
from langfast_wsgi.emulator.runs.startfaults import ELSEWHERE
from langfast_wsgi.emulator.shapes import BadShape, Table, checked, one_of
from langfast_wsgi.emulator.sockets.channels import HOWS, Channels
from langfast_wsgi.emulator.web import Answer, Problem, Request, Routes, json_answer

_BODY_LIMIT = 64 * 1024
_DROP: Table = {"mode": one_of(HOWS)}


class BadControl(Problem):
    """A control request that cannot be followed."""

    def answer(self, _request: Request, /) -> Answer:
        """400 and the sentence."""
        return json_answer(400, {"error": str(self)})


class ControlRoutes:
    """Looks at everything and changes what it is told to."""

    def __init__(
        self,
        info: Mapping[str, object],
        counters: Counters,
        faults: Switchboard,
        journal: Journal,
        history: History,
        channels: Channels,
        tokens: Tokens,
        sessions: Sessions,
    ) -> None:
        self._info = info
        self._counters = counters
        self._faults = faults
        self._journal = journal
        self._history = history
        self._channels = channels
        self._tokens = tokens
        self._sessions = sessions

    def routes(self) -> Routes:
        """Where each handler is reached."""
        return {
            ("GET", "/emulator"): lambda _: json_answer(200, self._info),
            ("GET", "/emulator/stats"): self.stats,
            ("GET", "/emulator/runs"): self.runs,
            ("DELETE", "/emulator/runs"): self.forget,
            ("GET", "/emulator/history"): self.history,
            ("GET", "/emulator/faults"): self.faults,
            ("PUT", "/emulator/faults"): self.put_faults,
            ("DELETE", "/emulator/faults"): self.clear_faults,
            ("POST", "/emulator/sockets/drop"): self.drop_sockets,
            ("POST", "/emulator/tokens/expire"): self.expire_tokens,
            ("POST", "/emulator/tokens/revoke"): self.revoke_tokens,
            ("GET", ELSEWHERE): self.elsewhere,
            ("POST", ELSEWHERE): self.elsewhere,
        }

    def stats(self, _request: Request, /) -> Answer:
        """The counters, and what is open at this moment."""
        now = {"runs_active": self._journal.runs_active(), "sockets_open": len(self._channels)}
        return json_answer(200, {**self._counters.as_json(), **now})

    def runs(self, request: Request, /) -> Answer:
        """The journal."""
        texts = request.query.get("texts", "") not in ("", "0")
        return json_answer(200, {"runs": self._journal.as_json(texts)})

    def history(self, request: Request, /) -> Answer:
        """What happened, without any request's body; of starts and runs those after a number."""
        since = request.query.get("since", "0")
        if not (since.isascii() and since.isdigit()):
            raise BadControl("since must be a whole number from 0")
        told = self._history.as_json(int(since))
        return json_answer(200, {**told, "runs": self._journal.history(int(since))})

    def forget(self, _request: Request, /) -> Answer:
        """Clear journal, history and counters."""
        self._journal.clear()
        self._history.clear()
        self._counters.clear()
        return Answer(204)

    def faults(self, _request: Request, /) -> Answer:
        """The service faults that are on."""
        return json_answer(200, self._faults.as_json())

    def put_faults(self, request: Request, /) -> Answer:
        """Switch service faults on or off."""
        try:
            self._faults.put(_body(request))
        except BadShape as error:
            raise BadControl(str(error)) from error
        return self.faults(request)

    def clear_faults(self, _request: Request, /) -> Answer:
        """Switch all service faults off."""
        self._faults.clear()
        return Answer(204)

    def drop_sockets(self, request: Request, /) -> Answer:
        """Take the connection from every socket, in one way or another."""
        try:
            asked = checked(_body(request), _DROP, "body")
        except BadShape as error:
            raise BadControl(str(error)) from error
        return json_answer(200, {"sockets": self._channels.cut_all(asked.get("mode", "abort"))})

    def expire_tokens(self, _request: Request, /) -> Answer:
        """No access token issued so far is good any more."""
        self._tokens.expire_all()
        return Answer(204)

    def revoke_tokens(self, _request: Request, /) -> Answer:
        """No access or refresh token issued so far is good any more."""
        self._tokens.expire_all()
        self._sessions.forget_refresh_tokens()
        return Answer(204)

    def elsewhere(self, _request: Request, /) -> Answer:
        """Count who follows a redirect."""
        self._counters.redirects_followed += 1
        return json_answer(200, {})


def _body(request: Request) -> object:
    read = request.body(_BODY_LIMIT)
    try:
        return orjson.loads(read) if read else {}
    except orjson.JSONDecodeError as error:
        raise BadControl(f"the body is not JSON: {error}") from error
