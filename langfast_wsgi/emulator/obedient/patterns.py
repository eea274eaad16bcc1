"""Strings for simple regular expressions: what matches, and an example that does."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

# The parse trees are all that is needed, and the only way to them.
_parser: Any = importlib.import_module("re._parser")

_LONGEST_PATTERN = 500
_LONGEST_REPEAT = 1000
_LONGEST_TEXT = 4000
_ALPHABET = "aAb1 -_.B2c3CxyzXYZ0456789@/:+,!"
_MANY = 10  # repeats from here on count as unbounded
_PATIENCE = 3  # unbounded repeats that a search may try in combination


def compiled(pattern: object) -> re.Pattern[str] | None:
    """Return a pattern that Python understands and can try without exploding."""
    if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        return None
    try:
        return re.compile(pattern) if _tame(_parser.parse(pattern)) else None
    except (re.error, Warning, ValueError, OverflowError, RecursionError):
        return None


def is_untried(pattern: object) -> bool:
    """Whether a pattern is one that only examples can be made for, but no text tried on."""
    return compiled(pattern) is None and next(examples(pattern), None) is not None


def examples(pattern: object) -> Iterator[str]:
    """Yield texts made from a pattern: the shortest first, each then more stretched."""
    if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        return
    try:
        tree = _parser.parse(pattern)
        for stretch in (*range(25), 30, 40, 60, 80, 100, 150, 250):
            yield _Writer(stretch, shift=0).text(tree)
        for shift in range(1, 12):
            yield _Writer(3, shift=shift).text(tree)
    except (re.error, Warning, ValueError, OverflowError, RecursionError):
        return


def _tame(tree: Any) -> bool:
    """Whether no unbounded repeat stands in another, and there are few in all."""
    total, nested = _repeats(tree, inside=False)
    return total <= _PATIENCE and not nested


def _repeats(tree: Any, *, inside: bool) -> tuple[int, bool]:
    total, nested = 0, False
    for node in tree:
        operator, argument = node
        endless = str(operator).endswith("_REPEAT") and argument[1] > _MANY
        nested |= endless and inside
        total += endless
        for child in _children(argument):
            inner, deeper = _repeats(child, inside=inside or endless)
            total, nested = total + inner, nested or deeper
    return total, nested


def _children(argument: Any) -> Iterator[Any]:
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for part in argument:
            yield from _children(part)


class _Writer:
    """Writes one text for a parse tree.

    stretch: how often to go through repeats that have no limit.
    shift: which of several allowed characters and branches to take.
    """

    def __init__(self, stretch: int, *, shift: int) -> None:
        self._stretch = stretch
        self._shift = shift
        self._groups: dict[int, str] = {}

    def text(self, tree: Any) -> str:
        written = ""
        for operator, argument in tree:
            written += self._node(str(operator), argument)
            if len(written) > _LONGEST_TEXT:
                break
        return written

    def _node(self, operator: str, argument: Any) -> str:
        if operator == "LITERAL":
            return chr(argument)
        if operator in ("ANY", "NOT_LITERAL", "IN"):
            return self._character(operator, argument)
        if operator.endswith("_REPEAT"):
            return self._repeat(*argument)
        if operator == "BRANCH":
            return self.text(argument[1][self._shift % len(argument[1])])
        if operator == "SUBPATTERN":
            return self._group(argument[0], argument[-1])
        if operator == "ATOMIC_GROUP":
            return self.text(argument)
        # Anchors and conditions write nothing; whether they hold is checked later.
        return self._groups.get(argument, "") if operator == "GROUPREF" else ""

    def _group(self, number: int | None, tree: Any) -> str:
        written = self.text(tree)
        if number is not None:
            self._groups[number] = written
        return written

    def _repeat(self, least: int, most: int, tree: Any) -> str:
        times = min(max(least, self._stretch), most, _LONGEST_REPEAT)
        written = ""
        for _ in range(times):
            written += self.text(tree)
            if not written or len(written) > _LONGEST_TEXT:
                break
        return written

    def _character(self, operator: str, argument: Any) -> str:
        if operator == "ANY":
            return _ALPHABET[self._shift % 4]
        allowed = [argument] if operator == "IN" else [[("NEGATE", None), ("LITERAL", argument)]]
        choices = list(_choices(allowed[0]))
        return choices[self._shift % len(choices)] if choices else ""


def _choices(members: Any) -> Iterator[str]:
    """Yield some of the characters of a set."""
    negated = bool(members) and str(members[0][0]) == "NEGATE"
    if negated:
        yield from (one for one in _ALPHABET if not any(_holds(m, one) for m in members[1:]))
        return
    for operator, argument in members:
        if str(operator) == "LITERAL":
            yield chr(argument)
        elif str(operator) == "RANGE":
            yield from map(chr, range(argument[0], min(argument[1], argument[0] + 30) + 1))
        else:
            yield from (one for one in _ALPHABET if _holds((operator, argument), one))


def _holds(member: Any, character: str) -> bool:
    operator, argument = str(member[0]), member[1]
    if operator == "LITERAL":
        return ord(character) == int(argument)
    if operator == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    category = str(argument).lower()
    tests = {"digit": character.isdigit(), "space": character.isspace()}
    inside = tests.get(category.rpartition("_")[2], character.isalnum() or character == "_")
    return inside != ("_not_" in category)
