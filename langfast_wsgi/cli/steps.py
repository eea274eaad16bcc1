"""Checks one after the other: each is bounded in time, and what builds on a failed one is skipped.

A check is a function that returns what it found, or raises: :class:`Wrong` or a GatewayError where
something is wrong, :class:`NotDone` where it was left out for a reason.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar, cast

from langfast_wsgi.cli import advice
from langfast_wsgi.errors import GatewayError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Mark(Enum):
    """How a check came out."""

    PASSED = "✓"
    FAILED = "✗"
    SKIPPED = "–"
    REMARKED = "!"


class Wrong(Exception):
    """What is wrong, and what to do about it."""

    def __init__(self, sentence: str, todo: str) -> None:
        super().__init__(sentence)
        self.todo = todo


class NotDone(Exception):
    """Why a check was left out."""


class OutOfTime(Exception):
    """A check took longer than it may; what it does goes on unheeded."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    mark: Mark
    name: str
    text: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A check with its name and its time, in seconds. Without ``needed``, others go on without."""

    name: str
    check: Callable[[], str]
    limit: float
    needed: bool = True


def findings(steps: Sequence[Step]) -> Iterator[Finding]:
    """Carry out a chain of checks, and say of each what came of it."""
    missing = ""
    for step in steps:
        if missing:
            yield Finding(Mark.SKIPPED, step.name, f"skipped: it needs {missing}")
            continue
        finding = _carried_out(step)
        yield finding
        if step.needed and finding.mark is not Mark.PASSED:
            missing = step.name


def skipped(names: Sequence[str], reason: str) -> Iterator[Finding]:
    """Checks that cannot even be begun."""
    return (Finding(Mark.SKIPPED, name, f"skipped: {reason}") for name in names)


def _carried_out(step: Step) -> Finding:
    try:
        return Finding(Mark.PASSED, step.name, bounded(step.name, step.check, step.limit))
    except OutOfTime:
        sentence = f"no result within {step.limit:g} s"
        return Finding(Mark.FAILED, step.name, sentence, advice.by_code("upstream_timeout"))
    except NotDone as reason:
        return Finding(Mark.SKIPPED, step.name, f"skipped: {reason}")
    except Wrong as wrong:
        return Finding(Mark.FAILED, step.name, str(wrong), wrong.todo)
    except GatewayError as fault:
        text = f"{fault.message} ({fault.code})" if fault.code else fault.message
        return Finding(Mark.FAILED, step.name, text, advice.about(fault))
    except Exception as error:
        log.debug("%s failed in an unforeseen way", step.name, exc_info=error)
        # Its type only: its words may hold a secret.
        text = f"the check itself failed: {type(error).__name__}"
        return Finding(Mark.FAILED, step.name, text, advice.UNKNOWN)


def bounded(name: str, check: Callable[[], T], limit: float) -> T:
    """What a check returns or raises, or OutOfTime after so many seconds.

    In a thread of its own: a look-up of a name, for one, has no deadline that we could set.
    """
    results: queue.SimpleQueue[_Outcome[T]] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(_Outcome(check()))
        except BaseException as error:  # carried over to the thread that waits
            results.put(_Outcome(error=error))

    threading.Thread(target=work, name=name, daemon=True).start()
    try:
        outcome = results.get(timeout=limit)
    except queue.Empty:
        raise OutOfTime from None
    if outcome.error is not None:
        raise outcome.error
    return cast(T, outcome.value)


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[T]):
    """What came of a check: a value, or what it raised."""

    value: T | None = None
    error: BaseException | None = None
