"""Events to the events of OpenAI's Responses API."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text, Usage
from langfast_wsgi.conversation.fold import fold
from langfast_wsgi.dialects._deltas import PIECE
from langfast_wsgi.dialects.responses.answer import begun, whole
from langfast_wsgi.dialects.responses.encode import EventEncoder
from langfast_wsgi.dialects.responses.parse import parse
from langfast_wsgi.errors import BadRequest, GatewayError, RateLimited, UpstreamGarbled
from tests.support.builders import PAUSE

Json = dict[str, Any]
RESPONSE = "resp_" + "1" * 32
MESSAGE = "msg_" + "1" * 32 + "00000"
LINE = 64 * 1024
USAGE = Usage(8, 2)
TOOL: Json = {"type": "function", "name": "f", "parameters": {"type": "object"}}
STREAMED: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def started(mark: str | None = None, **fields: Any) -> Json:
    asked = parse(
        {"input": "x", **fields},
        default_model="gpt-4o-mini",
        reject_unsupported=False,
        get=lambda _: None,
    )
    return begun(asked, RESPONSE, 1700000000, mark)


class Case:
    """An encoder, and what it kept."""

    def __init__(self, **fields: Any) -> None:
        self.kept: list[Json] = []
        self.encoder = EventEncoder(started(**fields), self.kept.append, lambda: 1700000001.5)

    def write(self, *events: Event) -> bytes:
        return b"".join(self.encoder.write(event) for event in events)

    def all(self, *events: Event, reason: str = "stop") -> list[Json]:
        return parsed(self.write(*events, Finished(reason), USAGE))


def parsed(data: bytes) -> list[Json]:
    """The events, each with the same type twice, numbered from the first on, and as the SDK's."""
    assert data.endswith(b"\n\n")
    found = []
    for frame in data.decode().removesuffix("\n\n").split("\n\n"):
        kind, content = frame.split("\n")
        event = json.loads(content.removeprefix("data: "))
        assert kind == f"event: {event['type']}"
        found.append(event)
        if event["type"] not in ("error", "response.failed"):  # their codes are our own
            STREAMED.validate_python(event, strict=False)
    first = found[0]["sequence_number"]
    assert [one["sequence_number"] for one in found] == list(range(first, first + len(found)))
    return found


def kinds(events: list[Json]) -> list[str]:
    return [one["type"].removeprefix("response.") for one in events]


BEGIN = ["created", "in_progress"]
MESSAGE_BEGIN = ["output_item.added", "content_part.added"]
TEXT_END = ["output_text.done", "content_part.done", "output_item.done"]
ARGUMENTS = "function_call_arguments"
CALL = ["output_item.added", f"{ARGUMENTS}.delta", f"{ARGUMENTS}.done", "output_item.done"]


# --- the bytes


def test_a_delta_byte_for_byte() -> None:
    case = Case()
    case.write(Text("a"))
    assert (
        case.write(Text('"\\\n\u2028é😀\x00'))
        == (
            "event: response.output_text.delta\n"
            f'data: {{"type":"response.output_text.delta","item_id":"{MESSAGE}","output_index":0,'
            '"content_index":0,"logprobs":[],"sequence_number":5,'
            '"delta":"\\"\\\\\\n\u2028é😀\\u0000"}\n\n'
        ).encode()
    )


def test_what_can_be_sent_before_anything_is_known_is_said_once() -> None:
    case = Case()
    opening = case.encoder.open()
    assert kinds(parsed(opening)) == BEGIN
    assert case.encoder.open() == b""
    assert case.write(PAUSE) == b""
    events = parsed(opening + case.write(Text("Hi")))
    assert kinds(events) == [*BEGIN, *MESSAGE_BEGIN, "output_text.delta"]
    assert events[0]["response"] == events[1]["response"] == started()


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ([Text("H"), Text("i")], [*MESSAGE_BEGIN, *["output_text.delta"] * 2, *TEXT_END]),
        ([], [*MESSAGE_BEGIN, *TEXT_END]),
        ([CallBegun(0, "c", "f"), CallArguments(0, "{}")], CALL),
        (
            [
                Text("H"),
                CallBegun(0, "c", "f"),
                CallArguments(0, "{}"),
                CallBegun(1, "d", "f"),
                CallArguments(1, "{}"),
            ],
            [*MESSAGE_BEGIN, "output_text.delta", *TEXT_END, *CALL, *CALL],
        ),
        (
            [Refused("No.")],
            [
                *MESSAGE_BEGIN,
                "refusal.delta",
                "refusal.done",
                "content_part.done",
                "output_item.done",
            ],
        ),
    ],
)
def test_the_order(said: list[Event], order: list[str]) -> None:
    events = Case().all(*said)
    assert kinds(events) == [*BEGIN, *order, "completed"]


