"""What callers ask for in the long programmes: a mixture by the dice, which a seed repeats."""

import random
from collections.abc import Iterator
from typing import Any

from tests.faults.calls import Order

# Oddities of the upstream that leave an answer whole.
_ODD = ("early", "duplicate", "reorder", "extra-argument", "as-json-text", "unknown-run")


def text_of(nonce: str, words: int) -> str:
    """A text with the nonce in each of its words: not one of them can pass for another's."""
    return " ".join(f"{nonce}.{number}" for number in range(words))


def orders(dice: random.Random, name: str, *, longest: float, leavers: float) -> Iterator[Order]:
    """Without end. Runs take up to ``longest`` seconds; a share of the callers leaves."""
    for number in iter(range(10**9)):
        nonce = f"{name}-{number}"
        chunks = dice.randint(2, 24)
        seconds = longest * dice.random() ** 4  # mostly short
        reply: dict[str, Any] = {"chunks": chunks, "interval": round(seconds / chunks, 4)}
        if dice.random() < 0.1:
            reply["fault"] = dice.choice(_ODD)
        leaves = dice.random() < leavers
        yield Order(
            nonce=nonce,
            text=text_of(nonce, dice.randint(4, 40)),
            streamed=dice.random() < 0.7,
            leaves_after=dice.uniform(0, max(seconds, 0.02)) if leaves else None,
            pause=0.02 if dice.random() < 0.03 else 0.0,
            reply=reply,
        )
