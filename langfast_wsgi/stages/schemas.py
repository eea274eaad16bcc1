"""Whether a value fits a JSON Schema, and if not, why, in a sentence for the model.

The schema is the caller's, the value comes from a model that the caller may steer, and the check
holds up the whole worker. So nothing is fetched that a schema refers to, patterns may backtrack
only so far, and a schema whose references unfold to too much is refused. The validator is quick to
say no, but takes exponential time to say why, where alternatives refer to each other; of such
schemas the sentence says less. Formats are not checked, as is JSON Schema's default: models write
times without a zone, and most clients take them.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

LARGEST = 50_000  # objects within a schema, each counted as often as it is referred to
WIDEST = 10_000  # members of one object or list in a schema
LARGEST_TOLD = 2_000  # up to here the validator is asked why
LONGEST_TOLD = 300  # characters
BACKTRACKING = 100_000


class UnusableSchema(Exception):
    """A schema that cannot be checked against; the sentence is fit for callers."""


class Schema:
    """A schema, ready to check values."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        import jsonschema_rs  # not before it is needed: 30 ms and 7 MB

        self._error = jsonschema_rs.ValidationError
        try:
            size = _Size(schema)
            self._validator = jsonschema_rs.validator_for(
                dict(schema),
                validate_formats=False,
                offline=True,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKING),
            )
        except jsonschema_rs.ValidationError as error:
            raise UnusableSchema(_cut(error.message)) from error
        except (ValueError, RecursionError) as error:
            raise UnusableSchema("It is nested too deep.") from error
        self._told = size.whole <= LARGEST_TOLD and not size.recursive

    def problem(self, value: Any) -> str | None:
        """Why the value does not fit; None if it does."""
        if self._validator.is_valid(value):
            return None
        if not self._told:
            return "it does not fit the schema"
        try:
            self._validator.validate(value)
        except self._error as error:
            place = "".join(f"/{step}" for step in error.instance_path)
            return _cut(f"at {place}: {error.message}" if place else error.message)
        return None


class _Size:
    """How many schemas a schema amounts to when all references in it are followed once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._known: dict[str, int] = {}
        self.recursive = False
        self.whole = self._of(schema)

    def _of(self, part: Any) -> int:
        if isinstance(part, list | Mapping) and len(part) > WIDEST:
            raise UnusableSchema("It holds more than can be checked.")
        if isinstance(part, list):
            size = sum(map(self._of, part))
        elif isinstance(part, Mapping):
            size = 1 + sum(map(self._of, part.values()))
            for word in ("$ref", "$dynamicRef", "$recursiveRef"):
                if isinstance(part.get(word), str):
                    size += self._referred(part[word])
        else:
            return 0
        if size > LARGEST:
            raise UnusableSchema("Its references unfold to more than can be checked.")
        return size

    def _referred(self, reference: str) -> int:
        if reference not in self._known:
            self._known[reference] = -1
            self._known[reference] = self._of(self._target(reference))
        if self._known[reference] < 0:
            self.recursive = True
            return 0
        return self._known[reference]

    def _target(self, reference: str) -> Any:
        head, *steps = unquote(reference).split("/")
        part: Any = self._schema
        try:
            for step in steps:
                name = step.replace("~1", "/").replace("~0", "~")
                part = part[int(name)] if isinstance(part, list) else part[name]
        except (LookupError, TypeError, ValueError):
            head = ""
        if head != "#":
            raise UnusableSchema(f"It refers to what is no part of it: {_cut(reference)}")
        return part


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TOLD else text[: LONGEST_TOLD - 1] + "…"
