"""Numbers that fit a JSON Schema: any number is moved to the nearest that is allowed."""

import math
from collections.abc import Iterator
from fractions import Fraction

Number = int | float
Schema = dict[str, object]

_NEIGHBOURS = 60  # multiples to try around the nearest one
_BIGGEST = Fraction(10) ** 300


def is_number(value: object) -> bool:
    """Whether JSON Schema calls this a number: true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: object) -> bool:
    """Whether JSON Schema calls this an integer: 1.0 is one."""
    return is_number(value) and exact(value).denominator == 1


def exact(value: object) -> Fraction:
    """Return a number as it is written, free of binary rounding."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return Fraction(0)
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def number_fits(value: object, schema: Schema) -> bool:
    """Whether a number keeps the bounds and the step that a schema sets."""
    number = exact(value)
    (low, low_open), (high, high_open) = _lower(schema), _upper(schema)
    if low is not None and (number < low or (low_open and number == low)):
        return False
    if high is not None and (number > high or (high_open and number == high)):
        return False
    step = _step(schema)
    return step is None or (number % step == 0 and _divides(value, schema["multipleOf"]))


def fitted(wish: Number, schema: Schema, *, whole: bool, avoid: tuple[object, ...] = ()) -> Number:
    """Return the allowed number nearest to the wish, or the wish if none is found."""
    for candidate in _candidates(exact(wish), schema, whole=whole):
        value = _plain(candidate)
        if value is None or (whole and candidate.denominator != 1) or value in avoid:
            continue
        if number_fits(value, schema):
            return value
    return int(wish) if whole else wish


def _candidates(wish: Fraction, schema: Schema, *, whole: bool) -> Iterator[Fraction]:
    (low, _), (high, _) = _lower(schema), _upper(schema)
    near = wish
    if low is not None:
        near = max(near, low)
    if high is not None:
        near = min(near, high)
    step = _step(schema)
    if step is None and not whole:
        yield near
    # Steps first, from the nearest outwards; between narrow bounds then the middle.
    unit = step or Fraction(1)
    middle = round(near / unit)
    for distance in range(_NEIGHBOURS):
        yield (middle + distance) * unit
        yield (middle - distance) * unit
    if low is not None and high is not None:
        for part in range(1, _NEIGHBOURS):
            yield low + (high - low) * Fraction(part, _NEIGHBOURS)


def _plain(number: Fraction) -> Number | None:
    if abs(number) > _BIGGEST:
        return None
    return int(number) if number.denominator == 1 else float(number)


def _lower(schema: Schema) -> tuple[Fraction | None, bool]:
    return _bound(schema, "minimum", "exclusiveMinimum", lower=True)


def _upper(schema: Schema) -> tuple[Fraction | None, bool]:
    return _bound(schema, "maximum", "exclusiveMaximum", lower=False)


def _bound(
    schema: Schema, closed: str, opened: str, *, lower: bool
) -> tuple[Fraction | None, bool]:
    """Return a bound and whether it is itself forbidden (draft 4 says that by true)."""
    inner, outer = schema.get(closed), schema.get(opened)
    edge = exact(inner) if is_number(inner) else None
    if not is_number(outer):
        return edge, outer is True
    limit = exact(outer)
    if edge is None or limit == edge:
        return limit, True
    beyond = limit > edge if lower else limit < edge
    return (limit, True) if beyond else (edge, False)


def _step(schema: Schema) -> Fraction | None:
    step = schema.get("multipleOf")
    return exact(step) if is_number(step) and exact(step) > 0 else None


def _divides(value: object, step: object) -> bool:
    """Whether a validator that divides in binary floating point agrees, as some do."""
    if not isinstance(value, int | float) or not isinstance(step, int | float):
        return True
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        return float(value / step).is_integer()
    except OverflowError:
        return False
