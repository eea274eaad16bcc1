"""The table of parameters in docs/openai-wire.md, made from the one in the code.

After a change of langfast_wsgi/dialects/_capabilities.py write it anew::

    .venv/bin/python -m tests.dialects.capability_table
"""

import json
from pathlib import Path

from langfast_wsgi.dialects._capabilities import CHAT, Treatment

PAGE = Path(__file__).parents[2] / "docs" / "openai-wire.md"
BEGIN, END = "<!-- parameters -->\n", "<!-- end of parameters -->\n"


def table() -> str:
    """All fields, a row each."""
    rows = [("parameter", "treatment", "how", "asks for nothing"), ("---",) * 4]
    rows += [(f"`{name}`", one.how, one.note, _idle(one)) for name, one in CHAT.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def page() -> str:
    """The page, as it ought to be."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, "the page has no marks for the table"  # noqa: PT018
    return f"{before}{begin}\n{table()}\n{end}{after}"


def _idle(treatment: Treatment) -> str:
    return ", ".join(f"`{json.dumps(value)}`" for value in treatment.idle)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
