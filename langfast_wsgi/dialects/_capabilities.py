"""What becomes of each field of a chat completion's body: one table.

By it ``chat/parse.py`` accepts, reports or refuses, ``/v1/models/{id}`` tells programs, and the
table in ``docs/openai-wire.md`` tells people.

* ``native``: it does what OpenAI says.
* ``emulated``: it does what OpenAI says; the gateway makes it of plain text.
* ``ignored``: it has no effect. The caller is told so, or refused where the operator wants that.
* ``rejected``: a 400, since an answer without it would not be what was asked for.

A value that asks for nothing (``idle``) is always taken, and so is null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

TEXT = "text"
MEDIA = ("image_url", "input_audio", "file")


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of a field, and a word on how."""

    how: Literal["native", "emulated", "ignored", "rejected"]
    note: str = ""
    idle: tuple[Any, ...] = ()


def _native(note: str = "") -> Treatment:
    return Treatment("native", note)


def _emulated(note: str) -> Treatment:
    return Treatment("emulated", note)


def _ignored(*idle: Any, note: str = "") -> Treatment:
    return Treatment("ignored", note, idle)


def _rejected(*idle: Any, note: str = "") -> Treatment:
    return Treatment("rejected", note, idle)


CHAT: Mapping[str, Treatment] = {
    "messages": _native("parts other than text for the models of `MEDIA_MODELS` alone"),
    "model": _native(),
    "temperature": _native(),
    "top_p": _native(),
    "frequency_penalty": _native(),
    "presence_penalty": _native(),
    "max_tokens": _native("as `max_completion_tokens`, which wins"),
    "max_completion_tokens": _native("the upstream's; where it overruns, the text is cut here"),
    "stream": _native(),
    "stream_options": _native("`include_usage`; nothing is ever obfuscated"),
    "n": _emulated("up to 8 runs side by side"),
    "stop": _emulated("up to 4, of 1,000 characters at the most"),
    "tools": _emulated("told in the prompt, read from the answer, checked; functions only"),
    "tool_choice": _emulated("enforced by what is told, and by asking again"),
    "parallel_tool_calls": _emulated("false: no call but the first counts"),
    "functions": _emulated("as `tools`; the answer has `function_call`"),
    "function_call": _emulated("as `tool_choice`"),
    "response_format": _emulated("told in the prompt, mended, checked, asked for again"),
    "logprobs": _rejected(False),
    "top_logprobs": _rejected(0),
    "modalities": _rejected([], ["text"], note="text alone"),
    "audio": _rejected({}),
    "web_search_options": _rejected(note="even an empty one asks for a search"),
    "moderation": _rejected({}),
    "seed": _ignored(),
    "logit_bias": _ignored({}),
    "prediction": _ignored({}),
    "reasoning_effort": _ignored(),
    "verbosity": _ignored(),
    "service_tier": _ignored("auto", "default"),
    "store": _ignored(False, note="nothing is stored"),
    "metadata": _ignored({}),
    "user": _ignored(),
    "safety_identifier": _ignored(),
    "prompt_cache_key": _ignored(),
    "prompt_cache_options": _ignored({}),
    "prompt_cache_retention": _ignored(),
}


def takes_media(model: str, media_models: tuple[str, ...]) -> bool:
    """Whether images, sounds and files are passed on to this model."""
    return any(fnmatchcase(model, pattern) for pattern in media_models)


def extension(model: str, media_models: tuple[str, ...]) -> dict[str, object]:
    """The same, for programs that ask what a model can do."""
    media = MEDIA if takes_media(model, media_models) else ()
    return {
        "chat_completions": {
            "parameters": {name: treatment.how for name, treatment in CHAT.items()},
            "content_parts": [TEXT, *media],
        }
    }
