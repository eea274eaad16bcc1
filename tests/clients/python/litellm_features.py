"""litellm as a client: tools, structured output, exceptions, its router."""

from typing import Any

import litellm
from asking import PERSON, QUESTION, Person
from telling import BASE_URL, GATEWAY, KEY, play, side_by_side

litellm.suppress_debug_info = True

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def asked(content: str, model: str = "auto") -> dict[str, Any]:
    return {
        "model": f"openai/{model}",
        "messages": [{"role": "user", "content": content}],
        "api_base": BASE_URL,
        "api_key": KEY,
        "max_retries": 0,
    }


@side_by_side
async def tools() -> Any:
    fields = asked(QUESTION)
    answer = await litellm.acompletion(**fields, tools=[WEATHER])
    message = answer.choices[0].message
    call = message.tool_calls[0]
    fields["messages"] += [
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "rain in Paris"},
    ]
    last = await litellm.acompletion(**fields, tools=[WEATHER])
    return {
        "name": call.function.name,
        "arguments": call.function.arguments,
        "finish": answer.choices[0].finish_reason,
        "last": last.choices[0].message.content,
    }


@side_by_side
async def tools_streamed() -> Any:
    stream = await litellm.acompletion(**asked(QUESTION), tools=[WEATHER], stream=True)
    whole = litellm.stream_chunk_builder([chunk async for chunk in stream])
    call = whole.choices[0].message.tool_calls[0]
    return {
        "name": call.function.name,
        "arguments": call.function.arguments,
        "finish": whole.choices[0].finish_reason,
    }


@side_by_side
async def typed() -> Any:
    answer = await litellm.acompletion(**asked(PERSON), response_format=Person)
    return Person.model_validate_json(answer.choices[0].message.content).model_dump()


@side_by_side
async def too_many() -> Any:
    return await litellm.acompletion(**asked("hi", "error-429"))


@side_by_side
async def out_of_range() -> Any:
    return await litellm.acompletion(**asked("hi"), temperature=3)


@side_by_side
async def too_long_a_wait() -> Any:
    return await litellm.acompletion(**asked("hi", "slow"), timeout=2)


@side_by_side
async def over_responses() -> Any:
    response = await litellm.aresponses(
        model="openai/echo", input="hello", api_base=BASE_URL, api_key=KEY
    )
    return response.output[0].content[0].text


@side_by_side
async def over_messages() -> Any:
    fields = {**asked("hello"), "model": "anthropic/echo", "api_base": GATEWAY}
    return (await litellm.acompletion(**fields)).choices[0].message.content


@side_by_side
async def over_completions() -> Any:
    answer = await litellm.atext_completion(
        model="text-completion-openai/echo", prompt="hello", api_base=BASE_URL, api_key=KEY
    )
    return answer.choices[0].text


@side_by_side
async def routed() -> Any:
    """The first deployment cannot; the router falls back to the other."""
    fields = {"api_base": BASE_URL, "api_key": KEY, "max_retries": 0}
    router = litellm.Router(
        model_list=[
            {"model_name": "main", "litellm_params": {"model": "openai/error-500", **fields}},
            {"model_name": "spare", "litellm_params": {"model": "openai/echo", **fields}},
        ],
        fallbacks=[{"main": ["spare"]}],
        num_retries=0,
    )
    messages = [{"role": "user", "content": "hello"}]
    return (await router.acompletion(model="main", messages=messages)).choices[0].message.content


play()
