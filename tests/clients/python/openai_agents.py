"""openai-agents: first steps with an agent."""

from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from openai import AsyncOpenAI


def said(result: Any) -> dict[str, Any]:
    """A run's end, as first_steps wants it; why the model stopped is nowhere to be found."""
    usage = result.context_wrapper.usage
    return {
        "text": result.final_output,
        "usage": [usage.input_tokens, usage.output_tokens],
        "finish": None,
    }


class Chat:
    over: Any = OpenAIChatCompletionsModel

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        self.sdk = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=retries)

    def agent(self, model: str) -> Agent:
        return Agent(
            name="Assistant",
            model=self.over(model, openai_client=self.sdk),
            model_settings=ModelSettings(include_usage=True),
        )

    async def ask(self, model: str, content: str) -> Any:
        return said(await Runner.run(self.agent(model), content))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        result = Runner.run_streamed(self.agent(model), content)
        try:
            async for event in result.stream_events():
                if (
                    event.type == "raw_response_event"
                    and event.data.type == "response.output_text.delta"
                ):
                    yield event.data.delta
        finally:
            result.cancel()
        yield said(result)


class Responses(Chat):
    over = OpenAIResponsesModel
