"""langchain-openai: first steps with ChatOpenAI, blocking and not."""

from collections.abc import AsyncIterator
from typing import Any

from langchain_openai import ChatOpenAI


def said(message: Any) -> dict[str, Any]:
    """A message, or the sum of a stream's chunks, as first_steps wants it."""
    usage, metadata = message.usage_metadata, message.response_metadata
    return {
        "text": message.text,
        "usage": [usage["input_tokens"], usage["output_tokens"]],
        "finish": metadata.get("finish_reason") or metadata.get("status"),
    }


class Waiting:
    """``ainvoke`` and ``astream``."""

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        self.settings: dict[str, Any] = {
            "base_url": base_url,
            "api_key": key,
            "max_retries": retries,
            "stream_usage": True,
        }

    async def ask(self, model: str, content: str) -> Any:
        return said(await ChatOpenAI(model=model, **self.settings).ainvoke(content))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        whole: Any = None
        async for chunk in ChatOpenAI(model=model, **self.settings).astream(content):
            whole = chunk if whole is None else whole + chunk
            if chunk.text:
                yield chunk.text
        yield said(whole)


class Blocking(Waiting):
    """``invoke`` and ``stream``."""

    blocks = True

    async def ask(self, model: str, content: str) -> Any:
        return said(ChatOpenAI(model=model, **self.settings).invoke(content))

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        whole: Any = None
        for chunk in ChatOpenAI(model=model, **self.settings).stream(content):
            whole = chunk if whole is None else whole + chunk
            if chunk.text:
                yield chunk.text
        yield said(whole)


class Responses(Waiting):
    """``ainvoke`` and ``astream`` over the Responses API."""

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        super().__init__(base_url, key, retries)
        self.settings["use_responses_api"] = True
