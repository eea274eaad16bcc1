"""What a check is, and how it comes out."""

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from langfast_wsgi.cli.conformance.look import Broken, Look, Tag
from langfast_wsgi.cli.conformance.server import Server, Unanswered
from langfast_wsgi.cli.steps import Mark, NotDone, OutOfTime, bounded

log = logging.getLogger(__name__)

LIMIT = 40.0
PATIENCE = 4  # checks in a row without an answer, before the rest is left out

Looking = Callable[[Look], None]


@dataclass(frozen=True, slots=True)
class Check:
    """A numbered rule and the function that looks whether it holds, within ``limit`` seconds."""

    number: int
    title: str
    tags: tuple[Tag, ...]
    looking: Looking
    limit: float

    @property
    def how(self) -> str:
        """How it is looked at, in words for the documentation."""
        return " ".join((inspect.getdoc(self.looking) or "").split())

    @property
    def origin(self) -> str:
        """Its tags, as in ``S/P``."""
        return "/".join(tag.value for tag in self.tags)


@dataclass(frozen=True, slots=True)
class Result:
    """How a check came out: what was seen and what was expected, or why it was left out."""

    check: Check
    mark: Mark
    text: str = ""
    expected: str = ""
    unanswered: bool = False


class Group:
    """The checks of one subject."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.checks: list[Check] = []

    def __repr__(self) -> str:
        return f"<Group {self.title} of {len(self.checks)}>"

    def check(
        self, number: int, title: str, *tags: Tag, limit: float = LIMIT
    ) -> Callable[[Looking], Looking]:
        """Take a function in as a check."""

        def taken(looking: Looking) -> Looking:
            self.checks.append(Check(number, title, tags, looking, limit))
            return looking

        return taken


def results(checks: Sequence[Check], server: Server, *, strict: bool) -> Iterator[Result]:
    """Carry them out one after the other, each result as soon as it is known.

    A server that has stopped to answer is not waited for in every check that is left.
    """
    silent = 0
    for check in checks:
        if silent >= PATIENCE:
            reason = f"skipped: {silent} checks in a row were left without an answer"
            yield Result(check, Mark.SKIPPED, reason)
            continue
        result = carried_out(check, server, strict=strict)
        silent = silent + 1 if result.unanswered else 0
        yield result


def carried_out(check: Check, server: Server, *, strict: bool = False) -> Result:
    """One check."""
    look = Look(server, check.tags, strict=strict)
    unanswered = False
    try:
        unanswered = not _looked(check, look)
    except Broken as broken:
        seen, expected = f"saw {broken.breach.seen}", broken.breach.expected
        return Result(check, Mark.FAILED, seen, expected, unanswered=broken.breach.unanswered)
    except NotDone as reason:
        if not look.remarks:
            return Result(check, Mark.SKIPPED, f"skipped: {reason}")
    except Exception as error:
        log.debug("check %d failed in an unforeseen way", check.number, exc_info=error)
        # Its type only: its words may hold the key.
        return Result(check, Mark.FAILED, f"the check itself failed: {type(error).__name__}")
    if look.remarks:
        first = look.remarks[0]
        seen = f"saw {first.seen}"
        return Result(check, Mark.REMARKED, seen, first.expected, unanswered=unanswered)
    if not look.demands:
        return Result(check, Mark.FAILED, "the check itself failed: it has looked at nothing")
    return Result(check, Mark.PASSED, "; ".join(look.notes))


def _looked(check: Check, look: Look) -> bool:
    """Within its time. That a server does not answer is a breach like any other; False then."""
    try:
        bounded(f"check {check.number}", lambda: check.looking(look), check.limit)
    except OutOfTime:
        look.missed(f"no result within {check.limit:g} s")
        return False
    except Unanswered as gone:
        look.missed(str(gone))
        return False
    return True
