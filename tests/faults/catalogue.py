"""Which rows of the catalogue have a test, and whether it is green.

A test belongs to the rows that its name begins with (``test_c5_c6_a_lost_…``, ``test_a6_to_a8_…``),
and to those that the id of one of its parameters begins with (``test_refused[e17-obs-fold]``).
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.faults.rows import ROWS
from tests.support.gateway import ROOT

GREEN, RED, SKIPPED, MISSING, UNKNOWN = "green", "red", "skipped", "missing", "not run"
_IDS = tuple(ROWS)
_ID = re.compile(r"[a-e][1-9]\d?")
_BETWEEN = ("to", "and")


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, its tests by node id, and what became of them."""

    id: str
    tests: tuple[str, ...]
    state: str

    @property
    def title(self) -> str:
        """What the fault is."""
        return ROWS[self.id]


def rows_of(node_id: str) -> tuple[str, ...]:
    """The rows that a test is named for. Raises ValueError where its name means no row."""
    function, _, parameters = node_id.partition("[")
    found = _leading(function.rpartition("::")[2].removeprefix("test_").split("_"))
    # Whatever else a parameter's id may be (b64, say), an id of the catalogue means its row.
    found += [word.upper() for word in re.split("[-_]", parameters.rstrip("]"))[:1]]
    return tuple(row for row in dict.fromkeys(found) if row in ROWS)


def _leading(words: Sequence[str]) -> list[str]:
    """The ids at the beginning, with all rows from one to the other where ``to`` joins them."""
    found: list[str] = []
    since = ""
    for word in words:
        if word.lower() in _BETWEEN and found:
            since = found[-1] if word.lower() == "to" else ""
        elif _ID.fullmatch(word.lower()):
            found += _span(since, word.upper())
            since = ""
        else:
            break
    return found


def _span(first: str, last: str) -> list[str]:
    if last not in _IDS:
        raise ValueError(f"{last} is no row of the catalogue")
    if not first:
        return [last]
    return list(_IDS[_IDS.index(first) + 1 : _IDS.index(last) + 1])


def collected() -> list[str]:
    """The node ids of all tests that are named for a row."""
    done = _pytest("--collect-only", "-q", "tests")
    if done.returncode != 0:
        raise RuntimeError(f"pytest could not collect the tests:\n{done.stdout[-4000:]}")
    return [line for line in done.stdout.splitlines() if "::" in line and rows_of(line)]


def outcomes(node_ids: Sequence[str]) -> dict[str, str]:
    """Run the tests; green, red or skipped by ``key``."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        # By file and function: a parameter's id may hold anything, also what a shell would not.
        chosen = dict.fromkeys(node_id.partition("[")[0] for node_id in node_ids)
        done = _pytest("-q", "--junit-xml", str(results), *chosen, quiet=False)
        if not results.exists():
            raise RuntimeError(f"pytest left no results (code {done.returncode})")
        return read_results(results.read_text(encoding="utf-8"))


def read_results(xml: str) -> dict[str, str]:
    """A JUnit file's cases by ``key``."""
    cases = ElementTree.fromstring(xml).iter("testcase")
    return {f"{one.get('classname')}::{one.get('name')}": _state(one) for one in cases}


def key(node_id: str) -> str:
    """A node id as JUnit files spell it: modules and classes by dots."""
    function, bracket, parameters = node_id.partition("[")
    path, name = function.replace(".py::", "::").rsplit("::", 1)
    return f"{path.replace('/', '.').replace('::', '.')}::{name}{bracket}{parameters}"


def _state(case: ElementTree.Element) -> str:
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return RED
    return SKIPPED if "skipped" in kinds else GREEN


def table(node_ids: Iterable[str], results: Mapping[str, str] | None) -> list[Row]:
    """Every row with its tests. Without results nothing is known of them but that they exist."""
    tests: dict[str, list[str]] = {row: [] for row in ROWS}
    for node_id in node_ids:
        for row in rows_of(node_id):
            tests[row].append(node_id)
    return [Row(row, tuple(found), _row_state(found, results)) for row, found in tests.items()]


def _row_state(tests: Sequence[str], results: Mapping[str, str] | None) -> str:
    if not tests:
        return MISSING
    if results is None:
        return UNKNOWN
    # A test that was chosen and left no result did not show what it is there for.
    states = {results.get(key(test), RED) for test in tests}
    return next(state for state in (RED, SKIPPED, GREEN) if state in states)


def text(rows: Sequence[Row]) -> str:
    """The table as it is printed, and the sum below it."""
    lines = []
    for row in rows:
        names = list(dict.fromkeys(test.partition("[")[0] for test in row.tests))
        first, *more = names or [""]
        lines.append(f"{row.id:4}{row.state:8} {row.title[:48]:48} {_short(first)}")
        lines += [f"{'':62}{_short(name)}" for name in more]
    counts = {state: [row.id for row in rows if row.state == state] for state in _STATES}
    lines.append("")
    lines += [f"{name}: {len(ids)} ({' '.join(ids)})" for name, ids in counts.items() if ids]
    good = sum(row.state in (GREEN, UNKNOWN) for row in rows)
    known = "with a green test" if any(row.state == GREEN for row in rows) else "with a test"
    lines.append(f"{good} of {len(rows)} {known}")
    return "\n".join(lines)


_STATES = (RED, SKIPPED, MISSING)


def _short(node_id: str) -> str:
    path, _, name = node_id.partition("::")
    return f"{Path(path).stem}::{name}" if name else ""


def _pytest(*arguments: str, quiet: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )


def main(*, collect_only: bool = False) -> int:
    """Print the table; the exit code is 1 where a row is red, skipped or missing."""
    node_ids = collected()
    rows = table(node_ids, None if collect_only else outcomes(node_ids))
    sys.stdout.write(text(rows) + "\n")
    return int(any(row.state in _STATES for row in rows))
