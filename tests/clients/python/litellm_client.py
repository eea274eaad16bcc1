"""litellm as a client: first steps with completion and acompletion."""

from collections.abc import AsyncIterator
from typing import Any

import litellm

# It shows advertisements beside its exceptions.
litellm.suppress_debug_info = True


def said(answer: Any) -> dict[str, Any]:
    """An answer, or one rebuilt from chunks, as first_steps wants it."""
    return {
        "text": answer.choices[0].message.content,
        "usage": [answer.usage.prompt_tokens, answer.usage.completion_tokens],
        "finish": answer.choices[0].finish_reason,
    }


class Waiting:
    """``acompletion``."""

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        self.settings: dict[str, Any] = {
            "api_base": base_url,
            "api_key": key,
            "max_retries": retries,
        }

    def asked(self, model: str, content: str) -> dict[str, Any]:
        """What a call is given."""
        messages = [{"role": "user", "content": content}]
        return {"model": f"openai/{model}", "messages": messages, **self.settings}

    async def ask(self, model: str, content: str) -> Any:
        return said(await litellm.acompletion(**self.asked(model, content)))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        stream = await litellm.acompletion(
            **self.asked(model, content), stream=True, stream_options={"include_usage": True}
        )
        chunks = []
        try:
            async for chunk in stream:
                chunks.append(chunk)
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content
        finally:
            await stream.aclose()
        yield said(litellm.stream_chunk_builder(chunks))


class Blocking(Waiting):
    """``completion``."""

    blocks = True

    async def ask(self, model: str, content: str) -> Any:
        return said(litellm.completion(**self.asked(model, content)))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        stream = litellm.completion(
            **self.asked(model, content), stream=True, stream_options={"include_usage": True}
        )
        chunks = []
        try:
            for chunk in stream:
                chunks.append(chunk)
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content
        finally:
            # It has no close of its own.
            stream.completion_stream.close()
        yield said(litellm.stream_chunk_builder(chunks))
