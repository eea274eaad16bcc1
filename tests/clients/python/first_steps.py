"""What everybody does first with a client, the same for all of them.

Its arguments are NONCE MODULE NAME [NAME …]. Each NAME in MODULE makes a client:
NAME(base_url, key, retries). Prompts whose starts are counted bear nonce, module and name.
A client has::

    async def ask(model, content) -> Said
    async def stream(model, content)  # yields texts, and the Said at the end

One that blocks may block in them, and says so: ``blocks = True``.
"""

import asyncio
import contextlib
import importlib
import sys
from functools import cache
from typing import Any

from telling import (
    BASE_URL,
    CUT_URL,
    KEY,
    in_flight,
    now,
    play_one,
    play_together,
    seconds_until_free,
    steer,
    thrown,
)

TEXT = "Grüße aus der Küche: 😀 👩‍👩‍👧 naïve – und \u2028 auch das.\n\n```py\nprint('x')\n```"
FAILING = steer(
    "One, two, three, and the line is dead", chunks=6, interval=0.05, fault="fail", at=3
)


class Steps:
    """The scenes of one client."""

    def __init__(self, make: Any, label: str) -> None:
        self._label = label
        self._cut = make(CUT_URL, KEY, 0)
        # To make one takes a while, in which nobody else would be heard.
        self.client = cache(lambda key=KEY, retries=0: make(BASE_URL, key, retries))

    async def whole(self) -> Any:
        return await self.client().ask("echo", TEXT)

    async def cut_short(self) -> Any:
        return await self.client().ask("echo", steer("Ein Satz. ", finish_reason="length"))

    async def streamed(self) -> Any:
        return await heard(self.client().stream("echo", steer(TEXT, chunks=10, interval=0.2)))

    async def failed_in_the_middle(self) -> Any:
        return await heard(self.client().stream("echo", FAILING))

    async def cut_off(self) -> Any:
        text = steer("word " * 400, chunks=400, interval=0.005)
        return await heard(self._cut.stream("echo", text))

    async def failed_unstreamed(self) -> Any:
        return await self.client().ask("echo", FAILING)

    async def wrong_key(self) -> Any:
        return await self.client(key="wrong").ask("echo", "hi")

    async def wrong_key_streamed(self) -> Any:
        async for _ in self.client(key="wrong").stream("echo", "hi"):
            pass

    async def unknown_model(self) -> Any:
        return await self.client().ask("gpt-99", "hi")

    async def retried(self) -> Any:
        return await self.client(retries=3).ask("flaky-429", f"third time lucky {self._label}")

    async def not_retried(self) -> Any:
        return await self.client(retries=3).ask("error-400", f"never {self._label}")

    async def left_the_stream(self) -> Any:
        stream = self.client().stream("echo", steer("word " * 400, chunks=400, interval=0.05))
        async with contextlib.aclosing(stream):
            text = await anext(stream)
            running = await in_flight()
        return {"text": text, "in_flight": running, "seconds": await seconds_until_free()}

    async def left_before_the_answer(self) -> Any:
        asking = asyncio.create_task(self.client().ask("slow", "hi"))
        await asyncio.sleep(0.5)
        running = await in_flight()
        asking.cancel()
        await asyncio.wait([asking])
        return {
            "cancelled": asking.cancelled(),
            "in_flight": running,
            "seconds": await seconds_until_free(),
        }


async def heard(stream: Any) -> dict[str, Any]:
    """What a stream said, when, and how it ended."""
    times, pieces, ended, error = [], [], None, None
    try:
        async for one in stream:
            if isinstance(one, str):
                times.append(now())
                pieces.append(one)
            else:
                ended = one
    except Exception as exception:
        error = thrown(exception)
    spread = times[-1] - times[0] if times else 0
    return {"pieces": pieces, "ended": ended, "thrown": error, "spread": spread}


async def main(nonce: str, module: str, *names: str) -> None:
    makers = importlib.import_module(module)
    for name in names:
        make = getattr(makers, name)
        blocks = getattr(make, "blocks", False)
        steps = Steps(make, f"{nonce} {module} {name}")
        # What a client loads at its first call would hold up what is measured.
        await play_one(f"{name}.whole", steps.whole)
        both = (
            steps.cut_short,
            steps.streamed,
            steps.failed_in_the_middle,
            steps.cut_off,
            steps.failed_unstreamed,
            steps.wrong_key,
            steps.wrong_key_streamed,
            steps.unknown_model,
            steps.retried,
            steps.not_retried,
        )
        scenes = {f"{name}.{scene.__name__}": scene for scene in both}
        await play_together(scenes, threads=blocks)
        await play_one(f"{name}.left_the_stream", steps.left_the_stream)
        if not blocks:
            await play_one(f"{name}.left_before_the_answer", steps.left_before_the_answer)


asyncio.run(main(*sys.argv[1:]))
