"""JSON Schemas made plain: references followed, and combinations turned into alternatives."""

from collections.abc import Callable, Iterable
from urllib.parse import unquote

from langfast_wsgi.emulator.obedient.quantities import exact, is_number

Schema = dict[str, object]
Spend = Callable[[], bool]

_MOST = 16  # alternatives to one schema that are worth trying
_DEEPEST = 8  # combinations within combinations
_HOPS = 16
_COMBINING = ("allOf", "anyOf", "oneOf", "if", "then", "else")
_LOWEST_WINS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_HIGHEST_WINS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")


def as_schema(value: object) -> Schema:
    """Read what stands in the place of a schema; true and nonsense allow everything."""
    if value is False:
        return {"not": {}}
    return value if isinstance(value, dict) else {}


def entries(value: object) -> list[object]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


def resolved(schema: object, root: object) -> Schema:
    """Follow $ref from the root; what stands beside a reference is kept."""
    plain = as_schema(schema)
    for _ in range(_HOPS):
        reference = plain.get("$ref")
        if not isinstance(reference, str):
            return plain
        beside = {key: value for key, value in plain.items() if key != "$ref"}
        plain = merged(as_schema(_lookup(root, reference)), beside)
    return {key: value for key, value in plain.items() if key != "$ref"}


def _lookup(root: object, reference: str) -> object:
    """Return what a JSON pointer or an anchor of this document names, or None."""
    _, _, pointer = reference.partition("#")
    if pointer and not pointer.startswith("/"):
        return _anchored(root, pointer)
    found = root
    for step in pointer.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isdecimal() and len(key) < 9:
            found = found[int(key)] if int(key) < len(found) else None
        else:
            return None
    return found


def _anchored(root: object, anchor: str) -> object:
    definitions = as_schema(root).get("$defs")
    candidates = definitions.values() if isinstance(definitions, dict) else ()
    return next((one for one in candidates if as_schema(one).get("$anchor") == anchor), None)


def alternatives(
    schema: object, root: object, spend: Spend, *, shallow: bool = False, depth: int = 0
) -> list[Schema]:
    """Return the schemas without combinators each of which satisfies the given one.

    The first is to be preferred. shallow: prefer what ends, so that recursion does.
    """
    plain = resolved(schema, root)
    options = [{key: value for key, value in plain.items() if key not in _COMBINING}]
    if depth == _DEEPEST or not spend():
        return options

    def inner(parts: Iterable[object]) -> list[Schema]:
        return [
            option
            for part in parts
            for option in alternatives(part, root, spend, shallow=shallow, depth=depth + 1)
        ]

    for part in entries(plain.get("allOf"))[:_MOST]:
        options = _product(options, inner([part]))
    for key in ("anyOf", "oneOf"):
        branches = entries(plain.get(key))[: 4 * _MOST]
        if branches:
            options = _product(options, inner(_ordered(branches, root, shallow=shallow)))
    if "if" in plain:
        yes = _product(inner([plain["if"]]), inner([plain.get("then", {})]))
        options = _product(options, [*yes[: _MOST // 2], *inner([plain.get("else", {})])])
    return [kind for option in options for kind in _kinds(option, shallow=shallow)][:_MOST]


def _product(left: list[Schema], right: list[Schema]) -> list[Schema]:
    return [merged(one, other) for one in left for other in right][:_MOST]


def _ordered(branches: list[object], root: object, *, shallow: bool) -> list[object]:
    """Put null last; where recursion has to end, put what ends first."""

    def rank(branch: object) -> int:
        plain = resolved(branch, root)
        if plain.get("type") == "null" or ("const" in plain and plain["const"] is None):
            return -1 if shallow else 1
        return int(shallow and plain.get("type") in ("object", "array"))

    return sorted(branches, key=rank)


def _kinds(schema: Schema, *, shallow: bool) -> list[Schema]:
    """Split a schema with several types into one for each, null last."""
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return [schema]
    ordered = sorted(map(str, kinds[:8]), key=lambda kind: (kind == "null") != shallow)
    return [{**schema, "type": kind} for kind in ordered] or [schema]


def merged(one: Schema, other: Schema) -> Schema:
    """Return a schema that demands what both demand, as far as that can be said in one."""
    result = dict(one)
    for key, value in other.items():
        result[key] = _both(key, result[key], value) if key in result else value
    return result


def _both(key: str, one: object, other: object) -> object:
    if key in _LOWEST_WINS and is_number(one) and is_number(other):
        return min(one, other, key=exact)
    if key in _HIGHEST_WINS and is_number(one) and is_number(other):
        return max(one, other, key=exact)
    if key in ("properties", "patternProperties", "$defs") and isinstance(one, dict):
        return _properties(one, as_schema(other))
    if key == "required":
        return list(dict.fromkeys(map(str, [*entries(one), *entries(other)])))
    if key == "enum":
        return [value for value in entries(other) if value in entries(one)] or other
    if key == "type":
        return _type(one, other)
    if key == "not":
        return {"anyOf": [one, other]}
    return _combined(key, one, other)


def _combined(key: str, one: object, other: object) -> object:
    if key == "allOf":
        return [*entries(one), *entries(other)]
    if key == "items" and isinstance(one, dict) and isinstance(other, dict):
        return {"allOf": [one, other]}
    if key in ("additionalProperties", "unevaluatedProperties") and False in (one, other):
        return False
    return other


def _properties(one: Schema, other: Schema) -> Schema:
    shared = one.keys() & other.keys()
    both = {key: {"allOf": [one[key], other[key]]} for key in shared if one[key] != other[key]}
    return {**one, **other, **both}


def _type(one: object, other: object) -> object:
    left = [one] if isinstance(one, str) else entries(one)
    right = [other] if isinstance(other, str) else entries(other)
    if "number" in left and "integer" in right:
        left = [*left, "integer"]
    if "integer" in left and "number" in right:
        right = [*right, "integer"]
    common = [kind for kind in right if kind in left]
    return (common if len(common) > 1 else common[0]) if common else other
