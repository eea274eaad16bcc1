"""Objects that fit a JSON Schema: what is required, and what the prompt has values for."""

from langfast_wsgi.emulator.obedient.checking import needed, parts_for
from langfast_wsgi.emulator.obedient.mentions import mentioned
from langfast_wsgi.emulator.obedient.patterns import examples
from langfast_wsgi.emulator.obedient.schemas import Schema, as_schema
from langfast_wsgi.emulator.obedient.supply import is_naming
from langfast_wsgi.emulator.obedient.worker import Worker

_MOST = 300  # properties
_CONTAINERS = ("object", "array")
_SCALARS = ("string", "number", "integer", "boolean")
_TEXTS = ("quoted", "email", "uri", "uuid", "date", "date-time", "time", "ipv4")


def object_for(schema: Schema, worker: Worker) -> dict[str, object]:
    """Fill an object, the properties in the order in which the schema has them."""
    declared = [name for name in as_schema(schema.get("properties")) if isinstance(name, str)]
    required = needed(schema, {})
    values: dict[str, object] = {}
    for name in sorted(required, key=lambda name: _rank(schema, name, worker))[:_MOST]:
        values[name] = worker.fill(_part(schema, name), name)
    optional = [name for name in declared if name not in values][:_MOST]
    if not worker.deep:
        _offered(values, optional, schema, worker, free=not required)
    _dependents(values, schema, worker)
    _enough(values, optional, schema, worker)
    order = [*declared, *values]
    return {name: values[name] for name in dict.fromkeys(order) if name in values}


def _part(schema: Schema, name: str) -> object:
    parts = parts_for(schema, name)
    return parts[0] if len(parts) == 1 else {"allOf": parts}


def _rank(schema: Schema, name: str, worker: Worker) -> int:
    """Names choose first, and containers last, since they would take all that is left."""
    kind = worker.plain(_part(schema, name)).get("type")
    if kind in _CONTAINERS:
        return 3 if kind == "array" else 2
    return 0 if is_naming(name) else 1


def _offered(
    values: dict[str, object], optional: list[str], schema: Schema, worker: Worker, *, free: bool
) -> None:
    """Add the optional properties for which the prompt has something.

    free: nothing is required, so that the first property is as good as required.
    """
    for name in sorted(optional, key=lambda name: _rank(schema, name, worker)):
        part = _part(schema, name)
        if not _holds(part, name, worker, generous=free):
            continue
        _try(values, name, part, worker)
    if free and not values:
        plains = ((name, worker.plain(_part(schema, name))) for name in optional)
        first = next((name for name, plain in plains if plain.get("type") in _SCALARS), None)
        if first is not None:
            _try(values, first, _part(schema, first), worker)


def _try(values: dict[str, object], name: str, part: object, worker: Worker) -> None:
    mark = worker.supply.mark()
    value = worker.fill(part, name)
    if worker.fits(value, part):
        values[name] = value
    else:
        worker.supply.reset(mark)


def _holds(part: object, name: str, worker: Worker, *, generous: bool) -> bool:
    """Whether the prompt holds something for an optional property."""
    plain, supply = worker.plain(part), worker.supply
    kind = plain.get("type")
    if "const" in plain:
        return False
    enum = plain.get("enum")
    if isinstance(enum, list):
        return mentioned(enum, supply.text) is not None
    if kind in ("number", "integer"):
        return bool(supply.left("number"))
    if kind == "boolean":
        return mentioned([name], supply.text) is not None
    if kind == "array" and isinstance(plain.get("items"), dict):
        return not worker.deep and _scalar(plain["items"], name, worker)
    return kind == "string" and _text_left(name, worker, generous=generous)


def _scalar(items: object, name: str, worker: Worker) -> bool:
    plain = worker.plain(items)
    nested = plain.get("type") in _CONTAINERS or plain.get("type") == "boolean"
    return not nested and _holds(plain, name, worker, generous=False)


def _text_left(name: str, worker: Worker, *, generous: bool) -> bool:
    """Quoted words count as meant for something; names only where a name is wanted."""
    supply = worker.supply
    if supply.left("quoted") or supply.labelled(name, "proper", "leading", "code"):
        return True
    if generous or is_naming(name):
        return bool(supply.left("proper", "leading" if generous else "proper"))
    hinted = next(supply.strings(name), None)
    return hinted is not None and hinted.kind in _TEXTS and hinted in supply.left(*_TEXTS)


def _dependents(values: dict[str, object], schema: Schema, worker: Worker) -> None:
    for _ in range(4):  # those that are added may have dependents of their own
        missing = [name for name in needed(schema, values) if name not in values]
        for name in missing[:_MOST]:
            values[name] = worker.fill(_part(schema, name), name)


def _enough(values: dict[str, object], optional: list[str], schema: Schema, worker: Worker) -> None:
    """Add properties until there are as many as the schema demands."""
    wanted = schema.get("minProperties")
    least = min(int(wanted), _MOST) if isinstance(wanted, int | float) else 0
    names = [name for name in optional if name not in values]
    names += [text for one in as_schema(schema.get("patternProperties")) for text in examples(one)]
    naming = as_schema(schema.get("propertyNames"))
    names += [str(worker.fill({"type": "string", **naming}, "key"))] if naming else []
    names += [f"key{number}" for number in range(1, least + 1)]
    for name in names:
        if len(values) >= least:
            return
        if name not in values and worker.fits(name, naming):
            values[name] = worker.fill(_part(schema, name), name)
