"""The floor: a bare WSGI generator that writes constant bytes at the pace that was asked for."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.orders import PLAIN

_CHUNK = {"id": "chatcmpl-floor", "object": "chat.completion.chunk", "created": 0, "model": "floor"}


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return b"data: " + json.dumps({**_CHUNK, "choices": [choice]}).encode() + b"\n\n"


_TEXT = _event({"content": PLAIN})
_END = _event({}, "stop") + b"data: [DONE]\n\n"


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Any request is an order."""
    asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    order = json.loads(asked["messages"][-1]["content"])
    if asked["stream"]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return _stream(order["chunks"], order["interval"], order["delay"])
    time.sleep(order["delay"] + order["interval"] * (order["chunks"] - 1))
    message = {"role": "assistant", "content": PLAIN * order["chunks"]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({"choices": [choice]}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def _stream(chunks: int, interval: float, delay: float) -> Iterator[bytes]:
    due = time.monotonic() + delay
    for _ in range(chunks):
        time.sleep(max(due - time.monotonic(), 0.0))
        yield _TEXT
        due += interval
    yield _END
