"""What is broken in the way streams behave, one rule at a time."""

import json

from tests.integration.conformance.streams import without_end, without_error
from tests.integration.conformance.twists import (
    Break,
    Chunk,
    chunks,
    error,
    frames,
    instead,
    is_chat,
    status,
)
from tests.support.crooked import Crook, Reply, Request


def spoken(many: list[Chunk]) -> list[Chunk]:
    return [one for one in many if one["choices"] and one["choices"][0]["delta"].get("content")]


def doubled(many: list[Chunk]) -> list[Chunk]:
    said = spoken(many)
    return [two for one in many for two in ([one, one] if one in said[:1] else [one])]


def gapped(many: list[Chunk]) -> list[Chunk]:
    said = spoken(many)
    return [one for one in many if one not in said[1:2]]


def halved(many: list[Chunk]) -> None:
    for one in spoken(many):
        found = one["choices"][0]["delta"]
        found["content"] = found["content"].replace("😀", "\ufffd")


def failing(_: Request, reply: Reply) -> bool:
    return reply.streamed and b'"error":' in reply.body


def as_stream(request: Request, reply: Reply) -> None:
    """An early failure told too late."""
    if reply.status >= 400 and is_chat(request):
        reply.status = 200
        reply.headers["content-type"] = "text/event-stream"
        reply.headers.pop("content-length", None)
        reply.body = b"data: " + reply.body + b"\n\ndata: [DONE]\n\n"


def stopped(blocks: list[str]) -> list[str]:
    """An end in front of the error."""
    first = json.loads(blocks[0][6:])
    first["choices"][0] |= {"delta": {}, "finish_reason": "stop"}
    at = next(number for number, one in enumerate(blocks) if '"error":' in one)
    return [*blocks[:at], f"data: {json.dumps(first)}", *blocks[at:]]


def short_error(blocks: list[str]) -> list[str]:
    return ['data: {"error":{"message":"no"}}' if '"error":' in one else one for one in blocks]


def not_counted(request: Request) -> Reply | None:
    if not request.path.endswith("/metrics"):
        return None
    return Reply(200, {"content-type": "text/plain"}, b"langfast_runs_in_flight 0\n")


def all_at_once(many: list[Chunk]) -> list[Chunk]:
    said = spoken(many)
    said[0]["choices"][0]["delta"]["content"] = "".join(
        one["choices"][0]["delta"]["content"] for one in said
    )
    return [one for one in many if one not in said[1:]]


def late(blocks: list[str]) -> list[str]:
    return [one.replace('"finish_reason":"stop"', '"finish_reason":"length"') for one in blocks]


def events_for_heartbeats(blocks: list[str]) -> list[str]:
    return [one.replace(": ping", "data: ping") for one in blocks]


def glued(blocks: list[str]) -> list[str]:
    """Each heartbeat in one block with what follows."""
    found: list[str] = []
    for one in blocks:
        if found and found[-1].endswith(": ping"):
            found[-1] += f"\n{one}"
        else:
            found.append(one)
    return found


BREAKS = (
    Break(27, "not counted", instead(not_counted)),
    Break(28, "doubled", chunks(doubled)),
    Break(28, "with a gap", chunks(gapped)),
    Break(28, "with half a character", chunks(halved)),
    Break(34, "heartbeats as events", frames(events_for_heartbeats)),
    Break(34, "heartbeats in front of data", frames(glued)),
    Break(35, "told in a stream", Crook(tell=as_stream)),
    Break(35, "a success", status(200, error)),
    Break(36, "no error", frames(without_error, failing)),
    Break(36, "a stop before it", frames(stopped, failing)),
    Break(36, "no end mark", frames(lambda many: many[:-1], failing)),
    Break(36, "half an error", frames(short_error, failing)),
    Break(37, "neither end nor error", frames(without_end)),
    Break(37, "both of them", frames(stopped, failing)),
    Break(38, "departures are not noticed", Crook(deaf=True)),
    Break(38, "runs are not shown", instead(not_counted)),
    Break(39, "held back", Crook(hold=True)),
    Break(40, "another end", frames(late)),
    Break(40, "with a gap", chunks(gapped)),
    Break(40, "no end mark", frames(lambda many: many[:-1])),
    Break(41, "one long line", chunks(all_at_once)),
)
