"""From the kept bytes to figures: is the answer whole, when did each of its chunks come."""

import json
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate

from benchmarks.client import Answer, Load
from benchmarks.orders import BEGUN, STAMP, WrongAnswer

_DONE = "data: [DONE]"


@dataclass(slots=True)
class Reading:
    """What the answers of one load amount to. All times are in seconds."""

    answers: int = 0
    #: From the moment at which the upstream sent a chunk to the moment at which we had it.
    lags: list[float] = field(default_factory=list)
    #: From sending the request to the first text.
    first: list[float] = field(default_factory=list)
    #: The same without the time that the upstream took between the start and its first chunk.
    added: list[float] = field(default_factory=list)
    #: From sending the request to the end of the answer.
    whole: list[float] = field(default_factory=list)
    #: Server-sent events with text, and pieces that the server wrote (chunks of HTTP).
    events: int = 0
    written: int = 0


def read(answers: list[Answer], load: Load) -> Reading:
    """All answers of a load. Raises WrongAnswer where one is not what was ordered."""
    reading = Reading()
    for answer in answers:
        raw = b"".join(answer.pieces)
        try:
            text = _streamed(raw, reading) if load.stream else _folded(raw)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise WrongAnswer(f"{error!r} in {raw[-200:]!r}") from error
        load.order.check(text)
        _time(answer, raw, reading)
        reading.answers += 1
    return reading


def _streamed(raw: bytes, reading: Reading) -> str:
    body, written = _unchunked(raw[raw.index(b"\r\n\r\n") + 4 :])
    reading.written += written
    blocks = body.decode().split("\n\n")
    if blocks[-2:] != [_DONE, ""]:
        raise WrongAnswer(f"the stream ends in {blocks[-2:]!r}")
    deltas: list[str] = []
    reason = None
    for block in blocks[:-2]:
        if block.startswith(":"):
            continue
        choice = json.loads(block.removeprefix("data: "))["choices"][0]
        if reason is not None:
            raise WrongAnswer(f"a chunk after the last: {block!r}")
        reason = choice["finish_reason"]
        deltas.append(choice["delta"].get("content") or "")
    if reason != "stop":
        raise WrongAnswer(f"finish_reason is {reason!r}")
    reading.events += sum(map(bool, deltas))
    return "".join(deltas)


def _folded(raw: bytes) -> str:
    choice = json.loads(raw[raw.index(b"\r\n\r\n") + 4 :])["choices"][0]
    if choice["finish_reason"] != "stop":
        raise WrongAnswer(f"finish_reason is {choice['finish_reason']!r}")
    return str(choice["message"]["content"])


def _unchunked(body: bytes) -> tuple[bytes, int]:
    """The body without HTTP's chunk lines, and how many chunks it had."""
    parts: list[bytes] = []
    at = 0
    while True:
        line = body.index(b"\r\n", at)
        size = int(body[at:line], 16)
        if size == 0:
            return b"".join(parts), len(parts)
        parts.append(body[line + 2 : line + 2 + size])
        at = line + 4 + size


def _time(answer: Answer, raw: bytes, reading: Reading) -> None:
    """A stamp came when the piece came that holds its end."""
    reading.whole.append(answer.times[-1] - answer.sent_at)
    ends = list(accumulate(map(len, answer.pieces)))
    first: tuple[float, float] | None = None
    for match in STAMP.finditer(raw):
        sent = int(match[1]) / 1e6
        came = answer.times[bisect_left(ends, match.end())]
        reading.lags.append(came - sent)
        first = first or (sent, came)
    begun = BEGUN.search(raw)
    if first and begun:
        sent, came = first
        reading.first.append(came - answer.sent_at)
        reading.added.append(came - answer.sent_at - (sent - int(begun[1]) / 1e6))
