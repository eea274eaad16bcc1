"""Tools whose names stand outside their JSON: "- name: x", "### x", "x: … {schema}"."""

import re

from langfast_wsgi.emulator.obedient.vocabulary import listed

_BEFORE = 1500

# What introduces the schema of a tool's parameters.
_LABEL = re.compile(
    r"(?:parameters?|params|arguments?|args|inputs?|input_schema)\b[^\n{}]{0,30}\s{0,80}"
    r"(?:(?:```|~~~)\w{0,10}\s|<[\w-]{1,30}>)?\s{0,80}\Z",
    re.I,
)
_QUOTES = r"[\"'*` ]{0,4}"
_IDENTIFIER = r"([A-Za-z_][\w.-]{0,63})"
_NAMES = tuple(
    re.compile(pattern, re.I | re.M)
    for pattern in (
        rf"(?<!\w)(?:name|tool|function){_QUOTES}[:=]{_QUOTES}{_IDENTIFIER}",
        rf"^[ \t]{{0,8}}(?:[-*•+]|\d{{1,3}}[.)]|\#{{1,6}})[ \t]{{1,4}}"
        rf"(?:(?:tool|function)[ :]{{1,3}})?{_QUOTES}{_IDENTIFIER}",
        rf"(?<!\w)(?:tool|function)[ \t]{{1,3}}(?:name=)?[\"'*`]{{0,3}}{_IDENTIFIER}",
        rf"^[ \t]{{0,8}}{_IDENTIFIER}[ \t]{{0,3}}(?:[(:—–{{\n]|- )",
    )
)
_LABELS = listed(
    "name description parameters params arguments args input inputs input_schema schema json "
    "type tool tools function functions example note returns summary required available the a "
    "with and for call use object properties strict title"
)
_OFFERS = re.compile(r"\b(?:tool|function)s?\b", re.I)
_ANSWERS = re.compile(r"\b(?:schema|respond|reply|answer|conform|output|format)", re.I)


def offers_tools(text: str) -> int:
    """Return where a text first speaks of tools; behind its end if it never does."""
    match = _OFFERS.search(text)
    return match.start() if match else len(text) + 1


def listed_name(text: str, floor: int, start: int, *, offered: bool) -> str | None:
    """Return the name of the tool whose schema starts here.

    floor: where the schema before this one ended. offered: whether tools were spoken of.
    """
    before = text[max(floor, start - _BEFORE) : start]
    if _LABEL.search(before[-120:]):
        return _nearest(before)
    line = before.rpartition("\n")[2]
    if offered and not _ANSWERS.search(line):
        return _nearest(line + "{") if line.strip() else None
    return None


def _nearest(before: str) -> str | None:
    """Return the last name before the schema, by the surest sign that there is."""
    for pattern in _NAMES:
        names = [match[1].rstrip(".-") for match in pattern.finditer(before)]
        names = [name for name in names if name.lower() not in _LABELS]
        if names:
            return names[-1]
    return None