def test_each_item_has_its_own_place_and_id() -> None:
    events = Case().all(Text("H"), CallBegun(0, "c", "f"), CallArguments(0, '{"a":1}'))
    done = [one for one in events if one["type"] == "response.output_item.done"]
    assert [one["output_index"] for one in done] == [0, 1]
    message, call = (one["item"] for one in done)
    assert (message["id"], call["id"]) == (MESSAGE, "fc_" + "1" * 32 + "00001")
    assert call == {
        "id": call["id"],
        "type": "function_call",
        "status": "completed",
        "arguments": '{"a":1}',
        "call_id": "c",
        "name": "f",
    }
    assert events[-1]["response"]["output"] == [message, call]
    for event in events:
        if "item_id" in event:
            assert event["item_id"] == done[event["output_index"]]["item"]["id"]


def test_what_comes_right_before_the_end_leaves_with_it() -> None:
    case = Case()
    assert case.write(Text("H"))
    assert case.write(Text("i", last=True), CallBegun(0, "c", "f"), CallArguments(0, "{}")) == b""
    assert case.write(Finished("tool_calls")) == b""
    assert kinds(parsed(case.write(USAGE)))[0] == "output_text.delta"


# --- the end


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_the_end_by_its_reason(reason: str, status: str, details: Json | None) -> None:
    last = Case().all(Text("Hi"), reason=reason)[-1]
    response = last["response"]
    assert last["type"] == f"response.{status}"
    assert (response["status"], response["incomplete_details"]) == (status, details)
    assert response["output"][0]["status"] == status
    assert response["completed_at"] == (1700000001 if status == "completed" else None)
    assert response["usage"] == {
        "input_tokens": 8,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 10,
    }


def test_calls_are_whole_also_where_the_answer_is_not() -> None:
    said = [Text("H"), CallBegun(0, "c", "f"), CallArguments(0, "{}")]
    response = Case().all(*said, reason="length")[-1]["response"]
    assert [item["status"] for item in response["output"]] == ["completed", "completed"]
    assert response["status"] == "incomplete"


def test_a_response_is_kept_when_it_ends_and_before_it_is_said() -> None:
    case = Case()
    case.write(Text("Hi"), Finished("stop"))
    assert case.kept == []
    assert parsed(case.write(USAGE))[-1]["response"] == case.kept[0]
    assert len(case.kept) == 1


def test_a_failure_is_an_error_and_then_a_failed_response() -> None:
    case = Case()
    case.write(Text("H"), Text("i", last=True))
    events = parsed(case.encoder.fail(RateLimited("Slow down.", param="p")))
    assert kinds(events) == ["output_text.delta", "error", "failed"]
    error = {
        "message": "Slow down.",
        "type": "rate_limit_error",
        "param": "p",
        "code": "rate_limit_exceeded",
    }
    assert events[1] == {
        "type": "error",
        "sequence_number": 6,
        "code": "rate_limit_exceeded",
        "message": "Slow down.",
        "param": "p",
        "error": error,
    }
    response = events[2]["response"]
    assert (response["status"], response["error"], response["output"]) == ("failed", error, [])
    assert case.kept == []


def test_a_failure_before_anything_opens_the_stream_first() -> None:
    events = parsed(Case().encoder.fail(BadRequest("No.")))
    assert kinds(events) == [*BEGIN, "error", "failed"]
    assert events[2]["code"] is None
    assert events[3]["response"]["error"]["code"] == "invalid_prompt"  # there has to be one


def test_a_failure_behind_the_end_takes_its_place() -> None:
    case = Case()
    case.write(Text("Hi"), Finished("stop"))
    assert kinds(parsed(case.encoder.fail(GatewayError("x")))) == ["error", "failed"]


def test_what_was_sent_cannot_be_taken_back() -> None:
    with pytest.raises(UpstreamGarbled) as caught:
        Case().write(Text("Hi"), Replaced("Ho"))
    assert caught.value.code == "upstream_inconsistent"


