"""pydantic models of request bodies to schemas of the document."""

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class RequestSchema(GenerateJsonSchema):
    """pydantic's own generator, taught what it cannot see, and less talkative."""

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """``Kind``: a choice by the JSON kind. A plain object is not looked into, but is one."""
        choices = [
            self.generate_inner(choice) or {"type": "object"}
            for choice in schema["choices"].values()
        ]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A default of null says no more than that null is allowed."""
        found = super().default_schema(schema)
        return {name: value for name, value in found.items() if (name, value) != ("default", None)}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's own name
        """A title that repeats the name tells nobody anything."""
        return False


def request_schemas(
    model: type[BaseModel],
    name: str,
    *,
    prefix: str,
    generator: type[RequestSchema] = RequestSchema,
) -> dict[str, Any]:
    """The model's schema under a name, and those that it is made of, by their prefixed names."""
    found = model.model_json_schema(
        ref_template=f"#/components/schemas/{prefix}{{model}}", schema_generator=generator
    )
    parts = {f"{prefix}{part}": schema for part, schema in found.pop("$defs", {}).items()}
    schemas = {name: found, **parts}
    for one, schema in schemas.items():
        schema["title"] = one
    if "``" in str(found.get("description")):
        found["description"] = re.sub("``", "`", found["description"])
    return schemas
