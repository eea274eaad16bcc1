"""The tables of parameters in docs/openai-wire.md, made from those in the code.

After a change in langfast_wsgi/dialects/_capabilities/ write them anew::

    .venv/bin/python -m tests.dialects.capability_table
"""

import json
from pathlib import Path

from langfast_wsgi.dialects._capabilities.offered import TABLES
from langfast_wsgi.dialects._capabilities.treatment import Table, Treatment

PAGE = Path(__file__).parents[2] / "docs" / "openai-wire.md"


def table(fields: Table) -> str:
    """All fields, a row each."""
    rows = [("parameter", "treatment", "how", "asks for nothing"), ("---",) * 4]
    rows += [(f"`{name}`", one.how, one.note, _idle(one)) for name, one in fields.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def page() -> str:
    """The page, as it ought to be."""
    text = PAGE.read_text(encoding="utf-8")
    for dialect, fields in TABLES.items():
        before, begin, rest = text.partition(f"<!-- parameters of {dialect} -->\n")
        _, end, after = rest.partition(f"<!-- end of {dialect} -->\n")
        assert begin and end, f"the page has no marks for {dialect}"  # noqa: PT018
        text = f"{before}{begin}\n{table(fields)}\n{end}{after}"
    return text


def _idle(treatment: Treatment) -> str:
    return ", ".join(f"`{json.dumps(value)}`" for value in treatment.idle)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
