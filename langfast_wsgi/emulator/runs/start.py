"""Starting a run: who may, what it will say, what the start is answered with."""

import uuid
from collections.abc import Callable, Iterator

from langfast_wsgi.emulator.auth.gate import Gate, bearer
from langfast_wsgi.emulator.auth.tokens import BadToken, Tokens
from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.faults.serving import served
from langfast_wsgi.emulator.faults.switchboard import HttpFault, Switchboard
from langfast_wsgi.emulator.replies.choose import choose
from langfast_wsgi.emulator.replies.reply import Reply
from langfast_wsgi.emulator.replies.script import Script
from langfast_wsgi.emulator.runs.journal import Journal, Run
from langfast_wsgi.emulator.runs.player import Player, play_at_once
from langfast_wsgi.emulator.runs.refusals import StartRefusal, bad_jwt, no_bearer
from langfast_wsgi.emulator.runs.request import Start, parsed
from langfast_wsgi.emulator.runs.startfaults import StartFaults, garbled_start
from langfast_wsgi.emulator.shapes import BadShape
from langfast_wsgi.emulator.web import (
    Answer,
    BodyTooLarge,
    Request,
    Routes,
    json_answer,
    retry_after,
)

PATH = "/functions/v1/initiate-prompt-run"
_BODY_LIMIT = 32 * 1024 * 1024


class StartRoute:
    """The Edge Function."""

    def __init__(
        self,
        gate: Gate,
        tokens: Tokens,
        script: Script,
        player: Player,
        journal: Journal,
        counters: Counters,
        faults: Switchboard,
        schedule: Callable[[Iterator[float]], None],
        sleep: Callable[[float], None],
        job_ids: bool,
    ) -> None:
        self._gate = gate
        self._tokens = tokens
        self._script = script
        self._player = player
        self._journal = journal
        self._counters = counters
        self._faults = faults
        self._start_faults = StartFaults(tokens, sleep)
        self._schedule = schedule
        self._sleep = sleep
        self._job_ids = job_ids

    def routes(self) -> Routes:
        """Where it is reached."""
        return {("POST", PATH): self.start}

    def start(self, request: Request) -> Answer:
        """Start the run that the body describes."""
        self._counters.starts += 1
        self._gate.check(request)
        fault = self._faults.http("start")
        return served(fault, lambda: self._start(request), _refused, self._sleep)

    def _start(self, request: Request) -> Answer:
        token = bearer(request)
        user_id = self._user(token)
        start = self._parsed(request)
        if start.created_by != user_id:
            raise StartRefusal(403, "created_by must be the user that the token names.")
        known = self._known(start)
        if known is not None:
            return _answer(known)
        reply = self._reply(start)
        self._start_faults.before(reply, start, token)
        # Asked again: while a fault made this one wait, the same run may have been started.
        run = self._known(start) or self._begin(start, reply)
        self._start_faults.after(reply, start)
        return garbled_start(reply) or _answer(run, reply)

    def _known(self, start: Start) -> Run | None:
        run = self._journal.get(start.run_id)
        if run is None:
            return None
        if run.user_id != start.created_by:
            raise StartRefusal(400, "run_id is that of another user's run.")
        self._counters.starts_repeated += 1
        return run

    def _user(self, token: str) -> str:
        if not token:
            raise no_bearer()
        try:
            return str(self._tokens.check(token)["sub"])
        except BadToken as error:
            raise bad_jwt() from error

    def _parsed(self, request: Request) -> Start:
        try:
            return parsed(request.body(_BODY_LIMIT))
        except BodyTooLarge as error:
            raise StartRefusal(413, "The body is too large.") from error

    def _reply(self, start: Start) -> Reply:
        try:
            return choose(self._script, start.model, start.messages)
        except BadShape as error:
            raise StartRefusal(400, f"{error}.") from error

    def _begin(self, start: Start, reply: Reply) -> Run:
        run = Run(
            run_id=start.run_id,
            job_id=str(uuid.uuid4()),
            told=self._job_ids and "no-jobs" not in reply.faults,
            user_id=start.created_by,
            prompt_meta=start.prompt_meta,
            text=reply.text,
            size=start.size + len(reply.text),
        )
        task = self._player.begin(run, reply)
        if "early" in reply.faults:
            play_at_once(task)
        else:
            self._schedule(task)
        return run


def _answer(run: Run, reply: Reply | None = None) -> Answer:
    body: dict[str, object] = {"run_id": run.run_id}
    if run.told:
        body["jobs"] = _jobs(run, reply) if reply else [{"job_id": run.job_id}]
    return json_answer(200, body)


def _jobs(run: Run, reply: Reply) -> list[dict[str, str]]:
    if "start-empty-jobs" in reply.faults:
        return []
    more = (reply.details.size or 2) - 1 if "start-many-jobs" in reply.faults else 0
    return [{"job_id": run.job_id}, *({"job_id": str(uuid.uuid4())} for _ in range(more))]


def _refused(fault: HttpFault) -> Answer:
    headers = retry_after(fault.retry_after)
    raise StartRefusal(fault.status or 500, fault.message, fault.code, headers)
