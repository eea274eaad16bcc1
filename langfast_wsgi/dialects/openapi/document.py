"""Parts to one document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langfast_wsgi import __version__
from langfast_wsgi.dialects.openapi.answers import ERROR, HEADERS

Json: TypeAlias = dict[str, Any]

VERSION = "3.1.0"
KEY = "key"  # the names of the two ways to show who calls
API_KEY = "x-api-key"


@dataclass(frozen=True, slots=True)
class Part:
    """Path items by path, and schemas by name. Names are shared by all parts: prefix them."""

    paths: Mapping[str, Json]
    schemas: Mapping[str, Json] = field(default_factory=dict)


def document(parts: Iterable[Part], *, keyed: bool) -> Json:
    """The whole document. ``keyed``: callers need a key. Raises ValueError for a name twice."""
    paths: Json = {}
    schemas: Json = {"Error": ERROR}
    for part in parts:
        for path, item in part.paths.items():
            _add(paths.setdefault(path, {}), item)
        _add(schemas, part.schemas)
    return {
        "openapi": VERSION,
        "info": {
            "title": "langfast_wsgi",
            "version": __version__,
            "description": "The APIs of OpenAI and Anthropic in front of a prompt runner.",
        },
        "security": [*([] if keyed else [{}]), {KEY: []}, {API_KEY: []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": HEADERS,
            "securitySchemes": {
                KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of the keys in `API_MASTER_KEY`.",
                },
                API_KEY: {
                    "type": "apiKey",
                    "in": "header",
                    "name": API_KEY,
                    "description": "The same, as Anthropic's clients send it.",
                },
            },
        },
    }


def _add(all_of_them: Json, more: Mapping[str, Any]) -> None:
    twice = all_of_them.keys() & more.keys()
    if twice:
        raise ValueError(f"described twice: {', '.join(sorted(twice))}")
    all_of_them.update(more)
