"""Events as they go over the wire, in every shape."""

import json
from typing import Any

import pytest

from langfast_wsgi.emulator.replies.reply import Details, Reply
from langfast_wsgi.emulator.runs.rendering import shaper
from langfast_wsgi.emulator.runs.steps import Say

_JOB = "6f1e"
_CHUNK = Say(0.0, "so far", 0)
_LAST = Say(0.0, "so far, so good", 1, "completed", "stop")
_RECORD = {
    "executionId": _JOB,
    "status": "in_progress",
    "finish_reason": None,
    "content": "so far",
}


def _sent(say: Say, *faults: str, job_id: str | None = _JOB, **details: Any) -> list[list[Any]]:
    reply = Reply("", faults=frozenset(faults), details=Details(**details))
    return [json.loads(event.payload[2:]) for event in shaper(reply, job_id)(say)]


def test_a_chunk_is_one_event_with_one_record() -> None:
    assert _sent(_CHUNK) == [["execution:chunk", _RECORD]]


def test_the_end_carries_the_reason() -> None:
    [[_, record]] = _sent(_LAST)
    assert (record["status"], record["finish_reason"]) == ("completed", "stop")


def test_without_job_ids_no_event_names_one() -> None:
    [[_, record]] = _sent(_CHUNK, job_id=None)
    assert "executionId" not in record


def test_a_message_goes_with_the_events_as_their_error() -> None:
    [[_, record]] = _sent(_CHUNK, message="out of order")
    assert record["error"] == "out of order"


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        ("as-plain-text", [["execution:chunk", "so far"]]),
        ("as-number", [["execution:chunk", 6]]),
        ("as-null", [["execution:chunk", None]]),
        ("as-list", [["execution:chunk", [_RECORD]]]),
        ("extra-argument", [["execution:chunk", _RECORD, "offset-1"]]),
        ("no-argument", [["execution:chunk"], ["execution:chunk", _RECORD]]),
        (
            "unknown-event",
            [
                ["execution:debug", {"note": "nobody knows this event"}],
                ["execution:chunk", _RECORD],
            ],
        ),
        ("completion-finished-event", [["execution:chunk", _RECORD]]),
    ],
)
def test_a_fault_changes_the_shape(fault: str, events: list[list[Any]]) -> None:
    assert _sent(_CHUNK, fault) == events


def test_as_json_text_sends_the_record_as_a_text() -> None:
    [[_, text]] = _sent(_CHUNK, "as-json-text")
    assert json.loads(text) == _RECORD


def test_half_a_character_survives_being_a_json_text() -> None:
    [[_, text]] = _sent(Say(0.0, "a\ud83e", 0), "as-json-text")
    assert json.loads(text)["content"] == "a\ud83e"


def test_as_plain_text_still_ends_with_a_record() -> None:
    [[_, record]] = _sent(_LAST, "as-plain-text")
    assert record["status"] == "completed"


def test_completion_finished_stands_in_for_the_completed_event() -> None:
    sent = _sent(_LAST, "completion-finished-event")
    assert sent == [["completion_finished", {"executionId": _JOB, "finish_reason": "stop"}]]


def test_unknown_run_comes_before_the_chunk_with_another_id() -> None:
    [[_, stranger], [_, own]] = _sent(_CHUNK, "unknown-run")
    assert stranger["executionId"] != own["executionId"]


@pytest.mark.parametrize("fault", ["as-number", "as-null", "as-list", "chunk-change"])
def test_the_end_is_a_whole_record_all_the_same(fault: str) -> None:
    [[_, record]] = _sent(_LAST, fault, change={"content": None, "status": 5})
    assert (record["status"], record["content"]) == ("completed", "so far, so good")


def test_chunk_change_replaces_fields_and_takes_them_away() -> None:
    [[_, record]] = _sent(_CHUNK, "chunk-change", change={"content": 5, "executionId": None})
    assert record == {"status": "in_progress", "finish_reason": None, "content": 5}


def test_the_other_jobs_say_something_else_before_each_event() -> None:
    reply = Reply("", faults=frozenset({"other-jobs"}))
    for say in (_CHUNK, _LAST):
        events = shaper(reply, _JOB, ["a", "b"])(say)
        records = [json.loads(event.payload[2:])[1] for event in events]
        told = [(record["executionId"], record["content"]) for record in records]
        assert told == [("a", say.text.upper()), ("b", say.text.upper()), (_JOB, say.text)]
        assert {record["status"] for record in records} == {say.status}


def test_as_binary_record_puts_the_whole_record_into_an_attachment() -> None:
    reply = Reply("", faults=frozenset({"as-binary-record"}))
    [event] = shaper(reply, _JOB)(_CHUNK)
    assert event.payload == b'451-["execution:chunk",{"_placeholder":true,"num":0}]'
    assert json.loads(event.attachment or b"") == _RECORD


def test_bad_binary_comes_before_the_chunk_and_is_no_utf_8() -> None:
    reply = Reply("", faults=frozenset({"bad-binary"}))
    bad, good = shaper(reply, _JOB)(_CHUNK)
    with pytest.raises(UnicodeDecodeError):
        (bad.attachment or b"").decode()
    assert json.loads(good.payload[2:])[1] == _RECORD


def test_as_binary_puts_the_text_into_an_attachment() -> None:
    reply = Reply("", faults=frozenset({"as-binary"}))
    [event] = shaper(reply, _JOB)(_CHUNK)
    assert event.payload.startswith(b"451-")
    assert event.attachment == b"so far"
