"""langchain-openai: tools, structured output, many at once."""

from typing import Any

from asking import PERSON, QUESTION, YOUNG, Person, weather_in
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from telling import BASE_URL, KEY, play, side_by_side, steer

get_weather = tool("get_weather")(weather_in)


def chat(model: str = "auto", **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(model=model, base_url=BASE_URL, api_key=KEY, max_retries=0, **settings)


async def round_trip(**settings: Any) -> Any:
    bound = chat(**settings).bind_tools([get_weather])
    messages: list[Any] = [HumanMessage(QUESTION)]
    answer = await bound.ainvoke(messages)
    calls = answer.tool_calls
    messages += [answer, *[await get_weather.ainvoke(call) for call in calls]]
    last = await bound.ainvoke(messages)
    return {
        "calls": calls,
        "last": last.text,
        "last_calls": last.tool_calls,
    }


@side_by_side
async def tools() -> Any:
    return await round_trip()


@side_by_side
async def responses_tools() -> Any:
    return await round_trip(use_responses_api=True)


@side_by_side
async def tools_streamed() -> Any:
    whole: Any = None
    async for chunk in chat().bind_tools([get_weather], tool_choice="any").astream(QUESTION):
        whole = chunk if whole is None else whole + chunk
    return {"calls": whole.tool_calls, "invalid": whole.invalid_tool_calls, "text": whole.text}


async def structured(
    method: str, model: str = "auto", content: str = PERSON, **settings: Any
) -> Any:
    asking = chat(model, **settings).with_structured_output(Person, method=method, include_raw=True)
    answer = await asking.ainvoke(content)
    error = answer["parsing_error"]
    return {"parsed": dict(answer["parsed"]) if answer["parsed"] else None, "error": error}


@side_by_side
async def structured_json_schema() -> Any:
    return await structured("json_schema")


@side_by_side
async def structured_responses() -> Any:
    return await structured("json_schema", use_responses_api=True)


@side_by_side
async def structured_function_calling() -> Any:
    return await structured("function_calling")


@side_by_side
async def structured_json_mode() -> Any:
    text = 'A person as JSON with "name" and "age". ' + YOUNG
    return await structured("json_mode", content=text)


@side_by_side
async def structured_after_a_bad_answer() -> Any:
    texts = ['{"name": "Zoë", "age": "old"}', YOUNG]
    return await structured("json_schema", "echo", steer(texts))


@side_by_side
async def structured_streamed() -> Any:
    asking = chat().with_structured_output(Person, method="json_schema")
    return [dict(part) async for part in asking.astream(PERSON)]


@side_by_side
async def many_at_once() -> Any:
    return [one.text for one in await chat("echo").abatch([f"number {n}" for n in range(12)])]


@side_by_side
async def events() -> Any:
    names = [
        event["event"] async for event in chat("echo").astream_events("hi there", version="v2")
    ]
    return sorted(set(names))


play()
