"""How a client's program tells what it saw: one line of JSON for each of its scenes.

A program marks functions as scenes and calls ``play``, or plays its scenes as it wants. A scene
returns what is so; one that fails tells what was raised.
"""

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from typing import Any

BASE_URL = os.environ["BASE_URL"]
# The same gateway over connections that are cut in the middle of an answer.
CUT_URL = os.environ["CUT_URL"]
KEY = os.environ["KEY"]
GATEWAY = BASE_URL.removesuffix("/v1")
_PATIENCE = 10.0
_SHOWN = 3000

Scene = Callable[[], Any]

_SIDE_BY_SIDE: dict[str, Scene] = {}


def side_by_side(function: Scene) -> Scene:
    """This function, or coroutine, is a scene by its own name."""
    _SIDE_BY_SIDE[function.__name__] = function
    return function


def play() -> None:
    """All scenes beside each other: most of its time each waits."""
    # One event loop for all: clients share connections between calls, and those belong to a loop.
    asyncio.run(play_together(_SIDE_BY_SIDE))


async def play_together(scenes: dict[str, Scene], threads: bool = False) -> None:
    """Beside each other, in threads where the client blocks."""
    if threads:
        both = [asyncio.to_thread(asyncio.run, play_one(*one)) for one in scenes.items()]
    else:
        both = [play_one(*one) for one in scenes.items()]
    await asyncio.gather(*both)


async def play_one(name: str, scene: Scene) -> None:
    """One scene, to its line."""
    try:
        value = scene()
        seen = {"value": await value if inspect.isawaitable(value) else value}
    except Exception as error:
        seen = {"thrown": thrown(error)}
    line = json.dumps({"fact": name, **seen}, default=repr)
    sys.stdout.write(f"{line}\n")  # in one piece, as threads may write beside each other
    sys.stdout.flush()


def thrown(error: BaseException) -> dict[str, Any]:
    """An exception: its classes, its words, what it holds of the answer."""
    return {
        "kinds": _kinds(error),
        "cause": _kinds(error.__cause__) if error.__cause__ else [],
        "message": str(error),
        "status": getattr(error, "status_code", None),
        "code": getattr(error, "code", None),
        "traceback": "".join(traceback.format_exception(error))[-_SHOWN:],
    }


def _kinds(error: BaseException) -> list[str]:
    return [f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).mro()]


def steer(text: str | list[str], **reply: Any) -> str:
    """A user message that tells the emulator what to say, and how."""
    return json.dumps({"text": text, **reply})


def now() -> float:
    """Seconds, for differences."""
    return time.monotonic()


async def in_flight() -> int:
    """The gateway's runs at this moment."""
    return await asyncio.to_thread(_in_flight)


async def seconds_until_free() -> float:
    """From now until the gateway has no run in flight."""
    began = now()
    while await in_flight() and now() - began < _PATIENCE:
        await asyncio.sleep(0.02)
    return now() - began


def _in_flight() -> int:
    headers = {"Authorization": f"Bearer {KEY}"}
    request = urllib.request.Request(f"{GATEWAY}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(float(one.split()[1])) for one in lines if one.startswith("langfast_runs_in_fl"))
