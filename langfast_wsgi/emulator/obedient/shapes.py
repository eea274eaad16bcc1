"""What tells a JSON Schema from other JSON objects."""

from collections.abc import Iterator

_TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean", "null"))
_WRAPPERS = ("response_format", "json_schema", "format", "schema")
_DEEPEST = 4


def is_schema(value: object) -> bool:
    """Whether an object has what only a JSON Schema has."""
    if not isinstance(value, dict):
        return False
    return any(test for test in _signs(value))


def _signs(value: dict[str, object]) -> Iterator[bool]:
    kind = value.get("type")
    yield isinstance(kind, str) and kind in _TYPES
    yield _are(kind, str) and _TYPES.issuperset(kind if isinstance(kind, list) else ())
    yield isinstance(value.get("properties"), dict)
    yield any(isinstance(value.get(key), str) for key in ("$ref", "$schema"))
    yield any(_are(value.get(key), dict) for key in ("anyOf", "oneOf", "allOf"))
    yield bool(value.get("enum")) and isinstance(value.get("enum"), list)
    yield "const" in value


def _are(value: object, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, kind) for one in value)


def unwrapped(value: object, depth: int = 0) -> dict[str, object] | None:
    """Return the schema that a document is or wraps, as {"name", "schema", "strict"} does."""
    if not isinstance(value, dict):
        return None
    for key in _WRAPPERS:
        inner = value.get(key)
        if isinstance(inner, dict) and depth < _DEEPEST:
            schema = unwrapped(inner, depth + 1)
            if schema is not None:
                return schema
    if is_schema(value):
        return value
    # Within a wrapper an empty schema is one too: it allows everything.
    return value if depth and not value else None
