"""The response object: as it begins, as it ends, and the items that it is made of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from langfast_wsgi.conversation.events import Usage
from langfast_wsgi.conversation.fold import Completion
from langfast_wsgi.dialects.responses.ids import item_id
from langfast_wsgi.dialects.responses.parse import ResponsesRequest

Json: TypeAlias = dict[str, Any]
Clock: TypeAlias = Callable[[], float]

# What comes back as it was sent. A body may hold a million other fields.
_ECHOED = (
    *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls"),
    *("previous_response_id", "prompt_cache_key", "safety_identifier", "temperature", "text"),
    *("tool_choice", "tools", "top_p", "user"),
)
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def begun(asked: ResponsesRequest, response_id: str, created: int, mark: str | None) -> Json:
    """A response in progress: what was asked, in the words in which it was asked.

    What has no effect is told as what holds in its place. ``mark`` names an upstream that is none.
    """
    given = {name: asked.body[name] for name in _ECHOED if asked.body.get(name) is not None}
    return {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": given.get("instructions"),
        "max_output_tokens": given.get("max_output_tokens"),
        "max_tool_calls": given.get("max_tool_calls"),
        "model": asked.run.model,
        "output": [],
        "parallel_tool_calls": given.get("parallel_tool_calls", True),
        "previous_response_id": given.get("previous_response_id"),
        "prompt_cache_key": given.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": given.get("safety_identifier"),
        "service_tier": "default",
        "store": asked.store,
        "temperature": given.get("temperature"),
        "text": {"format": _format(given.get("text") or {}), "verbosity": "medium"},
        "tool_choice": given.get("tool_choice", "auto"),
        "tools": [_tool(tool) for tool in given.get("tools", ())],
        "top_logprobs": 0,
        "top_p": given.get("top_p"),
        "truncation": "disabled",
        "usage": None,
        "user": given.get("user"),
        "metadata": given.get("metadata", {}),
        **({"system_fingerprint": mark} if mark else {}),
    }


def ended(
    response: Json, output: Sequence[Json], reason: str, usage: Usage | None, now: Clock
) -> Json:
    """The response at its end; ``reason`` is the run's finish reason."""
    lack = _INCOMPLETE.get(reason)
    return {
        **response,
        "status": status_of(reason),
        "completed_at": None if lack else int(now()),
        "incomplete_details": {"reason": lack} if lack else None,
        "output": list(output),
        "usage": usage and _usage(usage),
    }


def whole(response: Json, completion: Completion, now: Clock) -> Json:
    """An unstreamed response."""
    reason, calls = completion.finish_reason, completion.calls
    parts = [] if completion.refusal is None else [refusal_part(completion.refusal)]
    if completion.text or not (calls or parts):
        parts.insert(0, text_part(completion.text))
    status = "completed" if calls else status_of(reason)
    output = [
        message(item_id("msg", response["id"], index), part, status)
        for index, part in enumerate(parts)
    ]
    output += [
        call(item_id("fc", response["id"], index), one.id, one.name, one.arguments, "completed")
        for index, one in enumerate(calls, len(output))
    ]
    return ended(response, output, reason, completion.usage, now)


def status_of(reason: str) -> str:
    """Whether an answer that ended so is whole."""
    return "incomplete" if reason in _INCOMPLETE else "completed"


def text_part(text: str) -> Json:
    """Text in a message."""
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def refusal_part(text: str) -> Json:
    """Words in place of what was asked for."""
    return {"type": "refusal", "refusal": text}


def message(identity: str, part: Json | None, status: str) -> Json:
    """A message of the model's; without a part it has only begun."""
    return {
        "id": identity,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [part] if part else [],
    }


def call(identity: str, call_id: str, name: str, arguments: str, status: str) -> Json:
    """A call of a function."""
    return {
        "id": identity,
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": call_id,
        "name": name,
    }


def _usage(usage: Usage) -> Json:
    """Token counts as this API names them. Nothing is cached, and no reasoning is counted."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _format(text: Mapping[str, Any]) -> Json:
    wanted = text.get("format") or {"type": "text"}
    if wanted["type"] != "json_schema":
        return {"type": wanted["type"]}
    return {"description": None, "strict": True, **_of(wanted, "type", "name", "schema", *_SAID)}


def _tool(tool: Mapping[str, Any]) -> Json:
    told = _of(tool, "type", "name", "parameters", *_SAID)
    return {"description": None, "parameters": None, "strict": True, **told}


_SAID = ("description", "strict")


def _of(given: Mapping[str, Any], *names: str) -> Json:
    return {name: given[name] for name in names if given.get(name) is not None}
