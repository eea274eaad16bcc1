"""pydantic-ai: first steps with an agent."""

from collections.abc import AsyncIterator
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider


def said(text: str, result: Any) -> dict[str, Any]:
    """A run's end, as first_steps wants it."""
    return {
        "text": text,
        "usage": [result.usage.input_tokens, result.usage.output_tokens],
        "finish": result.response.finish_reason,
    }


class Chat:
    over: Any = OpenAIChatModel

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        sdk = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=retries)
        self.provider: Any = OpenAIProvider(openai_client=sdk)

    def agent(self, model: str) -> Agent:
        return Agent(self.over(model, provider=self.provider), retries=0)

    async def ask(self, model: str, content: str) -> Any:
        result = await self.agent(model).run(content)
        return said(result.output, result)

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        pieces = []
        async with self.agent(model).run_stream(content) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                pieces.append(piece)
                yield piece
            yield said("".join(pieces), result)


class Responses(Chat):
    over = OpenAIResponsesModel


class Messages(Chat):
    """Over Anthropic's API."""

    over = AnthropicModel

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        root = base_url.removesuffix("/v1")
        sdk = AsyncAnthropic(base_url=root, api_key=key, max_retries=retries)
        self.provider = AnthropicProvider(anthropic_client=sdk)
