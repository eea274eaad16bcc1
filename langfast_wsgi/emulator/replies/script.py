"""Scripted replies: a file of rules, checked at the start; the first rule that fits wins."""

import fnmatch
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from langfast_wsgi.emulator.replies.reply import SAMPLE, Reply
from langfast_wsgi.emulator.replies.steering import FAULTS, PACE, applied
from langfast_wsgi.emulator.shapes import TEXT, TEXTS, BadShape, Kind, Table, checked


def _compiles(value: object) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except re.error:
        return False


_TABLE: Table = {
    "model": TEXT,
    "match": Kind("a regular expression", _compiles),
    "reply": TEXTS,
    **PACE,
    **FAULTS,
}


@dataclass(slots=True)
class Rule:
    """One rule: whom it fits and what it replies."""

    model: str
    match: re.Pattern[str] | None
    texts: "cycle[str]"
    given: Mapping[str, Any]

    def fits(self, model: str, last_user_text: str) -> bool:
        """Whether this rule answers."""
        if not fnmatch.fnmatchcase(model, self.model):
            return False
        return self.match is None or self.match.search(last_user_text) is not None

    def reply(self) -> Reply:
        """The reply, with the next of its texts."""
        return applied(Reply(next(self.texts)), self.given)


class Script:
    """The rules in their order."""

    def __init__(self, rules: list[Rule]) -> None:
        self._rules = rules

    def reply(self, model: str, last_user_text: str) -> Reply | None:
        """What the first rule that fits replies."""
        for rule in self._rules:
            if rule.fits(model, last_user_text):
                return rule.reply()
        return None


def rules_of(given: object) -> Script:
    """Check a list of rules; raises BadShape that names the rule's index and key."""
    if isinstance(given, dict) and set(given) == {"replies"}:
        given = given["replies"]
    if not isinstance(given, list):
        raise BadShape("the file must hold a list of rules, or one under 'replies'")
    return Script([_rule(rule, f"rule {index}") for index, rule in enumerate(given)])


def _rule(given: object, where: str) -> Rule:
    rule = checked(given, _TABLE, where)
    if "reply" not in rule and "fault" not in rule:
        raise BadShape(f"{where}: needs a 'reply' or a 'fault'")
    texts = rule.get("reply", SAMPLE)
    match = rule.get("match")
    return Rule(
        rule.get("model", "*"),
        re.compile(match) if match is not None else None,
        cycle([texts] if isinstance(texts, str) else texts),
        {key: value for key, value in rule.items() if key not in ("model", "match", "reply")},
    )


def read(path: str) -> Script:
    """The script in a file, TOML if it is named so and JSON otherwise; raises BadShape."""
    try:
        text = Path(path).read_text("utf-8")
        given = tomllib.loads(text) if path.endswith(".toml") else json.loads(text)
    except OSError as error:
        raise BadShape(f"replies file {path}: {error.strerror}") from error
    except ValueError as error:
        raise BadShape(f"replies file {path}: cannot be read: {error}") from error
    try:
        return rules_of(given)
    except BadShape as error:
        raise BadShape(f"replies file {path}: {error}") from error
