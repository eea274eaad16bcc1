"""Puts tables and plot into ``docs/``: between markers, so that the words around them stay."""

import re
from pathlib import Path

from benchmarks import plot, tables
from benchmarks.records import Results

PAGE = Path("docs/performance.md")
PLOT = Path("docs/performance.svg")


def write(results: Results) -> None:
    """Page and plot anew, from what was found."""
    growing = [name for name in _experiments(results) if name.startswith("growth")]
    resting = [name for name in _experiments(results) if name not in growing]
    memory = results.others.get("master MB", [])
    page = PAGE.read_text()
    for name, text in (
        ("machine", f"{results.machine}."),
        ("targets", tables.markdown(tables.targets(results))),
        ("rounds", tables.markdown(tables.rounds(results, resting))),
        ("growth", tables.markdown(tables.rounds(results, growing))),
        ("memory", f"The master holds {memory[0]:.0f} MB beside the worker." if memory else "–"),
    ):
        page = _between(page, name, text)
    PAGE.write_text(page)
    if growing:
        plot.draw(results, PLOT)


def _experiments(results: Results) -> list[str]:
    return list(dict.fromkeys(one.experiment for one in results.records))


def _between(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    if not pattern.search(page):
        raise ValueError(f"{PAGE} has no {begin}")
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)
