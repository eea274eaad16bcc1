"""What the checks say to a model, and what is shown of its answers."""

import json
from collections.abc import Mapping
from typing import Any

from langfast_wsgi.observe.logs import one_line

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it runs back to the old mill."
SHOWN = 160  # characters of what was seen


def user(content: object) -> dict[str, Any]:
    """A message of the user's."""
    return {"role": "user", "content": content}


GREETING = (user("Say hello in one word."),)


def repeat(text: str) -> str:
    """For a model with a will of its own."""
    return f"Repeat the following text exactly, and say nothing else:\n{text}"


def steering(text: str, **reply: Any) -> str:
    """For the emulator: see docs/emulator.md."""
    return json.dumps({"text": text, **reply})


def encoded(body: object) -> bytes:
    """A body as JSON."""
    return json.dumps(body).encode()


def shown(value: object, key: str | None) -> str:
    """What was seen, in one short line without the key in it."""
    if isinstance(value, set):
        value = sorted(value)
    if isinstance(value, str):
        text = value
    elif isinstance(value, dict | list | tuple | bool | float) or value is None:
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    if key:
        text = text.replace(key, "***")
    return one_line(text, SHOWN)


def described(body: object) -> str:
    """A request in a few words: what is special about it."""
    if isinstance(body, dict) and len(body) > 1:
        body = {name: value for name, value in body.items() if value is not GREETING}
    return one_line(json.dumps(body, default=repr), SHOWN // 2)


def named(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The headers whose names begin so, in lower case."""
    return {
        name.lower(): value for name, value in headers.items() if name.lower().startswith(prefix)
    }
