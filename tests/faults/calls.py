"""One request as its caller lives through it, told in one record: cheap, and with no retries.

http.client tells a body that was cut from one that ended; a new connection for each call leaves no
doubt which of them a failure meets.
"""

import http.client
import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.support.stream import steer

PATIENCE = 90.0
MODEL = "gpt-4o-mini"
"""One of the settings' own: a worker knows those of the emulator only when it has met it."""
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, and how the caller behaves."""

    nonce: str
    text: str  # what the run is to say; holds the nonce
    streamed: bool = True
    leaves_after: float | None = None  # seconds
    pause: float = 0.0  # between two reads of a few bytes: a slow caller
    reply: dict[str, Any] = field(default_factory=dict)  # chunks, interval, delay, fault, …

    @property
    def body(self) -> bytes:
        """The request."""
        content = steer(self.text, nonce=self.nonce, **self.reply)
        message = {"role": "user", "content": content}
        asked = {"model": MODEL, "stream": self.streamed, "messages": [message]}
        return json.dumps(asked).encode()


@dataclass(slots=True)
class Call:
    """What became of an order. Times are the wall clock's, which the emulator shares."""

    order: Order
    began: float
    ended: float = 0.0
    first_text: float = 0.0
    errored: float = 0.0  # when an error answer or event came
    status: int = 0  # 0: there was no answer
    text: str = ""
    reasons: list[str] = field(default_factory=list)
    code: str = ""  # of the error answer or event
    retry_after: str = ""
    done: bool = False  # [DONE] came
    after_the_end: bool = False  # something came behind the finish reason or the error
    cut: str = ""  # the exception that ended it
    left: bool = False  # the caller went away by itself

    @property
    def whole(self) -> bool:
        """Complete by its own account."""
        return self.status == 200 and self.reasons == ["stop"] and not (self.code or self.cut)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    def as_json(self) -> dict[str, Any]:
        """For whoever looks into a history."""
        told = {name: getattr(self, name) for name in Call.__slots__ if name != "order"}
        return {"nonce": self.order.nonce, "streamed": self.order.streamed, **told}

    def __str__(self) -> str:
        end = self.code or self.cut or ",".join(self.reasons) or "no end"
        if self.left:
            end = f"left after {len(self.text)} characters"
        form = "streamed" if self.order.streamed else "unstreamed"
        return f"{self.order.nonce} ({form}, {self.seconds:.2f} s): {self.status} {end}"


def ask(port: int, order: Order, key: str = "k") -> Call:
    """Make one request to whoever listens on this port of the loopback."""
    call = Call(order, time.time())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        _asked(connection, call, key)
    except (OSError, http.client.HTTPException, ValueError) as error:
        call.cut = f"{type(error).__name__} {error}"
    finally:
        call.ended = time.time()
        connection.close()
    return call


def _asked(connection: http.client.HTTPConnection, call: Call, key: str) -> None:
    order = call.order
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Connection": "close",
        "X-Request-ID": order.nonce,
    }
    connection.request("POST", "/v1/chat/completions", order.body, headers)
    if order.leaves_after is not None and connection.sock is not None:
        connection.sock.settimeout(max(order.leaves_after, 0.01))
    try:
        answer = connection.getresponse()
        call.status = answer.status
        call.retry_after = answer.getheader("Retry-After") or ""
        if (answer.getheader("Content-Type") or "").startswith("text/event-stream"):
            _stream(connection, answer, call)
        else:
            _body(json.loads(answer.read()), call)
    except TimeoutError:
        if order.leaves_after is None:
            raise
        call.left = True


def _body(body: dict[str, Any], call: Call) -> None:
    if "error" in body:
        call.code = body["error"]["code"] or body["error"]["type"]
        call.errored = time.time()
        return
    choice = body["choices"][0]
    call.text = choice["message"]["content"]
    call.reasons.append(choice["finish_reason"])
    call.first_text = time.time()


def _stream(
    connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, call: Call
) -> None:
    order, rest = call.order, b""
    while True:
        if order.leaves_after is not None:
            _see_to_leaving(connection, call)
        piece = answer.read1(256 if order.pause else _PIECE)
        if not piece:
            return
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                _event(line.removeprefix(b"data: "), call)
        if order.pause:
            time.sleep(order.pause)


def _see_to_leaving(connection: http.client.HTTPConnection, call: Call) -> None:
    assert call.order.leaves_after is not None
    left = call.began + call.order.leaves_after - time.time()
    if left <= 0:
        raise TimeoutError
    if connection.sock is not None:
        connection.sock.settimeout(left)


def _event(data: bytes, call: Call) -> None:
    if data == b"[DONE]":
        call.done = True
        return
    event = json.loads(data)
    if call.reasons or call.code or call.done:
        call.after_the_end = True
    if "error" in event:
        call.code = event["error"]["code"] or event["error"]["type"]
        call.errored = time.time()
        return
    for choice in event["choices"]:
        text = choice["delta"].get("content") or ""
        call.text += text
        if text and not call.first_text:
            call.first_text = time.time()
        if choice["finish_reason"] is not None:
            call.reasons.append(choice["finish_reason"])
