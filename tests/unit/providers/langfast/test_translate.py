"""Requests to payloads, frames to updates, cumulative text to events."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.conversation.events import Event, Replaced, Text
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import ContentFiltered, GatewayError, PromptTooLong, RunFailed
from langfast_wsgi.providers.langfast.inbox import Update
from langfast_wsgi.providers.langfast.translate import (
    FAILURES,
    Growth,
    chunk,
    clean,
    completion_finished,
    finish_reason,
    job_id_of,
    payload,
)

# --- request → payload


def paid(request: RunRequest) -> dict[str, object]:
    return dict(payload(request, run_id="r1", prompt_id="p1", user_id="u1"))


def test_a_request_that_says_nothing_gets_the_upstreams_defaults() -> None:
    messages = [{"role": "user", "content": "hi"}]
    assert paid(RunRequest("gpt-x", messages)) == {
        "run_id": "r1",
        "prompt_id": "p1",
        "prompt_meta": {
            "model": "gpt-x",
            "messages": messages,
            "temperature": 0.7,
            "top_p": 1,
            "frequency_penalty": 0,
            "presence_penalty": 0,
            "max_completion_tokens": 16384,
            "response_format": "text",
            "stream": True,
        },
        "test_cases": [],
        "created_by": "u1",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0),
        ("temperature", 1.5),
        ("top_p", 0),
        ("frequency_penalty", -2),
        ("presence_penalty", 0.0),
        ("max_completion_tokens", 1),
    ],
)
def test_what_the_caller_said_is_passed_on_also_where_it_is_zero(field: str, value: float) -> None:
    meta = paid(RunRequest("m", [], **{field: value}))["prompt_meta"]
    assert isinstance(meta, dict)
    assert meta[field] == value


def test_messages_are_passed_on_untouched() -> None:
    messages = [{"role": "tool", "content": [{"type": "text", "text": "x"}], "name": "n"}]
    meta = paid(RunRequest("m", messages))["prompt_meta"]
    assert isinstance(meta, dict)
    assert meta["messages"] is messages


# --- execution:chunk → update

RUNNING = {"executionId": "j", "status": "in_progress", "finish_reason": None, "content": "abc"}
DONE = {"executionId": "j", "status": "completed", "finish_reason": "length", "content": "abcd"}


@pytest.mark.parametrize(
    ("argument", "update"),
    [
        (RUNNING, Update("j", "abc")),
        (DONE, Update("j", "abcd", "length")),
        ({**DONE, "finish_reason": None}, Update("j", "abcd", "stop")),
        ({**DONE, "finish_reason": "end_turn"}, Update("j", "abcd", "stop")),
        ({**DONE, "finish_reason": ["stop"]}, Update("j", "abcd", "stop")),
        ({"executionId": "j", "status": "completed"}, Update("j", None, "stop")),
        ({"status": "in_progress", "content": "abc"}, Update(None, "abc")),
        ({**RUNNING, "executionId": ""}, Update(None, "abc")),
        ({**RUNNING, "executionId": None}, Update(None, "abc")),
        ({**RUNNING, "executionId": 7}, Update(None, "abc")),
        ({**RUNNING, "content": None}, Update("j")),
        ({**RUNNING, "content": 7}, Update("j")),
        ({**RUNNING, "content": ""}, Update("j", "")),
        ({**RUNNING, "status": "thinking"}, Update("j", "abc", odd_status="thinking")),
        ({**RUNNING, "status": None}, Update("j", "abc")),
        ({**RUNNING, "status": ["completed"]}, Update("j", "abc")),
        ({**RUNNING, "extra": {"a": 1}}, Update("j", "abc")),
        ({}, Update(None)),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_an_object_is_read_field_by_field(argument: object, update: Update) -> None:
    assert chunk(argument) == update


@pytest.mark.parametrize("value", [RUNNING, DONE])
@pytest.mark.parametrize("around", ["{}", " \n{}", "{}\n"])
def test_a_json_text_of_the_object_is_read_like_the_object(
    value: dict[str, object], around: str
) -> None:
    text = around.replace("{}", json.dumps(value))
    assert chunk(text) == chunk(value)
    assert chunk(text.encode()) == chunk(value)


@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "raw"])
def test_a_json_text_whose_content_ends_in_half_a_surrogate_pair_is_read_like_the_object(
    escaped: bool,
) -> None:
    # Node's JSON.stringify writes the half as an escape; upstream.md §2.5.
    cut = {**RUNNING, "content": "ab\ud83d"}
    assert chunk(json.dumps(cut, ensure_ascii=escaped)) == Update("j", "ab\ud83d")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello",
        "{",
        "{curly} text",
        '{"status": "in_prog',
        '{"answer": 42}',
        '  {"answer": {"status": "completed"}}',
        '[{"status": "completed"}]',
        '"completed"',
        "null",
        "12",
    ],
)
def test_any_other_text_is_the_whole_text_so_far(text: str) -> None:
    assert chunk(text) == Update(None, text)
    assert chunk(text.encode()) == Update(None, text)


def test_json_with_a_status_of_its_own_that_a_model_wrote_is_text() -> None:
    """Neither content, nor a run's id, nor a status that the runner has."""
    text = '{"status": "shipped", "order": 7}'
    assert chunk(text) == Update(None, text)


