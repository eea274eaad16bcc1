"""Counting faults that come only so often: per prompt, then one start passes, then again."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import orjson

_MOST_PROMPTS = 10_000


def prompt_key(fault: str, prompt_meta: Mapping[str, Any]) -> str:
    """The same for the same fault of the same model and messages."""
    told = [fault, prompt_meta.get("model"), prompt_meta.get("messages")]
    return hashlib.sha256(orjson.dumps(told)).hexdigest()


class Turns:
    """How often each prompt met its fault."""

    def __init__(self) -> None:
        self._met: OrderedDict[str, int] = OrderedDict()

    def strikes(self, key: str, times: int | None) -> bool:
        """Whether the fault happens this time."""
        if times is None:
            return True
        met = self._met.pop(key, 0)
        if met >= times:
            return False
        self._met[key] = met + 1
        if len(self._met) > _MOST_PROMPTS:
            self._met.popitem(last=False)
        return True
