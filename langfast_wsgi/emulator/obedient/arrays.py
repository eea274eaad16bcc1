"""Arrays that fit a JSON Schema: as long as they must be, or as the prompt has values."""

from langfast_wsgi.emulator.obedient.checking import same, tuple_of
from langfast_wsgi.emulator.obedient.schemas import Schema
from langfast_wsgi.emulator.obedient.worker import Worker

_LONGEST = 200
_ENOUGH = 20  # items that the prompt's values may add by themselves
_KINDS = {
    "string": ("quoted", "proper"),
    "number": ("number",),
    "integer": ("number",),
    "object": ("quoted", "proper"),
}


def array_for(schema: Schema, name: str, worker: Worker) -> list[object]:
    """Fill an array: its fixed first items, then one item for each value that is left."""
    prefix, rest = tuple_of(schema)
    least, most = _bounds(schema)
    distinct = schema.get("uniqueItems") is True
    items: list[object] = []
    for part in prefix[:most]:
        items.append(worker.fill(part, name, tuple(items) if distinct else ()))
    if rest is not False:
        _extend(items, rest, name, worker, most=most, least=least, distinct=distinct)
    return _containing(items, schema, name, worker)[:most]


def _bounds(schema: Schema) -> tuple[int, int]:
    least, most = schema.get("minItems"), schema.get("maxItems")
    low = int(least) if isinstance(least, int | float) else 0
    high = int(most) if isinstance(most, int | float) else _LONGEST
    return min(low, _LONGEST), max(min(high, _LONGEST), 0)


def _extend(
    items: list[object],
    rest: object,
    name: str,
    worker: Worker,
    *,
    least: int,
    most: int,
    distinct: bool,
) -> None:
    """Add items until there are enough and the prompt has no more values for them."""
    target = _target(rest, worker, least - len(items)) + len(items)
    while len(items) < min(max(target, least), most):
        item = worker.fill(rest, name, tuple(items) if distinct else ())
        if distinct and any(same(item, one) for one in items) and len(items) >= least:
            break
        items.append(item)


def _target(rest: object, worker: Worker, least: int) -> int:
    """Return how many items the prompt's values suffice for; one if it has none."""
    if worker.deep:
        return max(least, 0)
    plain = worker.plain(rest)
    left = worker.supply.left(*_KINDS.get(str(plain.get("type")), ()))
    texts = {spot.text for spot in left}
    enum = plain.get("enum")
    if isinstance(enum, list):
        words = worker.supply.text.casefold()
        texts = {str(one) for one in enum if str(one).casefold() in words}
    share = 1
    if plain.get("type") == "object":
        share = max(1, _texts_in(plain, worker))
    return min(max(len(texts) // share, 1), _ENOUGH)


def _texts_in(schema: Schema, worker: Worker) -> int:
    """Count the strings that each object of an array will take from the prompt."""
    properties = schema.get("properties")
    parts = properties.values() if isinstance(properties, dict) else ()
    plains = [worker.plain(part) for part in parts]
    return sum(one.get("type") == "string" and "enum" not in one for one in plains)


def _containing(items: list[object], schema: Schema, name: str, worker: Worker) -> list[object]:
    """Put what the array must contain in front of the items that could be anything."""
    wanted = schema.get("contains")
    if not isinstance(wanted, dict):
        return items
    count = schema.get("minContains", 1)
    missing = int(count) if isinstance(count, int | float) else 1
    missing -= sum(worker.fits(item, wanted) for item in items)
    rest = tuple_of(schema)[1]
    both = {"allOf": [wanted, rest]} if isinstance(rest, dict) else wanted
    distinct = schema.get("uniqueItems") is True
    extra: list[object] = []
    for _ in range(min(missing, _LONGEST)):
        extra.append(worker.fill(both, name, (*items, *extra) if distinct else ()))
    least, _ = _bounds(schema)
    return [*items[: max(least - len(extra), 0)], *extra] if extra else items
