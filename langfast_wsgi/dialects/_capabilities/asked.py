"""What a body asks for in vain, by the table of its dialect."""

import re
from itertools import islice
from typing import Any

from langfast_wsgi.dialects._capabilities.treatment import Table
from langfast_wsgi.errors import BadRequest

# The names go into a response header: these characters, this length, this many.
_UNSPEAKABLE = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_NAME = 64
_MOST_NAMES = 50


def check_rejected(table: Table, fields: object) -> None:
    """Raises BadRequest for the first field of the table that cannot be done without."""
    for name, treatment in table.items():
        if treatment.how == "rejected" and _asks(table, name, fields):
            raise unsupported(name)


def ignored_names(
    table: Table, body: dict[str, Any], fields: object, *, reject: bool
) -> tuple[str, ...]:
    """Names of what is asked for in vain, sorted, fit for a header.

    ``reject``: raises BadRequest for the first of them instead. The search ends early, for a body
    may hold a million.
    """
    names = (
        name for name, value in body.items() if value is not None and _in_vain(table, name, fields)
    )
    spoken = {
        _UNSPEAKABLE.sub("?", name[:_LONGEST_NAME]) or "?" for name in islice(names, _MOST_NAMES)
    }
    found = tuple(sorted(spoken))
    if found and reject:
        raise unsupported(found[0])
    return found


def unsupported(name: str) -> BadRequest:
    """A field that this service cannot serve."""
    return BadRequest(
        f"Unsupported parameter: '{name}' is not supported by this service.",
        code="unsupported_parameter",
        param=name,
    )


def _in_vain(table: Table, name: str, fields: object) -> bool:
    if name not in table:
        return True
    return table[name].how == "ignored" and _asks(table, name, fields)


def _asks(table: Table, name: str, fields: object) -> bool:
    """Whether the field's value asks for anything."""
    value = getattr(fields, name)
    return value is not None and value not in table[name].idle
