"""Killing the upstream's socket at every chunk of an answer: whole or an exception, never less.

The callers are the official SDKs, without retries of their own, in every form in which they can be
asked for a text. Of each 50-chunk answer the socket is
cut once: before chunk 0 to 49, or (index 50) behind the last and before the end. An account carries
one run at a time, so a cut meets the run that it was meant for.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from tests.faults import forms
from tests.faults.forms import Clients, Form
from tests.faults.fronts import FRONTS, running_front
from tests.faults.report import Report, say
from tests.support.emulator import running_emulator
from tests.support.gateway import running_gateway, wait_for
from tests.support.stream import steer

CHUNKS = 50
INTERVAL = 0.05
WHOLE, RAISED, TRUNCATED = "whole", "raised", "truncated"

Fault = Literal["drop", "drop-for-good"]
FAULTS: tuple[Fault, ...] = ("drop", "drop-for-good")


@dataclass(frozen=True, slots=True)
class Setting:
    """How much of it."""

    # Rounds of all indices, fronts and faults in each form, and of those one in so many.
    chat: tuple[int, int]
    newer: tuple[int, int]  # of the other dialects
    callers: int
    accounts: int  # more than callers: a socket lives for 5 s before its next cut, and is no flap


LONG = Setting(chat=(9, 1), newer=(2, 1), callers=100, accounts=260)
SHORT = Setting(chat=(1, 4), newer=(1, 10), callers=50, accounts=100)


@dataclass(frozen=True, slots=True)
class Kill:
    """One request and where its socket is cut."""

    number: int
    at: int
    fault: Fault
    form: Form
    front: str

    @property
    def text(self) -> str:
        """What the run says, like nobody else's."""
        return f"Run {self.number}: " + f"word {self.number} 😀 " * 60

    @property
    def question(self) -> str:
        """The message that asks for all this."""
        return steer(self.text, chunks=CHUNKS, interval=INTERVAL, fault=self.fault, at=self.at)

    @property
    def recovers(self) -> bool:
        """Whether the run surely has something left to say when the socket is back.

        The emulator does not wait for it: near the end the rest may be said to nobody.
        """
        return self.fault == "drop" and (CHUNKS - self.at) * INTERVAL > 0.75

    def __str__(self) -> str:
        form = self.form.__name__
        return f"run {self.number}, {self.fault} at {self.at}, {form}, {self.front}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the SDK made of it."""

    kill: Kill
    kind: str
    detail: str

    @property
    def wrong(self) -> str:
        """What is wrong with it; empty where all is well."""
        if self.kind == TRUNCATED:
            return f"{self.kill}: truncated without a word: {self.detail}"
        if self.kill.fault == "drop-for-good" and self.kind == WHOLE:
            return f"{self.kill}: returned as complete, but the run never ended"
        if self.kill.recovers and self.kind == RAISED:
            return f"{self.kill}: not recovered: {self.detail}"
        return ""


def plan(setting: Setting, seed: int) -> list[Kill]:
    """The kills in random order; with a stride, each index is still met in several forms."""
    chosen = [
        cell
        for some, (rounds, stride) in ((forms.CHAT, setting.chat), (forms.NEWER, setting.newer))
        for _ in range(rounds)
        for cell in list(_cells(some))[::stride]
    ]
    random.Random(seed).shuffle(chosen)
    return [Kill(number, *cell) for number, cell in enumerate(chosen)]


def _cells(some: Sequence[Form]) -> Iterator[tuple[int, Fault, Form, str]]:
    return (
        (at, fault, form, front)
        for fault in FAULTS
        for form in some
        for front in FRONTS
        for at in range(CHUNKS + 1)
    )


def run(setting: Setting, seed: int = 0) -> Report:
    """Kill as often as the setting says."""
    kills = plan(setting, seed)
    with (
        running_emulator("--interval", str(INTERVAL)) as upstream,
        running_gateway(
            upstream,
            MIN_CREDENTIALS=setting.accounts,
            MAX_CREDENTIALS=setting.accounts,
            RUNS_PER_CREDENTIAL=1,
            SIGNUPS_PER_HOUR=setting.accounts,
        ) as gateway,
        ExitStack() as stack,
    ):
        ports = {name: stack.enter_context(running_front(name, gateway.port)) for name in FRONTS}
        clients = {name: stack.enter_context(forms.clients(port)) for name, port in ports.items()}
        ready = 'langfast_credentials{state="ready"}'
        wait_for(
            lambda: gateway.metrics()[ready] == setting.accounts, f"{setting.accounts} accounts", 60
        )
        outcomes = list(_killed(kills, clients, setting.callers))
        left = gateway.metrics()
        stats = upstream.stats()
    return _report(outcomes, left, stats, seed)


def _killed(kills: list[Kill], clients: dict[str, Clients], callers: int) -> Iterator[Outcome]:
    with ThreadPoolExecutor(callers) as pool:
        for done, outcome in enumerate(
            pool.map(lambda kill: _outcome(kill, clients[kill.front]), kills), 1
        ):
            if done % 500 == 0:
                say(f"  {done} of {len(kills)}")
            yield outcome


def _outcome(kill: Kill, clients: Clients) -> Outcome:
    try:
        text, ends = kill.form(clients, kill.question)
    except Exception as error:
        return Outcome(kill, RAISED, f"{type(error).__name__} {_code(error) or error}")
    if text == kill.text and len(ends) == 1 and ends[0] in forms.WHOLE_END:
        return Outcome(kill, WHOLE, "")
    return Outcome(kill, TRUNCATED, f"{len(text)} of {len(kill.text)} characters, {ends}")


def _code(error: Exception) -> str | None:
    """Our code word; each SDK has a place of its own for it."""
    return getattr(error, "code", None) or getattr(error, "error_code", None)


def _report(
    outcomes: list[Outcome], left: dict[str, float], stats: dict[str, int], seed: int
) -> Report:
    report = Report(f"kills: {len(outcomes)} sockets cut (seed {seed})")
    for fault in FAULTS:
        for front in FRONTS:
            met = [one for one in outcomes if (one.kill.fault, one.kill.front) == (fault, front)]
            kinds = Counter(one.kind for one in met)
            figures = ", ".join(f"{kinds[kind]} {kind}" for kind in (WHOLE, RAISED))
            report.figure(f"{fault}, {front}", figures)
    for name in sorted({one.kill.form.__name__ for one in outcomes}):
        kinds = Counter(one.kind for one in outcomes if one.kill.form.__name__ == name)
        figures = ", ".join(f"{kinds[kind]} {kind}" for kind in (WHOLE, RAISED))
        report.figure(name.replace("_", " "), figures)
    report.none("silent truncations", _wrongs(outcomes, TRUNCATED))
    report.none("killed for good, yet returned", _wrongs(outcomes, WHOLE))
    report.none("replaced in time, yet not whole", _wrongs(outcomes, RAISED))
    words = Counter(one.detail for one in outcomes if one.kind == RAISED)
    report.figure("raised", ", ".join(f"{count} × {word}" for word, count in words.most_common(4)))
    report.figure("starts ÷ requests", stats["starts"] / len(outcomes), "1", None)
    report.most("runs in flight at the end", left["langfast_runs_in_flight"], 0)
    return report


def _wrongs(outcomes: list[Outcome], kind: str) -> list[str]:
    return [one.wrong for one in outcomes if one.kind == kind and one.wrong]