@pytest.mark.parametrize(
    "argument", [None, 7, 1.5, True, [], [RUNNING], b"\xff\xfe", "tuple and set".split]
)
def test_what_is_neither_object_nor_text_has_no_meaning(argument: object) -> None:
    assert chunk(argument) is None


def test_bytes_inside_an_object_are_text() -> None:
    """A binary event: faults.md C19."""
    assert chunk({**DONE, "content": "né".encode()}) == Update("j", "né", "length")


def test_bytes_inside_an_object_that_are_no_utf_8_are_dropped() -> None:
    assert chunk({**RUNNING, "content": b"\xff"}) in (None, Update("j"))


@pytest.mark.parametrize("status", sorted(FAILURES))
def test_a_status_that_names_a_failure_ends_the_run_with_a_fault(status: str) -> None:
    update = chunk({**RUNNING, "status": status})
    assert update is not None
    assert update.text == "abc"
    assert isinstance(update.ending, RunFailed)
    assert update.ending.code == "upstream_run_failed"
    assert update.ending.message == f"The upstream says that the run ended as {status}."


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"error": "out of\nmemory"}, "failed: out of memory"),
        ({"message": "no"}, "failed: no"),
        ({"error": {"message": "deep"}}, "failed: deep"),
        ({"error": {"code": 1}}, "ended as failed."),
        ({"error": 5}, "ended as failed."),
        ({"error": ""}, "ended as failed."),
    ],
)
def test_a_failure_repeats_what_the_upstream_said(extra: dict[str, object], said: str) -> None:
    update = chunk({"status": "failed", **extra})
    assert update is not None
    assert isinstance(update.ending, RunFailed)
    assert update.ending.message == f"The upstream says that the run {said}"


