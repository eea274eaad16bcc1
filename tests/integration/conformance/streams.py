"""What is broken in the shape of streams, one rule at a time."""

from typing import Any

from tests.integration.conformance.twists import (
    Break,
    Chunk,
    asked,
    choices,
    chunks,
    deaf_to,
    fault,
    frames,
    instead,
)
from tests.support.crooked import Crook, Reply, Request


def with_usage(body: dict[str, Any]) -> None:
    if body.get("stream"):
        body["stream_options"] = {"include_usage": True}


def other_ids(many: list[Chunk]) -> None:
    for number, chunk in enumerate(many):
        chunk["id"] = f"chatcmpl-{number}"


def later_heads(many: list[Chunk]) -> None:
    many[-1]["created"] += 1


def delta(**fields: Any) -> Crook:
    """Fields of every delta."""
    return choices(lambda one: one["delta"].update(fields))


def first_without_role(many: list[Chunk]) -> list[Chunk]:
    return many[1:]


def first_is_silent(many: list[Chunk]) -> None:
    many[0]["choices"][0]["delta"] = {"role": "assistant"}


def ended_twice(many: list[Chunk]) -> list[Chunk]:
    return [*many, many[-1]]


def text_behind_the_end(many: list[Chunk]) -> list[Chunk]:
    return [*many, many[1]]


def text_beside_the_end(many: list[Chunk]) -> None:
    many[-1]["choices"][0]["delta"] = {"content": "!"}


def without(name: str) -> Crook:
    return choices(lambda one: one.pop(name, None))


def usage_with_choices(many: list[Chunk]) -> None:
    for chunk in many:
        if chunk.get("usage"):
            chunk["choices"] = many[0]["choices"]


def usage_in_all(many: list[Chunk]) -> None:
    for chunk in many:
        chunk["usage"] = many[-1]["usage"]


def usage_first(many: list[Chunk]) -> list[Chunk]:
    return [many[-1], *many[:-1]] if many[-1].get("usage") else many


def wrong_sum(many: list[Chunk]) -> None:
    if many[-1].get("usage"):
        many[-1]["usage"]["total_tokens"] += 1


def obfuscated(many: list[Chunk]) -> None:
    for chunk in many:
        chunk["obfuscation"] = "abc"


def only_obfuscated(request: Request) -> Reply | None:
    options = request.json.get("stream_options") or {}
    return fault(400) if "include_obfuscation" in options else None


def streams_for_null(body: dict[str, Any]) -> None:
    if "stream" in body and body["stream"] is None:
        body["stream"] = True


def calls(many: list[Chunk]) -> list[dict[str, Any]]:
    found = [one for chunk in many for one in chunk["choices"]]
    return [entry for one in found for entry in one["delta"].get("tool_calls") or []]


def ids_again(many: list[Chunk]) -> None:
    for entry in calls(many):
        entry["id"] = "call_1"


def names_again(many: list[Chunk]) -> None:
    for entry in calls(many):
        entry["function"]["name"] = "get_weather"


def from_one(many: list[Chunk]) -> None:
    for entry in calls(many):
        entry["index"] += 1


def broken_arguments(many: list[Chunk]) -> None:
    calls(many)[-1]["function"]["arguments"] += "}"


def two_entries(many: list[Chunk]) -> None:
    for chunk in many:
        entries = chunk["choices"][0]["delta"].get("tool_calls")
        if entries:
            entries.append(dict(entries[0]))


def no_entries(many: list[Chunk]) -> None:
    many[0]["choices"][0]["delta"]["tool_calls"] = []


def no_ids(many: list[Chunk]) -> None:
    for entry in calls(many):
        entry.pop("id", None)


def other_choice_first(many: list[Chunk]) -> None:
    for chunk in many:
        for one in chunk["choices"]:
            one["index"] = 1 - one["index"]


