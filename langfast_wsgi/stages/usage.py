"""Counts what a run used, behind its end.

The upstream tells no usage, so it is counted as OpenAI's cookbook counts chat messages: three
tokens frame each message and three open the answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Pause, Replaced, Text, Usage
from langfast_wsgi.stages.tokenizer import count

PER_MESSAGE = 3
PER_NAME = 1
PER_ANSWER = 3


def counted(
    events: Iterator[Event], messages: Sequence[Mapping[str, Any]], prompt: int | None = None
) -> Iterator[Event]:
    """The same events, and Usage behind the end. ``prompt``: its tokens, if they are known."""
    parts: list[str] = []
    for event in events:
        yield event
        if isinstance(event, Text | CallArguments):
            parts.append(event.delta)
        elif isinstance(event, Pause):
            continue
        elif isinstance(event, Replaced):
            parts = [event.text]
        elif isinstance(event, CallBegun):
            parts.append(event.name)
        elif isinstance(event, Refused):
            parts.append(event.text)
        elif isinstance(event, Finished):
            asked = prompt_tokens(messages) if prompt is None else prompt
            yield Usage(asked, count("".join(parts)))


def prompt_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """Tokens of the messages, as they would be framed for a chat model."""
    return PER_ANSWER + sum(_message(message) for message in messages)


def _message(message: Mapping[str, Any]) -> int:
    tokens = PER_MESSAGE
    for key, value in message.items():
        if value is None:
            continue
        tokens += count(_text(value))
        if key == "name":
            tokens += PER_NAME
    return tokens


def _text(value: object) -> str:
    """The text in a message's field: a string, content parts, or anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        texts = [part["text"] for part in value if isinstance(part.get("text"), str)]
        if texts:
            return "".join(texts)
    return orjson.dumps(value).decode()