@pytest.mark.parametrize("status", ["failed", "error"])
@pytest.mark.parametrize(
    ("extra", "kind", "message"),
    [
        (
            {"error": {"code": "context_length_exceeded", "message": "8 tokens\nat most"}},
            PromptTooLong,
            "8 tokens at most",
        ),
        (
            {"error": "This model's maximum context length is 8 tokens."},
            PromptTooLong,
            "This model's maximum context length is 8 tokens.",
        ),
        ({"message": "prompt is too long"}, PromptTooLong, "prompt is too long"),
        (
            {"code": "content_filter"},
            ContentFiltered,
            "The upstream's content filter refused the prompt.",
        ),
        (
            {"finish_reason": "content_filter"},
            ContentFiltered,
            "The upstream's content filter refused the prompt.",
        ),
        ({"error": {"code": "content_policy_violation", "message": "no"}}, ContentFiltered, "no"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_failure_that_is_the_prompts_is_told_as_the_callers(
    status: str, extra: dict[str, object], kind: type[GatewayError], message: str
) -> None:
    update = chunk({**RUNNING, "status": status, **extra})
    assert update is not None
    assert type(update.ending) is kind
    assert (update.ending.status, update.ending.message) == (400, message)
    assert update.ending.retry is False


@pytest.mark.parametrize("place", ["content", "executionId", "prompt"])
def test_a_failure_is_not_judged_by_what_the_model_or_the_caller_said(place: str) -> None:
    update = chunk({**RUNNING, "status": "failed", place: "content_filter"})
    assert update is not None
    assert type(update.ending) is RunFailed


# --- the id of a raw frame


@pytest.mark.parametrize(
    ("payload", "job_id"),
    [
        (b'42["execution:chunk",{"executionId":"j-1.b:c_D","status"', "j-1.b:c_D"),
        (b'42["execution:chunk",{"executionId":"j","content":""executionId":"x""}]', "j"),
        (b'42["execution:chunk",{"executionId":"","status":', None),
        (b'42["execution:chunk",{"executionId":null,"status":', None),
        (b'42["execution:chunk",{"executionId":"a\\u0062","status":', None),
        (b'42["execution:chunk",{"executionId":"\xc3\xa9","status":', None),
        (b'42["execution:chunk",{"executionId": "j","status":', None),
        (b'42["execution:chunk",{"content":"a","executionId":"j"}]', None),
        (b'42["execution:chunk","{\\"executionId\\":\\"j\\",', None),
        (b' 42["execution:chunk",{"executionId":"j",', None),
        (b'42["completion_finished",{"executionId":"j",', None),
        (b'42["execution:chunk"]', None),
        (b"", None),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_the_id_is_read_from_a_raw_frame_where_it_stands_first_and_plain(
    payload: bytes, job_id: str | None
) -> None:
    assert job_id_of(payload.removeprefix(b"42")) == job_id


# --- completion_finished → update


@pytest.mark.parametrize(
    ("argument", "update"),
    [
        (None, Update(None, None, "stop")),
        ("whatever", Update(None, None, "stop")),
        ([1], Update(None, None, "stop")),
        ({}, Update(None, None, "stop")),
        ({"executionId": "j"}, Update("j", None, "stop")),
        ({"executionId": "j", "finish_reason": "length"}, Update("j", None, "length")),
        ({"executionId": "j", "finish_reason": "done"}, Update("j", None, "stop")),
        (RUNNING, Update("j", "abc", "stop")),
        (DONE, Update("j", "abcd", "length")),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_completion_finished_event_is_always_an_end(argument: object, update: Update) -> None:
    assert completion_finished(argument) == update


def test_a_completion_finished_event_may_be_a_json_text_too() -> None:
    """Or its run is not found among several, and never ends."""
    assert completion_finished(json.dumps(DONE)) == Update("j", "abcd", "length")


def test_a_completion_finished_event_with_a_failure_is_a_failure() -> None:
    assert isinstance(completion_finished({"status": "failed"}).ending, RunFailed)


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
def test_openais_finish_reasons_are_passed_on(reason: str) -> None:
    assert finish_reason(reason) == reason


@pytest.mark.parametrize("reason", [None, "", "STOP", "function_call", 7, {"stop"}, "max_tokens"])
def test_any_other_finish_reason_is_stop(reason: object) -> None:
    assert finish_reason(reason) == "stop"


# --- the upstream's words


@pytest.mark.parametrize(
    ("said", "cleaned"),
    [
        (" plain ", "plain"),
        ("a\r\n\tb", "a b"),
        ("a\x00\x1b[31mb\x7f\x9f\u2028\u2029c", "a [31mb c"),
        ("a\ud83d", "a\ufffd"),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 499 + "…"),
        ("\n" * 100_000, ""),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_the_upstreams_words_are_made_one_clean_line(said: str, cleaned: str) -> None:
    assert clean(said) == cleaned


@given(st.text(st.characters(exclude_categories=())))
@settings(max_examples=50, deadline=None)
def test_whatever_the_upstream_says_can_be_written_as_utf_8(said: str) -> None:
    assert len(clean(said).encode()) <= 2000


# --- cumulative text → events

TOKENS = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=6),
    st.sampled_from(["\ud83d", "\ude00", "😀", "👨‍👩‍👧", "\ud83d\ud83d\ude00", "\x00", "a"]),
)
TEXTS = st.lists(TOKENS, max_size=12).map(lambda tokens: joined("".join(tokens)))


def units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def joined(text: str) -> str:
    """As JavaScript sees it: halves that meet are one character."""
    return units(text).decode("utf-16-le", "surrogatepass")


def cut(text: str, at: int) -> str:
    """The first ``at`` UTF-16 units, as JavaScript cuts."""
    return units(text)[: 2 * at].decode("utf-16-le", "surrogatepass")


def whole(text: str) -> str:
    """Without the halves that never became whole."""
    return "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in text)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text, and its cumulative chunks with duplicates and late ones thrown in."""
    text = draw(TEXTS)
    length = len(units(text)) // 2
    at = sorted(draw(st.lists(st.integers(0, length), max_size=8)))
    chunks: list[str] = []
    for end in [*at, length]:
        chunks.append(cut(text, end))
        chunks += [cut(text, draw(st.integers(0, end))) for _ in range(draw(st.integers(0, 2)))]
    return text, chunks


def deltas(events: list[Event | None]) -> list[str]:
    found = [event for event in events if event is not None]
    assert all(isinstance(event, Text) for event in found)
    return [event.delta for event in found if isinstance(event, Text)]


@given(arrivals())
@settings(max_examples=300, deadline=None)
@example(("ab😀", ["ab😀", "ab\ud83d"]))
@example(("😀", ["\ud83d", "😀", "\ud83d"]))
def test_text_in_any_pieces_comes_out_whole_when_the_end_says_nothing(
    case: tuple[str, list[str]],
) -> None:
    text, chunks = case
    growth = Growth()
    got = deltas([*[growth.advance(one) for one in chunks], growth.finish()])
    assert "".join(got) == whole(text)
    assert all(got), "a delta is never empty"
    "".join(got).encode()  # no surrogates


@given(arrivals())
@settings(max_examples=300, deadline=None)
@example(("ab\ud83d", ["ab\ud83d"]))
def test_text_in_any_pieces_comes_out_whole_when_the_end_repeats_it(
    case: tuple[str, list[str]],
) -> None:
    text, chunks = case
    growth = Growth()
    got = deltas([*map(growth.advance, chunks), growth.advance(text, final=True), growth.finish()])
    assert "".join(got) == whole(text)
    assert all(got)


@given(arrivals())
@settings(max_examples=300, deadline=None)
def test_no_event_ever_holds_a_surrogate(case: tuple[str, list[str]]) -> None:
    growth = Growth()
    for delta in deltas([growth.advance(one) for one in case[1]]):
        delta.encode()


@pytest.mark.parametrize(
    ("texts", "events"),
    [
        (["a", "ab", "abc"], [Text("a"), Text("b"), Text("c")]),
        (["a", "a"], [Text("a"), None]),
        (["", ""], [None, None]),
        (["abc", "ab", "abcd"], [Text("abc"), None, Text("d")]),
        (["a\ud83d", "a😀"], [Text("a"), Text("😀")]),
        (["\ud83d", "😀"], [None, Text("😀")]),
        (["a\ud83d", "a\ud83db"], [Text("a"), Text("\ufffdb")]),
        (["a\ude00"], [Text("a\ufffd")]),
        (["abc", "abX"], [Text("abc"), Replaced("abX")]),
        (["abc", "xyz!", "xyz!?"], [Text("abc"), Replaced("xyz!"), Text("?")]),
        (["abc", "xy\ude00"], [Text("abc"), Replaced("xy\ufffd")]),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_growth_as_a_table(texts: list[str], events: list[Event | None]) -> None:
    growth = Growth()
    assert [growth.advance(text) for text in texts] == events


def test_the_last_text_says_that_the_end_follows() -> None:
    growth = Growth()
    growth.advance("a")
    assert growth.advance("ab\ud83d", final=True) == Text("b\ufffd", last=True)
    assert growth.finish() is None


def test_a_half_that_was_held_back_comes_out_at_the_end() -> None:
    growth = Growth()
    assert growth.advance("a\ud83d") == Text("a")
    assert growth.finish() == Text("\ufffd", last=True)


def test_nothing_more_comes_at_the_end_of_a_whole_text() -> None:
    growth = Growth()
    growth.advance("a")
    assert growth.finish() is None
