"""What is told of an examination: a line for each check and one for all, or JSON."""

import json
from collections import Counter
from collections.abc import Sequence

from langfast_wsgi.cli import address
from langfast_wsgi.cli.conformance import wording
from langfast_wsgi.cli.conformance.check import Result
from langfast_wsgi.cli.conformance.server import Server
from langfast_wsgi.cli.steps import Mark

WORDS = {
    Mark.PASSED: "passed",
    Mark.FAILED: "failed",
    Mark.REMARKED: "remark",
    Mark.SKIPPED: "skipped",
}
_MANY = {**WORDS, Mark.REMARKED: "remarks"}


def heading(server: Server) -> str:
    """Who is examined."""
    # A model's id may be the server's own word, and goes to a terminal.
    model = wording.shown(server.model, server.key)
    return f"{address.shown(server.api)}, model {model}: {_kind(server)}"


def _kind(server: Server) -> str:
    if server.steerable:
        return "a gateway of this kind with the emulator behind it, all can be looked at"
    if server.own:
        return "a gateway of this kind; what needs the emulator behind it is skipped"
    return "a server of another kind; where it is laxer than this gateway is a remark (!)"


def sentence(result: Result) -> tuple[str, str]:
    """What came of a check, and what should have."""
    text = result.check.title
    if result.mark is Mark.REMARKED:
        return f"{text}: laxer than our own rule: {result.text}", result.expected
    if result.text:
        text = f"{text}: {result.text}"
    return text, result.expected


def summary(results: Sequence[Result], spent: float) -> str:
    """The last line."""
    counts = Counter(result.mark for result in results)
    told = ", ".join(f"{counts[mark]} {word}" for mark, word in _MANY.items())
    return f"{told} of {len(results)} in {spent:.1f} s"


def as_json(server: Server, results: Sequence[Result], spent: float) -> str:
    """All of it, for programs."""
    counts = Counter(result.mark for result in results)
    found = {
        "url": address.shown(server.api),
        "model": server.model,
        "own": server.own,
        "emulator": server.steerable,
        "seconds": round(spent, 1),
        "counts": {word: counts[mark] for mark, word in WORDS.items()},
        "checks": [_entry(result) for result in results],
    }
    return json.dumps(found, ensure_ascii=True, indent=1)


def _entry(result: Result) -> dict[str, object]:
    return {
        "number": result.check.number,
        "title": result.check.title,
        "tags": [tag.value for tag in result.check.tags],
        "result": WORDS[result.mark],
        "text": result.text,
        "expected": result.expected,
    }
