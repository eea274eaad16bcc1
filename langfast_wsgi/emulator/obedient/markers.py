"""Marks around an example of a call: tags, fences, words such as TOOL_CALL:."""

import re
from dataclasses import dataclass

from langfast_wsgi.emulator.obedient.vocabulary import listed

_REACH = 300
_FENCE = re.compile(r"(?:```|~~~)[\w-]{0,30}\Z")
_TAG = re.compile(
    r"<(?!/)\|?([^\s<>/|]{1,40})[^<>\n]{0,60}>\Z|\[[A-Z][A-Z_ ]{1,30}\]\Z|<\|[^|\n]{1,40}\|>\Z"
)
_WORD = re.compile(r"(?=[^\s]*[\w])[^\s{}\[\]\"'`]{2,40}\Z")
_CLOSING = re.compile(
    r"[ \t]{0,4}(\n[ \t]{0,8})?(</[^<>\n]{1,60}>|\[/[A-Z_ ]{1,30}\]|<\|[^|\n]{1,40}\|>|```|~~~)"
)
_PROSE_TAG = re.compile(
    r"examples?|format|instructions?|output\w*|schema|important|tools|functions"
)
_PROSE = listed("EXAMPLE NOTE JSON FORMAT IMPORTANT OUTPUT LIKE USE TOOL TOOLS API")
_MENTION = re.compile(
    r"<([\w:-]{0,30}(?:call|invoke|invocation|tool_use|action)[\w:-]{0,30})>"
    r"[^<>\n]{0,20}</\1>",
    re.I,
)
_RESULT = re.compile(r"result|response|output", re.I)


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands before and after a block, with the line breaks between."""

    opening: str = ""
    closing: str = ""


def around(text: str, start: int, end: int) -> Marks:
    """Return the marks directly around a piece of text."""
    before, after = text[max(0, start - _REACH) : start], text[end : end + _REACH]
    opening, closing = "", ""
    for _ in range(2):  # a fence may stand inside a tag
        mark, joint, rest = _before(before)
        if not mark or (opening and _FENCE.match(mark)):
            break
        end_mark, used = _after(after, mark, joint)
        opening, closing = mark + joint + opening, closing + end_mark
        before, after = rest, after[used:]
        if not _FENCE.match(mark):
            break
    return Marks(opening, closing)


def _before(text: str) -> tuple[str, str, str]:
    """Return the mark at the end of a text, the space behind it, and the text before it."""
    body = text.rstrip()
    joint = text[len(body) :]
    line = body.rpartition("\n")[2]
    mark = line.strip()
    if joint.count("\n") > 1 or not mark:
        return "", "", text
    space = "\n" if "\n" in joint else joint
    tail = re.search(r"(?:<[^<>\n]{1,80}>|\[[A-Z_ ]{2,32}\])\Z", mark)
    if tail is not None and not _is_mark(mark):
        mark = tail[0]
    return (mark, space, body[: -len(mark)]) if _is_mark(mark) else ("", "", text)


def _is_mark(text: str) -> bool:
    if _FENCE.match(text):
        return True
    tag = _TAG.match(text)
    if tag is not None:
        return not (tag[1] and _PROSE_TAG.match(tag[1]))
    word = text.rstrip(":=")
    if not _WORD.match(text) or word in _PROSE or re.search(r"[<>]", text):
        return False
    return ("_" in word or word.isupper() or not word[0].isalnum()) and word[0] not in "-*•#("


def _after(text: str, mark: str, joint: str) -> tuple[str, int]:
    """Return the closing mark with its line break, and how far it reaches."""
    found = _CLOSING.match(text)
    if found is not None and (_FENCE.match(mark) is not None) == (found[2] in ("```", "~~~")):
        return ("\n" if found[1] else "") + found[2], found.end()
    tag = re.match(r"<([^\s<>/=|]{1,40})", mark)
    if tag is not None:
        return f"{joint}</{tag[1]}>", 0
    return (f"{joint}{mark[:3]}", 0) if _FENCE.match(mark) else ("", 0)


def mentioned_tags(text: str) -> Marks | None:
    """Return the marks of which a sentence says that calls go between them."""
    for match in _MENTION.finditer(text):
        if not _RESULT.search(match[1]):
            return Marks(f"<{match[1]}>\n", f"\n</{match[1]}>")
    return None
