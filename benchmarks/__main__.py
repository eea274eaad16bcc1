"""The benchmarks: see docs/performance.md."""

import argparse
import sys
from pathlib import Path

from benchmarks import experiments, growth, pages, profile, quick, tables
from benchmarks.lab import Lab
from benchmarks.orders import WrongAnswer
from benchmarks.processes import ROOT
from benchmarks.records import SAVED, Results

COMMANDS = {
    "full": "targets and growth; the figures are kept for docs",
    "targets": "the table of targets",
    "growth": "cost and lag over load and length",
    "quick": "half a minute: counts per chunk, and figures that nobody judges",
    "profile": "where the worker's time goes (py-spy)",
    "docs": "table and plot of the last run into docs/",
}


def main() -> int:
    """Run a command; the exit code: 2 for a wrong answer, 1 for a broken rule of quick."""
    arguments = _parsed()
    try:
        return _run(arguments)
    except WrongAnswer as wrong:
        print(f"WRONG ANSWER: {wrong}", file=sys.stderr)
        return 2


def _parsed() -> argparse.Namespace:
    said = "\n".join(f"  {name:8} {meaning}" for name, meaning in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=said,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=list(COMMANDS))
    parser.add_argument("--rounds", type=int, default=3, help="of targets (3)")
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout's gateway")
    parser.add_argument("--only", default="", help="targets whose load has this in its name")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    command, rounds, tree = arguments.command, arguments.rounds, arguments.tree
    if command == "docs":
        pages.write(Results.saved())
        return 0
    if command == "quick":
        return quick.main(tree)
    with Lab(tree) as lab:
        if command == "profile":
            profile.main(lab)
            return 0
        results = Results.new()
        if command in ("full", "targets"):
            experiments.run(lab, results, rounds, arguments.only)
        if command in ("full", "growth"):
            growth.run(lab, results, min(rounds, 2))
    _report(command, results)
    return 0


def _report(command: str, results: Results) -> None:
    print(f"{results.machine}\n")
    if command != "growth":
        print(tables.plain(tables.targets(results)), end="\n\n")
    print(tables.plain(tables.rounds(results)))
    if command == "full":
        results.save()
        print(f"\nkept in {SAVED}; python -m benchmarks docs puts it into docs/")


if __name__ == "__main__":
    sys.exit(main())
