"""anthropic: first steps over the Messages API, blocking and not."""

from collections.abc import AsyncIterator
from typing import Any

from anthropic import Anthropic, AsyncAnthropic


def said(message: Any) -> dict[str, Any]:
    """A message, as first_steps wants it."""
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "usage": [message.usage.input_tokens, message.usage.output_tokens],
        "finish": message.stop_reason,
    }


def asked(model: str, content: str) -> dict[str, Any]:
    """The fields of a request."""
    messages = [{"role": "user", "content": content}]
    return {"model": model, "max_tokens": 1000, "messages": messages}


class Waiting:
    def __init__(self, base_url: str, key: str, retries: int) -> None:
        root = base_url.removesuffix("/v1")
        self.sdk = AsyncAnthropic(base_url=root, api_key=key, max_retries=retries)

    async def ask(self, model: str, content: str) -> Any:
        return said(await self.sdk.messages.create(**asked(model, content)))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        async with self.sdk.messages.stream(**asked(model, content)) as stream:
            async for text in stream.text_stream:
                yield text
            yield said(await stream.get_final_message())


class Blocking:
    """The key as a token: ``auth_token`` sends it as OpenAI's clients do."""

    blocks = True

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        root = base_url.removesuffix("/v1")
        self.sdk = Anthropic(base_url=root, auth_token=key, max_retries=retries)

    async def ask(self, model: str, content: str) -> Any:
        return said(self.sdk.messages.create(**asked(model, content)))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        with self.sdk.messages.stream(**asked(model, content)) as stream:
            for text in stream.text_stream:
                yield text
            yield said(stream.get_final_message())
