"""pydantic-ai: tools, output types in each of its ways, checks of its own, a conversation."""

from typing import Any

from asking import OLD, PERSON, QUESTION, YOUNG, Person, weather_in
from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from telling import BASE_URL, KEY, play, side_by_side, steer


def agent(model: str = "auto", over: Any = OpenAIChatModel, **settings: Any) -> Agent:
    sdk = AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
    return Agent(over(model, provider=OpenAIProvider(openai_client=sdk)), **settings)


async def round_trip(over: Any) -> Any:
    result = await agent(over=over, tools=[weather_in]).run(QUESTION)
    return {
        "output": result.output,
        "requests": result.usage.requests,
        "tool_calls": result.usage.tool_calls,
        "tokens": [result.usage.input_tokens, result.usage.output_tokens],
    }


@side_by_side
async def tools() -> Any:
    return await round_trip(OpenAIChatModel)


@side_by_side
async def responses_tools() -> Any:
    return await round_trip(OpenAIResponsesModel)


@side_by_side
async def tools_streamed() -> Any:
    async with agent(tools=[weather_in]).run_stream(QUESTION) as result:
        return [part async for part in result.stream_text(debounce_by=None)]


async def typed(output: Any, over: Any = OpenAIChatModel) -> Any:
    return dict((await agent(over=over, output_type=output).run(PERSON)).output)


@side_by_side
async def typed_by_tool() -> Any:
    return await typed(ToolOutput(Person))


@side_by_side
async def typed_natively() -> Any:
    return await typed(NativeOutput(Person))


@side_by_side
async def typed_by_prompt() -> Any:
    return await typed(PromptedOutput(Person))


@side_by_side
async def typed_by_responses() -> Any:
    return await typed(NativeOutput(Person), OpenAIResponsesModel)


@side_by_side
async def typed_streamed() -> Any:
    async with agent(output_type=NativeOutput(Person)).run_stream(PERSON) as result:
        return [dict(part) async for part in result.stream_output(debounce_by=None)]


@side_by_side
async def asked_again() -> Any:
    """The gateway takes the first answer, since it fits the schema; the agent does not."""
    helper = agent("echo", output_type=NativeOutput(Person), retries=1)

    @helper.output_validator
    def grown(person: Person) -> Person:
        if person.age < 18:
            raise ModelRetry("must be grown up")
        return person

    result = await helper.run(steer([YOUNG, OLD]))
    return {"person": dict(result.output), "requests": result.usage.requests}


@side_by_side
async def a_conversation() -> Any:
    helper = agent("echo", instructions="Be brief.")
    first = await helper.run("one")
    second = await helper.run("two", message_history=first.all_messages())
    return {"output": second.output, "messages": len(second.all_messages())}


play()
