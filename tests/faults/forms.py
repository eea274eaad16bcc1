"""The forms in which the official SDKs can be asked for one text, in every dialect.

Each gives the text that its caller is left with, and what was said about how it ended.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import anthropic
import openai

from tests.faults.calls import MODEL

WHOLE_END = frozenset({"stop", "completed", "end_turn"})
Said: TypeAlias = tuple[str, list[str | None]]


@dataclass(frozen=True, slots=True)
class Clients:
    """Of one address, without retries of their own."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic


@contextmanager
def clients(port: int) -> Iterator[Clients]:
    """No connection is used twice: one that is closed meanwhile is another matter."""
    url = f"http://127.0.0.1:{port}"
    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_keepalive_connections=0)
    options: Any = {"api_key": "k", "max_retries": 0, "timeout": 60}
    with ExitStack() as stack:
        http = openai.DefaultHttpxClient(limits=limits, trust_env=False)
        other = anthropic.DefaultHttpxClient(limits=limits, trust_env=False)
        yield Clients(
            stack.enter_context(openai.OpenAI(base_url=f"{url}/v1", http_client=http, **options)),
            stack.enter_context(anthropic.Anthropic(base_url=url, http_client=other, **options)),
        )


def _messages(content: str) -> Any:
    return [{"role": "user", "content": content}]


def chat(to: Clients, content: str) -> Said:
    """Unstreamed."""
    answer = to.openai.chat.completions.create(model=MODEL, messages=_messages(content))
    choice = answer.choices[0]
    return choice.message.content or "", [choice.finish_reason]


def chat_streamed(to: Clients, content: str) -> Said:
    """Chunk by chunk."""
    text, reasons = "", list[str | None]()
    for chunk in to.openai.chat.completions.create(
        model=MODEL, messages=_messages(content), stream=True
    ):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
    return text, reasons


def completion(to: Clients, content: str) -> Said:
    """Unstreamed."""
    choice = to.openai.completions.create(model=MODEL, prompt=content).choices[0]
    return choice.text, [choice.finish_reason]


def completion_streamed(to: Clients, content: str) -> Said:
    """Chunk by chunk."""
    text, reasons = "", list[str | None]()
    for chunk in to.openai.completions.create(model=MODEL, prompt=content, stream=True):
        for choice in chunk.choices:
            text += choice.text
            reasons += [choice.finish_reason] if choice.finish_reason else []
    return text, reasons


def response(to: Clients, content: str) -> Said:
    """Unstreamed."""
    made = to.openai.responses.create(model=MODEL, input=content)
    return made.output_text, [made.status]


def response_events(to: Clients, content: str) -> Said:
    """Event by event."""
    text, ends = "", list[str | None]()
    for event in to.openai.responses.create(model=MODEL, input=content, stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
        elif event.type in ("response.completed", "response.incomplete", "response.failed"):
            is_same = event.response.output_text == text
            ends.append(event.response.status if is_same else "with another text")
    return text, ends


def response_stream(to: Clients, content: str) -> Said:
    """Put together by the SDK."""
    with to.openai.responses.stream(model=MODEL, input=content) as stream:
        made = stream.get_final_response()
    return made.output_text, [made.status]


def message(to: Clients, content: str) -> Said:
    """Unstreamed."""
    made = to.anthropic.messages.create(
        model=MODEL, messages=_messages(content), max_tokens=100_000, timeout=60
    )
    return _text_of(made), [made.stop_reason]


def message_events(to: Clients, content: str) -> Said:
    """Event by event: the SDK itself does not care how such a stream ends, a caller has to."""
    text, ends = "", list[str | None]()
    for event in to.anthropic.messages.create(
        model=MODEL, messages=_messages(content), max_tokens=100_000, stream=True
    ):
        if event.type == "content_block_delta":
            text += getattr(event.delta, "text", "")
        elif event.type == "message_delta":
            ends.append(event.delta.stop_reason)
    return text, ends


def message_stream(to: Clients, content: str) -> Said:
    """Put together by the SDK."""
    with to.anthropic.messages.stream(
        model=MODEL, messages=_messages(content), max_tokens=100_000
    ) as stream:
        made = stream.get_final_message()
    return _text_of(made), [made.stop_reason]


def _text_of(made: Any) -> str:
    return "".join(block.text for block in made.content if block.type == "text")


Form: TypeAlias = Callable[[Clients, str], Said]
CHAT: tuple[Form, ...] = (chat_streamed, chat)
NEWER: tuple[Form, ...] = (
    *(completion_streamed, completion),
    *(response_events, response_stream, response),
    *(message_events, message_stream, message),
)
FORMS = (*CHAT, *NEWER)
