"""What the answers of all dialects have in common: headers, OpenAI's envelope, faults by status."""

import inspect
from collections.abc import Iterable
from typing import Any

from langfast_wsgi import errors
from langfast_wsgi.errors import BadRequest, GatewayError, NotAuthorised

JSON = "application/json"
EVENTS = "text/event-stream"

EVERYWHERE = ("x-request-id", "openai-version", "openai-processing-ms")
_AGAIN = ("x-should-retry", "Retry-After")
_OF_A_FAULT = {401: ("x-should-retry", "WWW-Authenticate"), 429: _AGAIN, 503: _AGAIN}

LIMITS = tuple(f"x-ratelimit-{one}-requests" for one in ("limit", "remaining", "reset"))
_COUNT = {"type": "integer", "minimum": 0}

HEADERS: dict[str, Any] = {
    "x-request-id": {
        "required": True,
        "description": "The caller's own `X-Request-Id` where it is a plain word, else a new one.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "openai-version": {"required": True, "schema": {"type": "string"}},
    "openai-processing-ms": {
        "required": True,
        "description": "Until the head of the answer was ready.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "x-should-retry": {
        "description": "Whether a retry may help; absent where the client's own rule decides.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    "Retry-After": {
        "description": "Seconds after which a retry may help; absent where nobody knows.",
        "schema": {"type": "integer", "minimum": 1},
    },
    **{
        f"x-ratelimit-{one}-requests": {"required": True, "description": said, "schema": schema}
        for one, said, schema in (
            ("limit", "How many runs the worker that answers takes at once.", _COUNT),
            ("remaining", "How many more it would take now; beyond them is a 503.", _COUNT),
            (
                "reset",
                "Until all runs of this moment have ended, at their pace of late: `1s`, `6m0s`.",
                {"type": "string", "pattern": "^([0-9]+m)?[0-9]+s$"},
            ),
        )
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}},
    "x-langfast-ignored-params": {
        "description": "Fields of the request that nobody acts on, joined by commas.",
        "schema": {"type": "string"},
    },
}

_WORD_OR_NULL = {"type": ["string", "null"]}
ERROR: dict[str, Any] = {
    "type": "object",
    "description": "Every failure, also in place of a stream's end.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {
                    "type": "string",
                    "enum": [
                        "invalid_request_error",
                        "rate_limit_error",
                        "insufficient_quota",
                        "server_error",
                        "timeout_error",
                    ],
                },
                "param": {"description": "The field that is at fault.", **_WORD_OR_NULL},
                "code": {"description": "A stable word.", **_WORD_OR_NULL},
            },
        }
    },
}


def ref(name: str) -> dict[str, str]:
    """A schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer(description: str, content: dict[str, Any], *headers: str) -> dict[str, Any]:
    """A response: schemas by media type, and the headers that it has beside the usual ones."""
    return {
        "description": description,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"} for name in (*EVERYWHERE, *headers)
        },
        "content": {media: {"schema": schema} for media, schema in content.items()},
    }


def every_fault() -> list[type[GatewayError]]:
    """What a route may answer that starts a run: the leaves of the tree, and its root."""
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    faults = [kind for kind in kinds if issubclass(kind, GatewayError)]
    parents = {base for kind in faults for base in kind.__bases__}
    return [*(kind for kind in faults if kind not in parents), GatewayError]


def guarded() -> dict[str, Any]:
    """What every route behind a key may answer."""
    said = "* `rate_limit_exceeded`: Too many wrong keys from one network."
    return {
        **faults([NotAuthorised, GatewayError]),
        "429": answer(said, {JSON: ref("Error")}, *_OF_A_FAULT[429]),
    }


def faults(kinds: Iterable[type[GatewayError]], envelope: str = "Error") -> dict[str, Any]:
    """Responses by status, described by the code words of the faults and what these mean."""
    said: dict[int, list[str]] = {}
    for kind in kinds:
        said.setdefault(kind.status, []).append(f"* {_meaning(kind)}")
    return {
        str(status): answer(
            "\n".join(said[status]),
            {JSON: ref(envelope)},
            *_OF_A_FAULT.get(status, ("x-should-retry",)),
        )
        for status in sorted(said)
    }


def _meaning(kind: type[GatewayError]) -> str:
    told = (inspect.getdoc(kind) or "").partition("\n")[0]
    return _TOLD.get(kind, f"`{kind.default_code}`: {told}")


# Where the classes speak to us rather than to callers.
_TOLD: dict[type[GatewayError], str] = {
    BadRequest: "`invalid_value`, `invalid_type`, … or null: A field is missing, of a wrong type or"
    " out of range, or the upstream refused the prompt.",
    GatewayError: "`internal_error`: The gateway failed. The fault is in its log.",
}
