"""openai-python, blocking and not: first steps over each API that it speaks."""

from collections.abc import AsyncIterator
from typing import Any

from openai import AsyncOpenAI, OpenAI


def said(answer: Any) -> dict[str, Any]:
    """A chat completion, as first_steps wants it."""
    choice, usage = answer.choices[0], answer.usage
    return {
        "text": choice.message.content,
        "usage": [usage.prompt_tokens, usage.completion_tokens],
        "finish": choice.finish_reason,
    }


def asked(model: str, content: str) -> dict[str, Any]:
    """The fields of a request."""
    return {"model": model, "messages": [{"role": "user", "content": content}]}


class Blocking:
    blocks = True

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        self.sdk = OpenAI(base_url=base_url, api_key=key, max_retries=retries)

    async def ask(self, model: str, content: str) -> Any:
        return said(self.sdk.chat.completions.create(**asked(model, content)))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        with self.sdk.chat.completions.create(
            **asked(model, content), stream=True, stream_options={"include_usage": True}
        ) as chunks:
            pieces, finish, usage = [], None, None
            for chunk in chunks:
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    finish = choice.finish_reason or finish
                    if choice.delta.content:
                        pieces.append(choice.delta.content)
                        yield pieces[-1]
        yield {
            "text": "".join(pieces),
            "usage": [usage.prompt_tokens, usage.completion_tokens],
            "finish": finish,
        }


class StreamHelper:
    """``client.chat.completions.stream``, not blocking."""

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        self.sdk = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=retries)

    async def ask(self, model: str, content: str) -> Any:
        return said(await self.sdk.chat.completions.create(**asked(model, content)))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        async with self.sdk.chat.completions.stream(
            **asked(model, content), stream_options={"include_usage": True}
        ) as stream:
            async for event in stream:
                if event.type == "content.delta" and event.delta:
                    yield event.delta
            yield said(await stream.get_final_completion())


class Responses:
    """``client.responses``, not blocking."""

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        self.sdk = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=retries)

    async def ask(self, model: str, content: str) -> Any:
        return responded(await self.sdk.responses.create(model=model, input=content))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        async with self.sdk.responses.stream(model=model, input=content) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta" and event.delta:
                    yield event.delta
            yield responded(await stream.get_final_response())


def responded(response: Any) -> dict[str, Any]:
    """A response, as first_steps wants it."""
    return {
        "text": response.output_text,
        "usage": [response.usage.input_tokens, response.usage.output_tokens],
        "finish": response.status,
    }
