"""llm as a library: first steps with models of extra-openai-models.yaml."""

import gc
import json
from collections.abc import AsyncIterator
from typing import Any

import llm
from telling import BASE_URL, CUT_URL

NAMES = ("auto", "echo", "slow", "gpt-99", "flaky-429", "error-400")
_OFFERED = [
    {
        "model_id": f"{base_url} {name}",
        "model_name": name,
        "api_base": base_url,
        "api_key_name": "gateway",
        "supports_schema": True,
        "supports_tools": True,
    }
    for base_url in (BASE_URL, CUT_URL)
    for name in NAMES
]
# JSON is YAML as well. The file is read with the first model that is asked for.
(llm.user_dir() / "extra-openai-models.yaml").write_text(json.dumps(_OFFERED))
llm.get_models()


class Blocking:
    """It tries again as often as the SDK below it does by itself, whatever ``retries`` says."""

    blocks = True

    def __init__(self, base_url: str, key: str, retries: int) -> None:
        self.base_url = base_url
        self.key = key

    async def ask(self, model: str, content: str) -> Any:
        response = llm.get_model(f"{self.base_url} {model}").prompt(
            content, key=self.key, stream=False
        )
        return self._said(response.text(), response)

    async def stream(self, model: str, content: str) -> AsyncIterator[Any]:
        response = llm.get_model(f"{self.base_url} {model}").prompt(content, key=self.key)
        pieces = []
        try:
            for piece in response:
                pieces.append(piece)
                yield piece
        except GeneratorExit:
            del response  # it cannot be closed: who leaves lets go of it
            gc.collect()
            raise
        yield self._said("".join(pieces), response)

    @staticmethod
    def _said(text: str, response: Any) -> dict[str, Any]:
        usage = response.usage()
        return {"text": text, "usage": [usage.input, usage.output], "finish": None}
