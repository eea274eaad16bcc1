"""A choice among models by a field named ``type``.

A union of pydantic's own would report an error for each of its members, and put the chosen member's
name into every path. This says only what is wrong within the member that the value names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from langfast_wsgi.dialects._kind import WRONG_KIND
from langfast_wsgi.dialects._validation import fault


@dataclass(frozen=True, eq=False)  # an annotation has to have a hash
class ByType:
    """Annotates a value as one of these models, by its type.

    ``untyped`` are those that a value without a type may be, in this order: the first whose field
    it has.
    """

    models: Mapping[str, type[BaseModel]]
    untyped: Mapping[str, type[BaseModel]] | None = None

    def __get_pydantic_core_schema__(self, source: Any, _: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._chosen)

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        every = dict.fromkeys([*self.models.values(), *(self.untyped or {}).values()])
        schemas = [handler(model.__pydantic_core_schema__) for model in every]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _chosen(self, value: Any) -> BaseModel:
        if type(value) is not dict:
            raise fault(WRONG_KIND, value=value, expected="an object")
        return self._model(value).model_validate(value)

    def _model(self, value: dict[str, Any]) -> type[BaseModel]:
        kind = value.get("type")
        if kind is None:
            for field, model in (self.untyped or {}).items():
                if field in value:
                    return model
            raise fault("missing", "type", value=value)
        if not isinstance(kind, str):
            raise fault(WRONG_KIND, "type", value=kind, expected="a string")
        if kind not in self.models:
            expected = ", ".join(repr(name) for name in self.models)
            raise fault("literal_error", "type", value=kind, expected=expected)
        return self.models[kind]
