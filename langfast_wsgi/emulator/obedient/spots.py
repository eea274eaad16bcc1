"""Values that stand in a text: numbers, quoted phrases, capitalised words, dates and such."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from langfast_wsgi.emulator.obedient.vocabulary import IDLE, JOINING

_MOST = 200  # values of one kind; more are not needed by any answer
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Spot:
    """A value and its place.

    kind: number, quoted, proper (capitalised), leading (so only as the first word of a
        sentence), word, code (letters with digits), day (Friday, 3 May),
        or the name of a JSON Schema format.
    text: as written, without quotes.
    before: the few characters in front of it, which may name it.
    """

    kind: str
    text: str
    start: int
    before: str


_FORMATS = {
    "email": r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}",
    "uri": r"\bhttps?://[^\s\"'<>`)\]}]{1,500}(?<![.,;:!?])",
    "uuid": r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",
    "date-time": r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?",
    "date": r"\b\d{4}-\d\d-\d\d\b",
    "ipv4": r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
    "time": r"\b\d\d?:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?\b",
}
_FORMATTED = re.compile(
    "|".join(f"(?P<{key.replace('-', '_')}>{_FORMATS[key]})" for key in _FORMATS)
)
_QUOTED = re.compile(
    r'"([^"\n]{1,300})"|“([^”\n]{1,300})”|«([^»\n]{1,300})»|„([^“”\n]{1,300})[“”]'
    r"|(?<![^\W_])'([^'\n]{1,300})'(?![^\W_])|‘([^’\n]{1,300})’|(?<!`)`([^`\n]{1,300})`"
)
_NUMBER = re.compile(
    r"(?<![\w.])(?<![^\W\d_]-)-?(?:\d{1,3}(?:,\d{3}){1,4}(?!\d)|\d{1,15})(?:\.\d{1,15})?(?!\d)"
)
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_WEEKDAY = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
)
_DAY = re.compile(
    rf"\b(?:today|tonight|tomorrow|yesterday|(?:next |this |last )?(?:{_WEEKDAY})"
    rf"|(?:\d{{1,2}}(?:st|nd|rd|th)?\.? )?{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\.? {_MONTH}(?:,? \d{{4}})?|{_MONTH} \d{{4}})\b"
)
_CODE = re.compile(r"(?<![\w-])(?=[\w-]{0,30}\d)\w[\w-]{0,40}")
_OPENS = re.compile(r"(?:^|[.!?\n\t•>*-])[\s\"'“‘(*_-]{0,8}\Z")
_LISTED = re.compile(
    r"\s{0,3}(?:,|and|or|&|/)\s{1,3}[^\W\d_a-z]|,?\s\(?\d"
    r"|(?:['’]s)?\s(?:is|was|are|were|has|had|lives|likes|loves|works|wants|and|or)\b"
)


def spots(text: str, skipped: frozenset[str] = frozenset()) -> tuple[Spot, ...]:
    """Return the values of a text, kind by kind; skipped: names that are no values."""
    text = text[:_LONGEST]
    formatted = tuple(_formatted(text))
    # Numbers and words inside an address or a date are no values of their own.
    plain = _FORMATTED.sub(lambda match: " " * len(match[0]), text)
    found = [*formatted]
    names = (_quoted(text), _capitalised(plain), _days(plain))
    kinds = (*names, _numbers(plain), _words(plain), _codes(plain))
    for kind in kinds:
        kept = (spot for spot in kind if folded(spot.text) not in skipped)
        found.extend(spot for spot, _ in zip(kept, range(_MOST), strict=False))
    return tuple(found)


def folded(name: str) -> str:
    """Return a name as words in lower case, so that get_weather, getWeather and "Get
    weather" are the same."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.sub(r"[\W_]+", " ", parts).casefold().split())


def _spot(kind: str, text: str, value: str, start: int) -> Spot:
    return Spot(kind, value, start, text[max(0, start - 60) : start])


def _formatted(text: str) -> Iterator[Spot]:
    for match in _FORMATTED.finditer(text):
        kind = str(match.lastgroup).replace("_", "-")
        yield _spot(kind, text, match[0], match.start())


def _quoted(text: str) -> Iterator[Spot]:
    for match in _QUOTED.finditer(text):
        value = next(group for group in match.groups() if group is not None).strip()
        if value:
            yield _spot("quoted", text, value, match.start())


def _numbers(text: str) -> Iterator[Spot]:
    for match in _NUMBER.finditer(text):
        yield _spot("number", text, match[0].replace(",", ""), match.start())


def _days(text: str) -> Iterator[Spot]:
    for match in _DAY.finditer(text):
        yield _spot("day", text, match[0], match.start())


def _codes(text: str) -> Iterator[Spot]:
    for match in _CODE.finditer(text):
        yield _spot("code", text, match[0], match.start())


def _words(text: str) -> Iterator[Spot]:
    for match in _WORD.finditer(text):
        word = _bare(match[0])
        if len(word) > 2 and word.casefold() not in IDLE:
            yield _spot("word", text, word, match.start())


def _bare(word: str) -> str:
    """Take off what is not the word's own: Paris's, Paris'."""
    return re.sub(r"(?:['’]s?|-)+\Z", "", word)


def _capitalised(text: str) -> Iterator[Spot]:
    """Yield capitalised words, neighbours as one name; "I" and its kind are none."""
    group: list[re.Match[str]] = []
    joint = 0  # joining words at the end of the group, kept only if a name follows
    for match in _WORD.finditer(text):
        adjacent = bool(group) and text[group[-1].end() : match.start()] == " "
        if not adjacent:
            yield from _group(text, group[: len(group) - joint])
            group, joint = [], 0
        if _is_name(match[0]):
            group, joint = [*group, match], 0
        elif adjacent and not joint and match[0] in JOINING:
            group, joint = [*group, match], 1
        else:
            yield from _group(text, group[: len(group) - joint])
            group, joint = [], 0
    yield from _group(text, group[: len(group) - joint])


def _is_name(word: str) -> bool:
    return word[0].isupper() and _bare(word).casefold() not in IDLE and len(word) > 1


def _group(text: str, group: list[re.Match[str]]) -> Iterator[Spot]:
    if not group:
        return
    start = group[0].start()
    value = _bare(text[start : group[-1].end()])
    opens = _OPENS.search(text, max(0, start - 12), start) or not text[:start].strip()
    # Of several words, in a list of names, or followed by what it is: a name even in front.
    named = len(group) > 1 or _LISTED.match(text, group[-1].end())
    kind = "leading" if opens and not named else "proper"
    yield _spot(kind, text, value, start)
