"""Starting a run: who may, what it will say, what the start is answered with."""

import uuid
from collections.abc import Callable, Iterator

from langfast_wsgi.emulator.auth.gate import Gate, bearer
from langfast_wsgi.emulator.auth.tokens import BadToken, Tokens
from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.faults.serving import served
from langfast_wsgi.emulator.faults.switchboard import HttpFault, Switchboard
from langfast_wsgi.emulator.history import Call, History
from langfast_wsgi.emulator.replies.choose import choose
from langfast_wsgi.emulator.replies.conversation import last_user_text
from langfast_wsgi.emulator.replies.reply import Reply
from langfast_wsgi.emulator.replies.script import Script
from langfast_wsgi.emulator.replies.steering import label
from langfast_wsgi.emulator.runs.journal import Journal
from langfast_wsgi.emulator.runs.player import Player, play_at_once
from langfast_wsgi.emulator.runs.refusals import StartRefusal, bad_jwt, no_bearer
from langfast_wsgi.emulator.runs.request import Start, parsed
from langfast_wsgi.emulator.runs.run import Run
from langfast_wsgi.emulator.runs.startfaults import StartFaults, answered
from langfast_wsgi.emulator.shapes import BadShape
from langfast_wsgi.emulator.web import (
    Answer,
    BodyTooLarge,
    Problem,
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
        history: History,
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
        self._history = history
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
        call = self._history.call()
        try:
            answer = self._answer(request, call)
        except Problem as problem:
            answer = problem.answer(request)
        finally:
            if not call.run_id:
                self._describe(call, request)
        call.status = answer.status
        return answer

    def _answer(self, request: Request, call: Call) -> Answer:
        self._gate.check(request)
        return served(
            self._faults.http("start"),
            lambda: self._start(request, call),
            lambda fault: _refused(fault).answer(request),
            self._sleep,
        )

    def _start(self, request: Request, call: Call) -> Answer:
        token = bearer(request)
        user_id = self._user(token)
        start = self._parsed(request)
        _enter(call, start)
        if start.created_by != user_id:
            raise StartRefusal(403, "created_by must be the user that the token names.")
        known = self._known(start)
        if known is not None:
            return json_answer(200, _fields(known))
        reply = self._reply(start)
        self._start_faults.before(reply, start, token)
        # Asked again: while a fault made this one wait, the same run may have been started.
        run = self._known(start) or self._begin(start, reply, call)
        self._start_faults.after(reply, start)
        return answered(reply, _fields(run, reply))

    def _describe(self, call: Call, request: Request) -> None:
        """Enter what a call that was refused early had asked for."""
        try:
            _enter(call, self._parsed(request))
        except StartRefusal:
            pass  # it asked for nothing that could be named

    def _known(self, start: Start) -> Run | None:
        run = self._journal.get(start.run_id)
        if run is None:
            return None
        if run.user_id != start.created_by:
            raise StartRefusal(400, "run_id is that of another user's run.")
        self._counters.starts_repeated += 1
        run.starts += 1
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

    def _begin(self, start: Start, reply: Reply, call: Call) -> Run:
        more = (reply.details.size or 2) - 1 if "start-many-jobs" in reply.faults else 0
        run = Run(
            run_id=start.run_id,
            job_id=str(uuid.uuid4()),
            told=self._job_ids and "no-jobs" not in reply.faults,
            user_id=start.created_by,
            prompt_meta=start.prompt_meta,
            text=reply.text,
            size=start.size,
            number=call.number,
            label=call.label,
            other_jobs=[str(uuid.uuid4()) for _ in range(more)],
        )
        task = self._player.begin(run, reply)
        if "early" in reply.faults:
            play_at_once(task)
        else:
            self._schedule(task)
        return run


def _enter(call: Call, start: Start) -> None:
    call.run_id = start.run_id
    call.user_id = start.created_by
    call.label = label(last_user_text(start.messages))


def _fields(run: Run, reply: Reply | None = None) -> dict[str, object]:
    if not run.told:
        return {"run_id": run.run_id}
    jobs = [run.job_id, *(run.other_jobs if reply else ())]
    if reply and "start-empty-jobs" in reply.faults:
        jobs = []
    return {"run_id": run.run_id, "jobs": [{"job_id": job_id} for job_id in jobs]}


def _refused(fault: HttpFault) -> StartRefusal:
    headers = retry_after(fault.retry_after)
    return StartRefusal(fault.status or 500, fault.message, fault.code, headers)
