"""Whether a value fits a JSON Schema, so that the first fitting of several can be taken."""

from collections.abc import Iterator

from langfast_wsgi.emulator.obedient.formats import has_format
from langfast_wsgi.emulator.obedient.patterns import compiled
from langfast_wsgi.emulator.obedient.quantities import is_integer, is_number, number_fits
from langfast_wsgi.emulator.obedient.schemas import Schema, Spend, as_schema, entries, resolved

_DEEPEST = 48


def same(one: object, other: object) -> bool:
    """Whether two values are equal as JSON is: 1 is 1.0 but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def string_fits(value: str, schema: Schema) -> bool:
    """Whether a string keeps length, pattern and format."""
    least, most = schema.get("minLength"), schema.get("maxLength")
    if is_number(least) and isinstance(least, int | float) and len(value) < least:
        return False
    if is_number(most) and isinstance(most, int | float) and len(value) > most:
        return False
    pattern = compiled(schema.get("pattern"))
    if pattern is not None and not pattern.search(value[:600]):
        return False
    return has_format(value, schema.get("format"))


def is_kind(value: object, kind: object) -> bool:
    """Whether a value is of a JSON Schema type; unknown types hold everything."""
    tests = {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "null": value is None,
        "number": is_number(value),
        "integer": is_integer(value),
    }
    return tests.get(kind, True) if isinstance(kind, str) else True


def fits(value: object, schema: object, root: object, spend: Spend, depth: int = 0) -> bool:
    """Whether a value fits; when the allowance is spent, nothing more is objected to."""
    if schema is False:
        return False
    if depth == _DEEPEST or not spend():
        return True
    return _Check(value, resolved(schema, root), root, spend, depth).holds()


class _Check:
    """One value against one schema."""

    def __init__(
        self, value: object, schema: Schema, root: object, spend: Spend, depth: int
    ) -> None:
        self._value = value
        self._schema = schema
        self._root = root
        self._spend = spend
        self._depth = depth

    def holds(self) -> bool:
        return all(self._rules())

    def _fits(self, schema: object, value: object) -> bool:
        return fits(value, schema, self._root, self._spend, self._depth + 1)

    def _rules(self) -> Iterator[bool]:
        value, schema = self._value, self._schema
        kinds = schema.get("type")
        if isinstance(kinds, str | list):
            yield any(is_kind(value, one) for one in ([kinds] if isinstance(kinds, str) else kinds))
        if "const" in schema:
            yield same(value, schema["const"])
        if isinstance(schema.get("enum"), list):
            yield any(same(value, one) for one in entries(schema["enum"]))
        yield from self._own_rules()
        yield from self._combinations()

    def _own_rules(self) -> Iterator[bool]:
        if isinstance(self._value, str):
            yield string_fits(self._value, self._schema)
        elif is_number(self._value):
            yield number_fits(self._value, self._schema)
        elif isinstance(self._value, list):
            yield from self._list(self._value)
        elif isinstance(self._value, dict):
            yield from self._object(self._value)

    def _combinations(self) -> Iterator[bool]:
        value, schema = self._value, self._schema
        for part in entries(schema.get("allOf")):
            yield self._fits(part, value)
        if entries(schema.get("anyOf")):
            yield any(self._fits(part, value) for part in entries(schema["anyOf"]))
        if entries(schema.get("oneOf")):
            yield sum(self._fits(part, value) for part in entries(schema["oneOf"])) == 1
        if "not" in schema:
            yield not self._fits(schema["not"], value)
        if "if" in schema:
            branch = "then" if self._fits(schema["if"], value) else "else"
            yield self._fits(schema.get(branch, {}), value)

    def _list(self, value: list[object]) -> Iterator[bool]:
        schema = self._schema
        yield within(len(value), schema.get("minItems"), schema.get("maxItems"))
        prefix, rest = tuple_of(schema)
        yield from (self._fits(one, item) for one, item in zip(prefix, value, strict=False))
        yield from (self._fits(rest, item) for item in value[len(prefix) :])
        if schema.get("uniqueItems") is True:
            pairs = ((i, j) for i in range(len(value)) for j in range(i))
            yield not any(same(value[i], value[j]) for i, j in pairs)
        if "contains" in schema:
            held = sum(self._fits(schema["contains"], item) for item in value)
            yield within(held, schema.get("minContains", 1), schema.get("maxContains"))

    def _object(self, value: dict[str, object]) -> Iterator[bool]:
        schema = self._schema
        yield within(len(value), schema.get("minProperties"), schema.get("maxProperties"))
        yield all(name in value for name in needed(schema, value))
        for name, item in value.items():
            yield all(self._fits(part, item) for part in parts_for(schema, name))
            if "propertyNames" in schema:
                yield self._fits(schema["propertyNames"], name)


def within(count: int, least: object, most: object) -> bool:
    """Whether a count keeps its bounds."""
    low = not isinstance(least, int | float) or count >= least
    return low and (not isinstance(most, int | float) or count <= most)


def tuple_of(schema: Schema) -> tuple[list[object], object]:
    """Return the schemas of the first items and that of all further ones."""
    if isinstance(schema.get("items"), list):
        return entries(schema["items"]), schema.get("additionalItems", {})
    return entries(schema.get("prefixItems")), schema.get("items", {})


def needed(schema: Schema, value: Schema) -> list[str]:
    """Return the names that must be there, some because others are."""
    names = [name for name in entries(schema.get("required")) if isinstance(name, str)]
    for key in ("dependentRequired", "dependencies"):
        for trigger, dependents in as_schema(schema.get(key)).items():
            if trigger in value or trigger in names:
                names += [name for name in entries(dependents) if isinstance(name, str)]
    return list(dict.fromkeys(names))


def parts_for(schema: Schema, name: str) -> list[object]:
    """Return all the schemas that the property of this name has to fit."""
    parts = [as_schema(schema.get("properties"))[name]] if _declared(schema, name) else []
    for pattern, part in as_schema(schema.get("patternProperties")).items():
        matcher = compiled(pattern)
        if matcher is not None and matcher.search(name[:200]):
            parts.append(part)
    return parts or [schema.get("additionalProperties", {})]


def _declared(schema: Schema, name: str) -> bool:
    return name in as_schema(schema.get("properties"))
