"""openai-agents: tools, events, an output type, a handoff."""

from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from asking import PERSON, QUESTION, Person, weather_in
from openai import AsyncOpenAI
from telling import BASE_URL, KEY, play, side_by_side, steer

get_weather = function_tool(weather_in, name_override="get_weather")


def agent(
    model: str = "auto", over: Any = OpenAIChatCompletionsModel, name: str = "A", **settings: Any
) -> Agent:
    sdk = AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
    return Agent(name=name, model=over(model, openai_client=sdk), **settings)


async def round_trip(over: Any) -> Any:
    result = await Runner.run(agent(over=over, tools=[get_weather]), QUESTION)
    return {
        "output": result.final_output,
        "items": [item.type for item in result.new_items],
        "requests": result.context_wrapper.usage.requests,
    }


@side_by_side
async def tools() -> Any:
    return await round_trip(OpenAIChatCompletionsModel)


@side_by_side
async def responses_tools() -> Any:
    return await round_trip(OpenAIResponsesModel)


@side_by_side
async def tools_streamed() -> Any:
    result = Runner.run_streamed(agent(tools=[get_weather]), QUESTION)
    names = [
        event.name
        async for event in result.stream_events()
        if event.type == "run_item_stream_event"
    ]
    return {"names": names, "output": result.final_output}


@side_by_side
async def typed() -> Any:
    return dict((await Runner.run(agent(output_type=Person), PERSON)).final_output)


@side_by_side
async def responses_typed() -> Any:
    helper = agent(over=OpenAIResponsesModel, output_type=Person)
    return dict((await Runner.run(helper, PERSON)).final_output)


@side_by_side
async def remembered_by_the_gateway() -> Any:
    """The second turn names the first response and sends nothing of it."""
    helper = agent("echo", OpenAIResponsesModel)
    first = await Runner.run(helper, steer(["one", "two"]))
    second = await Runner.run(helper, "go on", previous_response_id=first.last_response_id)
    return second.final_output


@side_by_side
async def handed_off() -> Any:
    expert = agent("echo", name="Expert")
    call = '<tool_call>{"name": "transfer_to_expert", "arguments": {}}</tool_call>'
    front = agent("echo", name="Front", handoffs=[expert])
    result = await Runner.run(front, steer([call, "I am the expert."]))
    return {"output": result.final_output, "who": result.last_agent.name}


play()
