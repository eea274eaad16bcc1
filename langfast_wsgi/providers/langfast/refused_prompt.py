"""Pure: what an upstream says of a prompt that it does not take, be it in an answer or an event.

Behind the function stands a model's own API, whose error it hands on in one shape or another: as
``code`` and ``message``, below ``error`` or in a list, or as a text with the JSON in it. Looked for
are the code words and sentences of the usual APIs in those places, and nowhere else: a body may
well repeat the prompt, which may speak of anything.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from langfast_wsgi.errors import CallerError, ContentFiltered, PromptTooLong

_PLACES = (
    *("error", "errors", "code", "error_code", "type", "message", "msg", "detail", "details"),
    *("innererror", "inner_error", "finish_reason"),
)
_DEPTH = 4
_LONGEST = 4000  # characters of one text that are looked at

_TOO_LONG = re.compile(
    r"context[ _](length|window|size)[ _](was |is )?exceed|exceed\w{0,4} (\S{1,20} ){0,3}context"
    r"|maximum context length|string_above_max_length|(prompt|input|request)[ _](is )?too[ _]long"
    r"|too many (input )?tokens|exceed\w{0,4} the maximum (number of (input )?tokens|input length)",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content[ _-](was )?filter|content[ _](management )?policy|responsible_?ai_?policy"
    r"|moderation_blocked|safety (system|policy)"
    r"|(flagged|violat\w{1,4}) .{0,60}(usage|content) polic",
    re.IGNORECASE,
)


def refused_prompt(found: object, words: str) -> CallerError | None:
    """The caller's own fault that was found in an error; None where it speaks of none that is
    known. ``words``: what a caller may read of it, if anything.
    """
    for text in _texts(found, _DEPTH):
        if _TOO_LONG.search(text, 0, _LONGEST):
            return PromptTooLong(words or "The prompt is longer than the model's context.")
        if _FILTERED.search(text, 0, _LONGEST):
            return ContentFiltered(words or "The upstream's content filter refused the prompt.")
    return None


def message_of(found: Mapping[str, Any]) -> str:
    """What an error says in words, as it stands there; empty where it says nothing."""
    for place in ("message", "msg", "error"):
        said = found.get(place)
        said = said.get("message") if isinstance(said, dict) else said
        if isinstance(said, str) and said:
            return said
    return ""


def _texts(found: object, depth: int) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif depth and isinstance(found, dict):
        for place in _PLACES:
            if place in found:
                yield from _texts(found[place], depth - 1)
    elif depth and isinstance(found, list):
        for one in found[:_DEPTH]:
            yield from _texts(one, depth - 1)
