"""A JSON Schema filled with the values of a prompt."""

from langfast_wsgi.emulator.obedient.arrays import array_for
from langfast_wsgi.emulator.obedient.checking import fits, is_kind, same
from langfast_wsgi.emulator.obedient.mentions import denied, mentioned, mentions
from langfast_wsgi.emulator.obedient.objects import object_for
from langfast_wsgi.emulator.obedient.quantities import fitted, is_number
from langfast_wsgi.emulator.obedient.schemas import Schema, alternatives, as_schema, entries
from langfast_wsgi.emulator.obedient.supply import Supply
from langfast_wsgi.emulator.obedient.wording import string_for

_ALLOWANCE = 20_000  # steps after which a schema is filled no further
_DEEP = 4  # nesting at which optional and recursive parts are left out
_DEEPEST = 40

_TELLING = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "patternProperties": "object",
    "minProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "contains": "array",
    "uniqueItems": "array",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}


def filled(schema: object, supply: Supply) -> object:
    """Return a value that fits a schema, made from what the prompt supplies."""
    return _Filler(schema, supply).fill(schema)


class _Filler:
    """Fills one schema; remembers how deep it is and how much work it has done."""

    def __init__(self, root: object, supply: Supply) -> None:
        self._root = root
        self._supply = supply
        self._steps = 0
        self._depth = 0

    @property
    def supply(self) -> Supply:
        return self._supply

    @property
    def deep(self) -> bool:
        return self._depth > _DEEP

    def fits(self, value: object, schema: object) -> bool:
        return fits(value, schema, self._root, self._spend)

    def plain(self, schema: object) -> Schema:
        first = self._alternatives(schema)[0]
        return first if "type" in first else {**first, "type": _kind(first)}

    def fill(self, schema: object, name: str = "", avoid: tuple[object, ...] = ()) -> object:
        if self._depth == _DEEPEST or not self._spend():
            return None
        self._depth += 1
        try:
            return self._first_fitting(schema, name, avoid)
        finally:
            self._depth -= 1

    def _first_fitting(self, schema: object, name: str, avoid: tuple[object, ...]) -> object:
        options = self._alternatives(schema)
        simple = len(options) == 1 and "not" not in options[0]
        start = self._supply.mark()
        values: list[object] = []
        for option in options:
            self._supply.reset(start)
            value = self._value(option, name, avoid)
            known = any(same(value, one) for one in avoid)
            if not known and (simple or self.fits(value, schema)):
                return value
            values.append(value)
        return self._other(schema, values, avoid)

    def _other(self, schema: object, values: list[object], avoid: tuple[object, ...]) -> object:
        """Try a few plain values where the obvious one is forbidden or taken."""
        if self._spend():
            for value in (*values, "other", 0, 1, 2, -1, 0.5, True, False, None, [], {}):
                taken = any(same(value, one) for one in avoid)
                if not taken and self.fits(value, schema):
                    return value
        return values[0]

    def _alternatives(self, schema: object) -> list[Schema]:
        found = alternatives(schema, self._root, self._spend, shallow=self.deep)
        return found or [as_schema(schema)]

    def _spend(self) -> bool:
        self._steps += 1
        return self._steps < _ALLOWANCE

    def _value(self, schema: Schema, name: str, avoid: tuple[object, ...]) -> object:
        """Fill a schema that has no combinations left."""
        if "const" in schema:
            return schema["const"]
        if entries(schema.get("enum")):
            return self._choice(schema, avoid)
        kind = schema.get("type")
        kind = kind if isinstance(kind, str) else _kind(schema)
        if kind == "object":
            return object_for(schema, self)
        if kind == "array":
            return array_for(schema, name, self)
        if kind in ("number", "integer"):
            return self._number(schema, name, avoid, whole=kind == "integer")
        if kind == "boolean":
            return self._truth(schema, name, avoid)
        return None if kind == "null" else string_for(schema, name, self._supply, avoid)

    def _choice(self, schema: Schema, avoid: tuple[object, ...]) -> object:
        """Return the allowed value that the prompt mentions, else the first."""
        rest = {key: value for key, value in schema.items() if key != "enum"}
        values = entries(schema["enum"])[:1000]
        allowed = [one for one in values if self.fits(one, rest)] or values
        fresh = [one for one in allowed if not any(same(one, old) for old in avoid)] or allowed
        exact = [one for one in fresh if one == self._supply.preferred]
        found = mentions(fresh, self._supply.text)
        return [*exact, *found, *fresh][0]

    def _number(
        self, schema: Schema, name: str, avoid: tuple[object, ...], *, whole: bool
    ) -> object:
        for spot, number in self._supply.numbers(name):
            if whole and isinstance(number, float) and not number.is_integer():
                continue
            self._supply.use(spot)
            return fitted(number, schema, whole=whole, avoid=avoid)
        default = schema.get("default")
        wish = default if is_number(default) and isinstance(default, int | float) else 1
        return fitted(wish, schema, whole=whole, avoid=avoid)

    def _truth(self, schema: Schema, name: str, avoid: tuple[object, ...]) -> bool:
        truth = not denied(name, self._supply.text)
        default = schema.get("default")
        if isinstance(default, bool) and mentioned([name], self._supply.text) is None:
            truth = default
        return not truth if truth in avoid else truth


def _kind(schema: Schema) -> str:
    """Guess the type of a schema that states none from what it says; else a string."""
    default = schema.get("default")
    if default is not None:
        kinds = ("boolean", "integer", "number", "string", "array", "object")
        return next(kind for kind in kinds if is_kind(default, kind))
    return next((kind for key, kind in _TELLING.items() if key in schema), "string")
