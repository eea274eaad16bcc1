"""The eight invariants over a history: what callers saw against what the upstream said.

Pure, so that histories can be made up: a checker that finds nothing must be able to find something.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.calls import Call

STUCK = 60.0
"""Seconds; with the deadlines of the history's gateway no call takes as long."""
_SLACK = 0.5  # seconds between a kill and when its caller hears of it, on a busy machine
_WORD = re.compile(r"([\w-]+)\.\d+")
_REFUSALS = {429, 502, 503, 504}


Mark = tuple[int, str]
"""A text by its length and the beginning of its hash, as the emulator tells it."""


def mark(text: str) -> Mark:
    """The mark of a text."""
    return len(text), hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the upstream lived through it. Times are the wall clock's."""

    run_id: str
    account: str
    nonce: str
    state: str
    said: tuple[Mark, ...]
    began: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Start:
    """One request to start a run, in the order of their coming."""

    nonce: str
    run_id: str
    status: int  # 0: the answer was lost


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is known when all is over."""

    calls: Sequence[Call]
    runs: Sequence[Run]
    limit: int  # runs that an account may carry at one time
    starts: Sequence[Start] = ()
    kills: Sequence[float] = ()  # when a worker was killed
    sign_ups: Sequence[float] = ()  # when each was asked for
    budget: int = 0  # sign-ups in any hour
    called_for: int = 0  # sign-ups at the start, and for what was lost with killed workers
    token_uses: Sequence[int] = ()  # of each refresh token that was used
    answers_lost: int = 0  # of refreshes: so many may be asked for again with the same token
    left: dict[str, float] = field(default_factory=dict)  # at the end, by name; all should be 0


def one_outcome(history: History) -> Iterator[str]:
    """Every request is complete, an error status, or an error event; cut only with its worker."""
    for call in history.calls:
        if call.cut and not _killed(call, history.kills):
            yield f"cut, though no worker was killed: {call}"
        elif call.status and not call.cut and not call.left:
            yield from _wrong_ends(call)
        if call.seconds > STUCK:
            yield f"stuck: {call}"


def _killed(call: Call, kills: Sequence[float]) -> bool:
    return any(call.began - _SLACK <= kill <= call.ended + _SLACK for kill in kills)


def _wrong_ends(call: Call) -> Iterator[str]:
    if call.status != 200:
        if call.status not in _REFUSALS:
            yield f"no status that the upstream's faults explain: {call}"
        if not call.code:
            yield f"an error without a code: {call}"
        return
    ends = len(call.reasons) + bool(call.code)
    if ends != 1:
        yield f"{ends} outcomes in place of one: {call}"
    if call.order.streamed and (call.after_the_end or not call.done):
        yield f"no proper end of a stream: {call}"


def delivered_was_said(history: History) -> Iterator[str]:
    """A delivered text is a beginning of what the upstream said, all of it if complete."""
    asked = {call.order.nonce: call.order.text for call in history.calls}
    longest: dict[str, int] = {}
    for run in history.runs:
        text = asked.get(run.nonce)
        for said in run.said:
            if text is not None and said != mark(text[: said[0]]):
                yield f"the upstream said something else than it was asked to for {run.nonce}"
                break
        longest[run.nonce] = max((length for length, _ in run.said), default=0)
    for call in history.calls:
        if not call.text and not call.whole:
            continue
        known = longest.get(call.order.nonce)
        if known is None:
            yield f"text of a run that never was: {call}"
        elif call.whole and call.text != call.order.text:
            yield f"complete, with {len(call.text)} of {len(call.order.text)} characters: {call}"
        elif len(call.text) > known or not call.order.text.startswith(call.text):
            yield f"{call.text[-60:]!r} is not what the upstream said: {call}"


def own_nonce(history: History) -> Iterator[str]:
    """No word of an answer belongs to another request."""
    for call in history.calls:
        foreign = set(_WORD.findall(call.text)) - {call.order.nonce}
        # The last word may be cut in the middle of its nonce, which then stands before no dot.
        if foreign:
            yield f"words of {sorted(foreign)[:3]} in the answer of {call}"


def started_once(history: History) -> Iterator[str]:
    """At most two starts for a request, one run, and no start behind an accepted one."""
    runs = Counter(run.nonce for run in history.runs)
    asked = {call.order.nonce for call in history.calls}
    for nonce, count in runs.items():
        if count > 1:
            yield f"{count} runs for {nonce}"
        if nonce not in asked:
            yield f"a run for {nonce}, which nobody asked for"
    statuses: dict[str, list[int]] = defaultdict(list)
    for start in history.starts:
        statuses[start.nonce].append(start.status)
    for nonce, answers in statuses.items():
        if len(answers) > 2:
            yield f"{len(answers)} starts for {nonce}, answered {answers}"
        if 200 in answers[:-1]:
            yield f"a start for {nonce} behind an accepted one: {answers}"


def sign_ups_in_budget(history: History) -> Iterator[str]:
    """No more accounts than the budget and the losses allow: none for a 401 or a 429."""
    count = len(history.sign_ups)
    if count > history.called_for:
        yield f"{count} sign-ups, where {history.called_for} were called for"
    for at in history.sign_ups:
        within = sum(at <= other < at + 3600 for other in history.sign_ups)
        if within > history.budget:
            yield f"{within} sign-ups within an hour, over a budget of {history.budget}"
            return


def refresh_tokens_once(history: History) -> Iterator[str]:
    """No refresh token is used twice, but where its answer was lost: then once more."""
    again = sum(uses - 1 for uses in history.token_uses if uses > 1)
    if again > history.answers_lost:
        yield f"{again} refresh tokens used again, {history.answers_lost} answers lost"
    if any(uses > 2 for uses in history.token_uses):
        yield f"a refresh token used {max(history.token_uses)} times"


def places_kept(history: History) -> Iterator[str]:
    """An account carries no more runs than its limit.

    A run counts while its caller stays: behind that its place is free, whatever the upstream does.
    """
    stayed = {call.order.nonce: call.ended for call in history.calls if call.whole}
    moments: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for run in history.runs:
        until = stayed.get(run.nonce)
        if run.ended is None or until is None or run.state != "completed":
            continue
        # Whichever comes first surely comes before the place is given back.
        moments[run.account] += [(run.began, 1), (min(run.ended, until), -1)]
    for account, changes in moments.items():
        most = running = 0
        for _, change in sorted(changes):
            running += change
            most = max(most, running)
        if most > history.limit:
            yield f"{most} runs at once on account {account}, which takes {history.limit}"


def nothing_left(history: History) -> Iterator[str]:
    """No place, socket, process or file is left at the end."""
    for name, value in history.left.items():
        if value:
            yield f"{value:g} {name} left at the end"


INVARIANTS: dict[str, Callable[[History], Iterator[str]]] = {
    "1 exactly one outcome": one_outcome,
    "2 delivered text was said": delivered_was_said,
    "3 the nonce is one's own": own_nonce,
    "4 started once": started_once,
    "5 sign-ups within the budget": sign_ups_in_budget,
    "6 refresh tokens used once": refresh_tokens_once,
    "7 places kept": places_kept,
    "8 nothing left": nothing_left,
}


def check(history: History) -> dict[str, list[str]]:
    """The violations of each invariant, by its name."""
    return {name: list(invariant(history)) for name, invariant in INVARIANTS.items()}
