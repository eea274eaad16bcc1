"""All checks in order of their numbers, and which of them are asked for."""

import re
from collections.abc import Sequence

from langfast_wsgi.cli.conformance import (
    access,
    body,
    chunks,
    flow,
    listing,
    refusals,
    tools,
    transport,
)
from langfast_wsgi.cli.conformance.check import Check, Group

GROUPS: tuple[Group, ...] = (
    transport.GROUP,
    body.GROUP,
    tools.GROUP,
    chunks.GROUP,
    flow.GROUP,
    refusals.GROUP,
    access.GROUP,
    listing.GROUP,
)
CHECKS: tuple[Check, ...] = tuple(
    sorted((check for group in GROUPS for check in group.checks), key=lambda check: check.number)
)


class NoCheck(ValueError):
    """A number that no check has, or no number at all; the message says so."""


def chosen(only: str | None) -> Sequence[Check]:
    """Those of ``19,20`` or ``19-26``; all of them where nothing is asked for. Raises NoCheck."""
    if only is None:
        return CHECKS
    wanted: set[int] = set()
    for word in only.split(","):
        found = re.fullmatch(r"\s*(\d{1,3})\s*(?:-\s*(\d{1,3})\s*)?", word)
        if not found:
            raise NoCheck(f"{word!r} is no number of a check: --only takes such as 19,20 or 19-26.")
        first = int(found[1])
        wanted.update(range(first, int(found[2] or first) + 1))
    strange = sorted(wanted - {check.number for check in CHECKS})
    if strange or not wanted:
        raise NoCheck(f"There is no check {strange[0] if strange else only}: they are 1 to 65.")
    return [check for check in CHECKS if check.number in wanted]
