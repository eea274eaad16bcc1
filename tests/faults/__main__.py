"""The fault programmes: see docs/faults.md."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults import (
    amplification,
    catalogue,
    history,
    kills,
    leavers,
    overload,
    restart,
    soak,
)
from tests.faults.report import Report, say

PROGRAMMES: dict[str, tuple[Any, str]] = {
    "kills": (kills, "cut the upstream's socket at every chunk of an answer"),
    "history": (history, "a history under a random nemesis, and its eight invariants"),
    "leavers": (leavers, "callers that leave, and their places"),
    "restart": (restart, "a reload and a takeover with 100 streams"),
    "overload": (overload, "three times the load that there are places for"),
    "amplification": (amplification, "starts per request while every start fails"),
    "soak": (soak, "a steady load over short-lived tokens and sockets"),
}
ALL = [name for name in PROGRAMMES if name != "soak"]


def main() -> int:
    """The exit code: 1 for a broken promise, 2 where a program is missing."""
    arguments = _parsed()
    if arguments.programme == "catalogue":
        return catalogue.main(collect_only=arguments.collect_only)
    names = ALL if arguments.programme == "all" else [arguments.programme]
    try:
        reports = [_run(name, arguments) for name in names]
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        say(f"cannot run: {missing}")
        return 2
    broken = [report.title for report in reports if not report.kept]
    for title in broken:
        say(f"BROKEN: {title}")
    return int(bool(broken))


def _parsed() -> argparse.Namespace:
    known = {
        "catalogue": "each row of the fault catalogue, its tests, and whether they are green",
        **{name: meaning for name, (_, meaning) in PROGRAMMES.items()},
        "all": "every programme but soak, one after the other",
    }
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        epilog="\n".join(f"  {name:14} {meaning}" for name, meaning in known.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("programme", choices=list(known))
    add("--short", action="store_true", help="the setting that the test suite runs")
    add("--seed", type=int, help="of what is left to chance (by default, the time)")
    add("--minutes", type=float, help="of the soak's load (10)")
    add("--redis", action="store_true", help="history: a Redis that is stopped now and then")
    add("--keep", type=Path, metavar="FOLDER", help="history: where to leave it for a closer look")
    add("--collect-only", action="store_true", help="catalogue: do not run the tests")
    return parser.parse_args()


def _run(name: str, arguments: argparse.Namespace) -> Report:
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 100_000
    programme = PROGRAMMES[name][0]
    setting = programme.SHORT if arguments.short else programme.LONG
    if name == "soak" and arguments.minutes:
        setting = soak.lasting(setting, arguments.minutes)
    more = {"keep": arguments.keep, "redis": arguments.redis} if name == "history" else {}
    run: Callable[..., Report] = programme.run
    began = time.monotonic()
    say(f"{name}: begins (--seed {seed})")
    report = run(setting, seed, **more)
    say(f"{report}\n  {time.monotonic() - began:.0f} s\n")
    return report


if __name__ == "__main__":
    sys.exit(main())