def one_role(many: list[Chunk]) -> list[Chunk]:
    return [
        one
        for one in many
        if one["choices"][0]["index"] == 0 or "role" not in one["choices"][0]["delta"]
    ]


def one_end(many: list[Chunk]) -> list[Chunk]:
    return [
        one
        for one in many
        if one["choices"][0]["index"] == 0 or not one["choices"][0]["finish_reason"]
    ]


def without_error(blocks: list[str]) -> list[str]:
    return [one for one in blocks if '"error":' not in one]


def without_end(blocks: list[str]) -> list[str]:
    return [one for one in without_error(blocks) if '"finish_reason":"' not in one]


BREAKS = (
    Break(19, "named events", frames(lambda many: [f"event: message\n{one}" for one in many])),
    Break(19, "no end mark", frames(lambda many: many[:-1])),
    Break(19, "the end mark twice", frames(lambda many: [*many, many[-1]])),
    Break(19, "something behind the end mark", frames(lambda many: [*many, many[0]])),
    Break(
        19,
        "JSON over two lines",
        frames(lambda many: [many[0].replace(",", ",\ndata: ", 1), *many[1:]]),
    ),
    Break(19, "no JSON", frames(lambda many: ["data: hello", *many])),
    Break(19, "no space", frames(lambda many: [one.replace("data: ", "data:", 1) for one in many])),
    Break(
        19,
        "no empty line at the end",
        Crook(
            tell=lambda q, r: (
                setattr(r, "body", r.body.removesuffix(b"\n\n")) if r.streamed else None
            )
        ),
    ),
    Break(20, "other ids", chunks(other_ids)),
    Break(20, "a later date", chunks(later_heads)),
    Break(20, "another object", chunks(lambda many: many[0].update(object="chat.completion"))),
    Break(21, "the role in each", delta(role="assistant")),
    Break(21, "no role", chunks(first_without_role)),
    Break(21, "no text beside it", chunks(first_is_silent)),
    Break(22, "ended twice", chunks(ended_twice)),
    Break(22, "text behind the end", chunks(text_behind_the_end)),
    Break(22, "text beside the end", chunks(text_beside_the_end)),
    Break(22, "never ended", frames(without_end)),
    Break(23, "no index", without("index")),
    Break(23, "no delta", without("delta")),
    Break(23, "no reason", without("finish_reason")),
    Break(24, "not heeded", deaf_to("stream_options")),
    Break(24, "choices beside it", chunks(usage_with_choices)),
    Break(24, "a usage in each", chunks(usage_in_all)),
    Break(24, "a wrong sum", chunks(wrong_sum)),
    Break(
        24,
        "no null in others",
        chunks(lambda many: [one.pop("usage") for one in many[:-1]] and None),
    ),
    Break(25, "unasked", asked(with_usage)),
    Break(26, "before the text", chunks(usage_first)),
    Break(29, "obfuscated all the same", chunks(obfuscated)),
    Break(29, "refused", instead(only_obfuscated)),
    Break(30, "null is a stream", asked(streams_for_null)),
    Break(30, "options are taken", deaf_to("stream_options")),
    Break(31, "ids again", chunks(ids_again)),
    Break(31, "names again", chunks(names_again)),
    Break(31, "indices from one", chunks(from_one)),
    Break(31, "no ids", chunks(no_ids)),
    Break(31, "two entries of an index", chunks(two_entries)),
    Break(31, "an empty list", chunks(no_entries)),
    Break(31, "broken arguments", chunks(broken_arguments)),
    Break(
        31,
        "an ordinary end",
        frames(lambda many: [one.replace('"tool_calls"}', '"stop"}') for one in many]),
    ),
    Break(31, "tools are not heeded", deaf_to("tools", "tool_choice")),
    Break(33, "the other choice first", chunks(other_choice_first)),
    Break(33, "one role for both", chunks(one_role)),
    Break(33, "one end for both", chunks(one_end)),
)
