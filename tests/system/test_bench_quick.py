"""The benchmarks' judge: a figure counts only where each answer is whole."""

import json
import time

import pytest

from benchmarks.answers import Reading, read
from benchmarks.client import Answer, Load
from benchmarks.orders import FILLERS, OPENING, SIZE, Order, WrongAnswer

ORDER = Order(chunks=3, interval=0.01)
DONE = "data: [DONE]\n\n"


def deltas(now: float) -> list[str]:
    """What an upstream sends for the order, all at this moment."""
    stamp = f"{int(now * 1e6):014d}"
    return [f"@{stamp}#{stamp}{OPENING}", *(f"@{stamp}{FILLERS[at]}" for at in (1, 2))]


def event(content: str | None, reason: str | None = None) -> str:
    delta = {} if content is None else {"content": content}
    return f"data: {json.dumps({'choices': [{'delta': delta, 'finish_reason': reason}]})}\n\n"


def answer(*events: str) -> Answer:
    """An answer as a server sends it, each event in a piece of its own."""
    now = time.monotonic()
    pieces = [f"{len(text.encode()):x}\r\n{text}\r\n".encode() for text in events]
    pieces = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *pieces, b"0\r\n\r\n"]
    return Answer(now, [now + 0.005] * len(pieces), pieces)


def judged(*events: str) -> Reading:
    return read([answer(*events)], Load(1, ORDER))


def whole() -> list[str]:
    return [event(text) for text in deltas(time.monotonic())]


def test_each_chunk_of_the_order_is_as_long_as_it_says() -> None:
    assert {len(text) for text in deltas(1.0)} == {SIZE}


def test_a_whole_answer_gives_a_lag_for_each_chunk() -> None:
    reading = judged(*whole(), event(None, "stop") + DONE)

    assert (reading.answers, reading.events, len(reading.lags)) == (1, 3, 3)
    assert all(0.004 < lag < 0.1 for lag in reading.lags)


def test_chunks_that_were_joined_count_each() -> None:
    first, *rest = deltas(time.monotonic())
    reading = judged(event(first), event("".join(rest)), event(None, "stop") + DONE)

    assert (reading.events, len(reading.lags)) == (2, 3)


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("a chunk is missing", [*whole()[:2], event(None, "stop") + DONE]),
        ("a chunk comes twice", [*whole(), whole()[2], event(None, "stop") + DONE]),
        (
            "a letter is another",
            [whole()[0].replace("boats", "goats"), *whole()[1:], event(None, "stop") + DONE],
        ),
        ("no finish reason", [*whole(), DONE]),
        ("another finish reason", [*whole(), event(None, "length") + DONE]),
        ("text behind the end", [*whole()[:2], event(None, "stop"), whole()[2], DONE]),
        ("no [DONE]", [*whole(), event(None, "stop")]),
        ("an error on the way", [whole()[0], 'data: {"error": {"message": "no"}}\n\n', DONE]),
        ("no JSON", [*whole(), "data: {\n\n", event(None, "stop") + DONE]),
    ],
)
def test_an_answer_that_is_not_whole_is_refused(name: str, events: list[str]) -> None:
    with pytest.raises(WrongAnswer):
        judged(*events)


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}"], ids=["none", "400"]
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_answer_at_all_is_refused(raw: bytes, stream: bool) -> None:
    with pytest.raises(WrongAnswer):
        read([Answer(0.0, [1.0], [raw])], Load(1, ORDER, stream=stream))
