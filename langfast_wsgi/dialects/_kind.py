"""A choice among types by the JSON kind of the value, for declaring request bodies.

A plain pydantic union reports an error for each of its members. ``Kind`` reports a value of another
kind in one sentence, and otherwise only what is wrong within the member that the value belongs to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

WRONG_KIND = "wrong_kind"

# pydantic adds the chosen member to an error's path. No field has such a name.
_STEPS: Mapping[type, str] = {str: "|string", list: "|array", dict: "|object"}
STEPS = frozenset(_STEPS.values())


@dataclass(frozen=True, slots=True)
class Kind:
    """Annotates a type or a union; ``expected`` says in an error what the value should have been.

    Plain objects (``dict``) are not looked into, hence never copied.
    """

    expected: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        if _step(source) is None:
            choices = {_step(one): handler.generate_schema(one) for one in get_args(source)}
        elif get_origin(source) is dict:
            choices = {_step(source): core_schema.any_schema()}
        else:
            # Whatever was annotated before this one (a length, say) is kept.
            choices = {_step(source): handler(source)}
        return core_schema.tagged_union_schema(
            choices,
            discriminator=lambda value: _STEPS.get(type(value)),
            custom_error_type=WRONG_KIND,
            custom_error_message="of another JSON kind",
            custom_error_context={"expected": self.expected},
        )


def _step(declared: Any) -> str | None:
    """The step of one type; None for a union of several."""
    origin = get_origin(declared)
    if origin is Annotated:
        return _step(get_args(declared)[0])
    if origin is Literal:
        return _STEPS[str]
    plain = origin or declared
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return _STEPS[dict]
    return _STEPS.get(plain)
