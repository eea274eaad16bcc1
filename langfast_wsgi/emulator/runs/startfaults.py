"""The faults of a start: refused, made to wait, lost on the way back, garbled."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from langfast_wsgi.emulator.auth.tokens import Tokens
from langfast_wsgi.emulator.faults.names import START_FAULTS
from langfast_wsgi.emulator.faults.serving import changed, garbled
from langfast_wsgi.emulator.faults.turns import Turns, prompt_key
from langfast_wsgi.emulator.replies.reply import Reply
from langfast_wsgi.emulator.runs.refusals import StartRefusal
from langfast_wsgi.emulator.runs.request import Start
from langfast_wsgi.emulator.web import Answer, AnswerLost, json_answer, retry_after

_PREFIX = "start-"
_LONG = 600.0  # seconds of a start that hangs
_DRIP = 1.0  # seconds between two bytes of a start that drips
ELSEWHERE = "/emulator/elsewhere"


def _refused_with(name: str) -> int | None:
    rest = name.removeprefix(_PREFIX)
    return int(rest) if rest.isdigit() else None


STATUSES = {name: status for name in START_FAULTS if (status := _refused_with(name)) is not None}


def answered(reply: Reply, fields: Mapping[str, object]) -> Answer:
    """The answer to a start that worked, or what the reply's faults make of it."""
    answer = _odd_answer(reply) or json_answer(200, _changed(reply, fields))
    if "start-drip" not in reply.faults:
        return answer
    seconds = reply.details.seconds
    return replace(answer, drip=_DRIP if seconds is None else seconds)


def _odd_answer(reply: Reply) -> Answer | None:
    details = reply.details
    status = details.status if isinstance(details.status, int) else None
    if "start-html" in reply.faults:
        return garbled("html", status or 200)
    if "start-body" in reply.faults:
        return garbled(details.body, status, details.size)
    if "start-redirect" in reply.faults:
        return Answer(status or 307, headers={"Location": details.location or ELSEWHERE})
    return None


def _changed(reply: Reply, fields: Mapping[str, object]) -> Mapping[str, object]:
    return changed(fields, reply.details.change) if "start-change" in reply.faults else fields


class StartFaults:
    """Knows which prompt met which fault how often."""

    def __init__(self, tokens: Tokens, sleep: Callable[[float], None]) -> None:
        self._tokens = tokens
        self._sleep = sleep
        self._turns = Turns()

    def before(self, reply: Reply, start: Start, token: str) -> None:
        """What happens instead of the run: a refusal, or a long wait."""
        if "start-hang" in reply.faults and self._strikes("start-hang", reply, start):
            seconds = reply.details.seconds
            self._sleep(_LONG if seconds is None else seconds)
        if "start-cut" in reply.faults and self._strikes("start-cut", reply, start):
            raise AnswerLost
        if not reply.details.ran:
            self._refuse(reply, start, token)

    def after(self, reply: Reply, start: Start) -> None:
        """What happens to the answer of a run that was started."""
        if reply.details.ran:
            self._refuse(reply, start, "")
        if "start-lost" in reply.faults:
            raise AnswerLost

    def _refuse(self, reply: Reply, start: Start, token: str) -> None:
        for name, status in STATUSES.items():
            if name in reply.faults and self._strikes(name, reply, start):
                if status == 401:
                    self._tokens.refuse(token)
                details = reply.details
                headers = retry_after(details.retry_after)
                raise StartRefusal(status, details.message, details.code, headers)

    def _strikes(self, name: str, reply: Reply, start: Start) -> bool:
        times = reply.details.times
        if name == "start-401" and times is None:
            times = 1  # so that the refresh that follows is worth something
        return self._turns.strikes(prompt_key(name, start.prompt_meta), times)
