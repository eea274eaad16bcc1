"""anthropic: tools, their stream, system prompts, stop sequences, counting."""

from typing import Any

from anthropic import AsyncAnthropic
from asking import QUESTION
from telling import GATEWAY, KEY, play, side_by_side, steer

WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def sdk() -> AsyncAnthropic:
    return AsyncAnthropic(base_url=GATEWAY, api_key=KEY, max_retries=0)


def asked(content: str, model: str = "auto") -> dict[str, Any]:
    return {
        "model": model,
        "max_tokens": 500,
        "messages": [{"role": "user", "content": content}],
    }


@side_by_side
async def tools() -> Any:
    fields = asked(QUESTION)
    message = await sdk().messages.create(**fields, tools=[WEATHER])
    use = next(block for block in message.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "rain in Paris"}
    fields["messages"] += [
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    last = await sdk().messages.create(**fields, tools=[WEATHER])
    return {
        "name": use.name,
        "input": use.input,
        "stop": message.stop_reason,
        "last": last.content[0].text,
        "last_stop": last.stop_reason,
    }


@side_by_side
async def tools_streamed() -> Any:
    async with sdk().messages.stream(**asked(QUESTION), tools=[WEATHER]) as stream:
        parts = [event.partial_json async for event in stream if event.type == "input_json"]
        message = await stream.get_final_message()
    use = next(block for block in message.content if block.type == "tool_use")
    return {"parts": parts, "input": use.input, "stop": message.stop_reason}


@side_by_side
async def stopped() -> Any:
    fields = asked("one two three four", "echo")
    message = await sdk().messages.create(**fields, stop_sequences=[" three"], system="Be brief.")
    return {
        "text": message.content[0].text,
        "stop": message.stop_reason,
        "sequence": message.stop_sequence,
    }


@side_by_side
async def counted() -> Any:
    fields = asked(steer("hi"), "echo")
    message = await sdk().messages.create(**fields)
    del fields["max_tokens"]
    count = await sdk().messages.count_tokens(**fields)
    return {"counted": count.input_tokens, "used": message.usage.input_tokens}


@side_by_side
async def models() -> Any:
    return [model.id async for model in sdk().models.list()]


play()
