"""The table of checks in docs/conformance.md, made from those in the code.

After a change in langfast_wsgi/cli/conformance/ write it anew::

    .venv/bin/python -m tests.integration.conformance.check_table
"""

from pathlib import Path

from langfast_wsgi.cli.conformance.suite import GROUPS

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"
BEGIN, END = "<!-- checks -->\n", "<!-- end of checks -->\n"


def tables() -> str:
    """A table for each group, a row for each check."""
    parts = []
    for group in GROUPS:
        rows = [("#", "rule", "from", "how it is looked at"), ("---",) * 4]
        checks = sorted(group.checks, key=lambda check: check.number)
        rows += [(str(one.number), one.title, one.origin, one.how) for one in checks]
        parts.append(f"### {group.title}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows))
    return "\n".join(parts)


def page() -> str:
    """The page, as it ought to be."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin
    assert end
    return f"{before}{begin}\n{tables()}\n{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
