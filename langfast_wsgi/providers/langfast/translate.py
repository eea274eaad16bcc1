"""Pure translation: a request to the upstream's payload, its frames to updates, text to events.

The wire is described in ``docs/upstream.md``.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from langfast_wsgi.conversation.events import FINISH_REASONS, Bell, Event, Replaced, Text
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import GatewayError, RunFailed
from langfast_wsgi.observe.logs import mask
from langfast_wsgi.providers.langfast.inbox import Update
from langfast_wsgi.providers.langfast.increments import Bytes
from langfast_wsgi.providers.langfast.refused_prompt import message_of, refused_prompt

RUNNING = "in_progress"
COMPLETED = "completed"
FAILURES = frozenset({"failed", "failure", "error", "cancelled", "canceled", "timeout"})

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_REPLACEMENT = "\ufffd"


def payload(
    request: RunRequest, *, run_id: str, prompt_id: str, user_id: str
) -> Mapping[str, object]:
    """The body that starts a run. The upstream always streams; we decide how we answer."""
    return {
        "run_id": run_id,
        "prompt_id": prompt_id,
        "prompt_meta": {
            "model": request.model,
            "messages": request.messages,
            "temperature": _or(request.temperature, 0.7),
            "top_p": _or(request.top_p, 1),
            "frequency_penalty": _or(request.frequency_penalty, 0),
            "presence_penalty": _or(request.presence_penalty, 0),
            "max_completion_tokens": _or(request.max_completion_tokens, 16384),
            "response_format": "text",
            "stream": True,
        },
        "test_cases": [],
        "created_by": user_id,
    }


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def chunk(argument: object) -> Update | None:
    """The argument of an ``execution:chunk`` event; None where it has no meaning for us.

    An object, a JSON text of that object, or plain text: then that is the whole text so far.
    """
    if isinstance(argument, dict):
        return _read(argument)
    if isinstance(argument, bytes):
        argument = _decoded(argument)
    if not isinstance(argument, str):
        return None
    found = _object_in(argument)
    return Update(None, argument) if found is None else _read(found)


_JOB_ID = re.compile(rb'\["execution:chunk",\{"executionId":"([\w.:-]+)",')


def job_id_of(event: Bytes, begin: int = 0) -> str | None:
    """The id in the JSON of a chunk frame, where it stands first, as it does on the known wire.

    None means nothing but that the frame has to be decoded to know.
    """
    found = _JOB_ID.match(event, begin)
    return found[1].decode() if found else None


def completion_finished(argument: object) -> Update:
    """The argument of a ``completion_finished`` event: the end, and perhaps a last text."""
    found = _json_object(argument) if isinstance(argument, str) else argument
    if not isinstance(found, dict):
        return Update(None, None, finish_reason(None))
    update = _read(found)
    if update.ending is None:
        update.ending = finish_reason(found.get("finish_reason"))
    return update


def loads(text: str | bytes) -> Any:
    """JSON as the runner may write it: with lone surrogates, which the fast decoder refuses.

    Raises ValueError.
    """
    try:
        return orjson.loads(text)
    except ValueError:  # also for a str with a lone surrogate of its own
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("nested too deep") from None


def _json_object(text: str) -> dict[str, Any] | None:
    if text.lstrip()[:1] != "{":
        return None
    try:
        found = loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _object_in(text: str) -> dict[str, Any] | None:
    """The runner's own object in a JSON text; a model may well write JSON that is none."""
    found = _json_object(text)
    if found is None or not isinstance(found.get("status"), str):
        return None
    return found if "content" in found or "executionId" in found else None


def _read(found: dict[str, Any]) -> Update:
    job_id = found.get("executionId")
    content = found.get("content")
    if isinstance(content, bytes):
        content = _decoded(content)
    status = found.get("status")
    update = Update(
        job_id if isinstance(job_id, str) and job_id else None,
        content if isinstance(content, str) else None,
    )
    if status == RUNNING or not isinstance(status, str):
        return update
    if status == COMPLETED:
        update.ending = finish_reason(found.get("finish_reason"))
    elif status in FAILURES:
        update.ending = _failure(status, found)
    else:
        update.odd_status = status
    return update


def _failure(status: str, found: dict[str, Any]) -> GatewayError:
    words = clean(message_of(found))
    ended = f"{status}: {words}" if words else f"ended as {status}."
    failed = RunFailed(f"The upstream says that the run {ended}")
    return refused_prompt(found, words) or failed


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def finish_reason(value: object) -> str:
    """One of OpenAI's finish reasons; anything else counts as ``stop``."""
    return value if isinstance(value, str) and value in FINISH_REASONS else "stop"


def clean(text: str, limit: int = 500) -> str:
    """Upstream's words, fit for a caller: one line, no secrets or control characters, cut."""
    text = mask(text[: limit * 10])[: limit * 2]
    text = _SURROGATE.sub(_REPLACEMENT, _CONTROL.sub(" ", text)).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


class Growth:
    """Cumulative text to deltas, exact for every Unicode text.

    A runner in JavaScript may cut between the two halves of a surrogate pair; the half arrives as a
    lone surrogate and is replaced by the whole character in the next event. So a trailing high half
    is held back until more text or the end comes. Any other lone half can never become whole and is
    U+FFFD at once. ``bell`` is where the next text is waited for.
    """

    __slots__ = ("_bell", "_held", "_seen")

    def __init__(self, bell: Bell | None = None) -> None:
        self._seen = ""
        self._held = False
        self._bell = bell

    def advance(self, text: str, *, final: bool = False) -> Event | None:
        """The event that this text so far amounts to; None where it holds nothing new."""
        held = not final and "\ud800" <= text[-1:] <= "\udbff"
        if held:
            text = text[:-1]
        seen = self._seen
        if len(text) < len(seen) or (text == seen and self._held):
            return None  # late text, never a reset
        self._held = held
        if text.startswith(seen):
            new = text[len(seen) :]
            self._seen = text
            if not new:
                return None
            if not new.isascii():
                new = _whole(new)
            return Text(new, True) if final else Text(new, False, self._bell)
        self._seen = text
        return Replaced(_whole(text))

    def finish(self) -> Event | None:
        """The end came without a text of its own: what was held back comes out."""
        return Text(_REPLACEMENT, last=True) if self._held else None


def _whole(text: str) -> str:
    return _SURROGATE.sub(_REPLACEMENT, text)
