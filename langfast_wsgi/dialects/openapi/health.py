"""The routes of ``health.py``, and of the document itself."""

from typing import Any

from langfast_wsgi.dialects.openapi.answers import JSON, answer, faults, guarded, ref
from langfast_wsgi.dialects.openapi.document import Part
from langfast_wsgi.errors import GatewayError

PATH = "/openapi.json"


def described() -> Part:
    """What operators and platforms ask for."""
    ready = {
        "200": answer("A run would find an account.", {JSON: ref("Readiness")}),
        "503": answer("It would not, or the process is about to end.", {JSON: ref("Readiness")}),
    }
    metrics = {
        "operationId": "metrics",
        "summary": "Metrics as Prometheus reads them.",
        "tags": ["health"],
        "responses": {
            "200": answer("The series of all workers.", {"text/plain": {"type": "string"}}),
            **guarded(),
        },
    }
    this = "This document."
    return Part(
        paths={
            "/": _open("root", "What this is.", _ok("Name, version, routes.", "Root")),
            "/healthz": _open("alive", "Whether the process answers.", _ok("It does.", "Alive")),
            "/readyz": _open("ready", "Whether a run would find an account.", ready),
            "/metrics": {"get": metrics},
            PATH: _open("document", this, {"200": answer(this, {JSON: {"type": "object"}})}),
        },
        schemas=_SCHEMAS,
    )


def _ok(description: str, schema: str) -> dict[str, Any]:
    return {"200": answer(description, {JSON: ref(schema)})}


def _open(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    """A GET that needs no key."""
    operation = {
        "operationId": name,
        "summary": summary,
        "tags": ["health"],
        "security": [],
        "responses": {**responses, **faults([GatewayError])},
    }
    return {"get": operation}


_COUNT = {"type": "integer", "minimum": 0}
_SCHEMAS: dict[str, Any] = {
    "Root": {
        "type": "object",
        "required": ["name", "version", "description", "documentation", "routes"],
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "description": {"type": "string"},
            "documentation": {"type": "string"},
            "routes": {"type": "array", "items": {"type": "string"}},
        },
    },
    "Alive": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string", "const": "ok"}},
    },
    "Readiness": {
        "type": "object",
        "required": ["status", "draining", "runs_in_flight"],
        "properties": {
            "status": {"type": "string", "enum": ["ready", "not ready"]},
            "draining": {"type": "boolean"},
            "runs_in_flight": _COUNT,
        },
        "additionalProperties": {
            "type": "object",
            "description": "Of an upstream, by its name: figures for the operator. More may come.",
            "additionalProperties": True,
            "required": ["credentials", "trouble"],
            "properties": {
                "credentials": {
                    "type": "object",
                    "description": "Accounts by state, and places taken.",
                    "additionalProperties": _COUNT,
                },
                "trouble": {
                    "description": "The code word of what ails it.",
                    "type": ["string", "null"],
                },
            },
        },
    },
}
