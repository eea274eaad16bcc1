"""Ids of items, made of their response's.

Some clients name an item of a former response without naming that response (the Vercel AI SDK sends
``item_reference`` for all that was said before). The item's id alone leads to it.
"""

import re

OWN_INPUT = 0x80000  # an item's number: of the output from 0, of the response's own input from here
_ITEM = re.compile(r"[a-z]+_([0-9a-f]{32})[0-9a-f]{5}")


def item_id(prefix: str, response_id: str, number: int) -> str:
    """The id of an item, as in ``msg_…``."""
    return f"{prefix}_{response_id.removeprefix('resp_')}{number:05x}"


def response_of(item: str) -> str | None:
    """The response that an item belongs to; None where the id is none of ours."""
    found = _ITEM.fullmatch(item)
    return f"resp_{found[1]}" if found else None