# --- the response


def test_it_has_all_that_the_sdk_wants() -> None:
    response = started(tools=[TOOL], mark="emulator")
    parsed_ = Response.model_validate(response)
    assert parsed_.id == RESPONSE
    wanted = {name for name, field in Response.model_fields.items() if field.is_required()}
    assert wanted <= set(response)


def test_what_was_asked_comes_back() -> None:
    asked = {
        "model": "m",
        "instructions": "Be brief.",
        "max_output_tokens": 9,
        "max_tool_calls": 2,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "temperature": 0.5,
        "tool_choice": {"type": "function", "name": "f"},
        "top_p": 0.25,
        "user": "u",
    }
    response = started(**asked, tools=[TOOL])
    assert {name: response[name] for name in asked} == asked
    assert response["tools"] == [{**TOOL, "description": None, "strict": True}]


def test_what_has_no_effect_is_told_as_what_holds_instead() -> None:
    asked = {
        "reasoning": {"effort": "high"},
        "service_tier": "flex",
        "truncation": "auto",
        "text": {"verbosity": "low"},
    }
    response = started(**asked)
    assert response["reasoning"] == {"effort": None, "summary": None}
    assert (response["service_tier"], response["truncation"]) == ("default", "disabled")
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "medium"}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (None, {"type": "text"}),
        ({"type": "json_object", "more": 1}, {"type": "json_object"}),
        (
            {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": None},
            {
                "type": "json_schema",
                "name": "n",
                "schema": {"a": 1},
                "strict": True,
                "description": None,
            },
        ),
    ],
)
def test_the_format_comes_back(wanted: Json | None, told: Json) -> None:
    assert started(input="json", text={"format": wanted})["text"]["format"] == told


def test_null_is_as_good_as_absent() -> None:
    names = ("instructions", "metadata", "tools", "tool_choice", "parallel_tool_calls", "text")
    assert started(**dict.fromkeys(names)) == started()


def test_only_an_upstream_that_is_none_is_marked() -> None:
    assert "system_fingerprint" not in started()
    assert started(mark="emulator")["system_fingerprint"] == "emulator"


# --- both ways

_SAID = st.lists(st.text(min_size=1, max_size=20).map(Text), max_size=6)
_CALLS = st.lists(st.text(min_size=1, max_size=9), max_size=3)


def _call(index: int, arguments: str) -> list[Event]:
    begins = CallBegun(index, f"call_{index}", "f")
    return [begins, CallArguments(index, arguments), CallArguments(index, "!")]


@given(_SAID, _CALLS, st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
@example([Text("é" * (2 * PIECE + 1)), Text("😀" * PIECE)], [], "stop")
@example([], ["\x00" * (PIECE + 1)], "tool_calls")
@settings(max_examples=100, deadline=None)
def test_streamed_or_not_it_is_the_same_response(
    said: list[Event], arguments: list[str], reason: str
) -> None:
    calls = [one for index, text in enumerate(arguments) for one in _call(index, text)]
    events = [*said, *calls, Finished(reason), USAGE]
    case = Case()
    data = case.write(*events)
    streamed = parsed(data)
    assert streamed[-1]["response"] == whole(started(), fold(events), lambda: 1700000001.5)
    grown: dict[int, str] = {}
    for event in streamed:
        if event["type"].endswith(".delta"):
            assert len(json.dumps(event, ensure_ascii=False).encode()) < LINE
            grown[event["output_index"]] = grown.get(event["output_index"], "") + event["delta"]
    for index, item in enumerate(streamed[-1]["response"]["output"]):
        text = item["content"][0]["text"] if item["type"] == "message" else item["arguments"]
        assert grown.get(index, "") == text


def test_a_refusal_is_the_same_streamed_or_not() -> None:
    events = [Refused("I would "), Refused("rather not."), Finished("stop"), USAGE]
    last = Case().all(*events[:2])[-1]["response"]
    assert last == whole(started(), fold(events), lambda: 1700000001.5)
    assert last["output"][0]["content"] == [{"type": "refusal", "refusal": "I would rather not."}]


def test_no_delta_is_a_long_line() -> None:
    case = Case()
    for line in case.write(Text("\x00" * 5 * PIECE), Refused("\x00" * 2 * PIECE)).split(b"\n"):
        assert len(line) < LINE or b".done" in line
