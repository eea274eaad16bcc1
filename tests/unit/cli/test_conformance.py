"""How checks of ``doctor --conformance`` come out, whatever they look at."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from langfast_wsgi.cli.conformance import raw, report, suite, wording
from langfast_wsgi.cli.conformance.answer import MISSING, Answer, dig
from langfast_wsgi.cli.conformance.check import Check, Result, carried_out, results
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.conformance.server import Server, Unanswered
from langfast_wsgi.cli.conformance.transcript import Transcript
from langfast_wsgi.cli.steps import Mark, NotDone
from tests.support.crooked import Crook, Reply, Request, crooked
from tests.unit.cli.command import answering

KEY = "sk-a-secret"
NOBODY = "http://127.0.0.1:9/v1"


def check(looking: Callable[[Look], None], *tags: Tag, limit: float = 5.0) -> Check:
    return Check(1, "A rule", tags or (Tag.SPEC,), looking, limit)


def server(*, own: bool = False) -> Server:
    made = Server(NOBODY, KEY, "m")
    made._kept.update(own=own, steerable=False)
    return made


def holds(look: Look) -> None:
    look.must(True, "something")


def breaks(look: Look) -> None:
    look.must(False, "something", "something else")


def goes_beyond(look: Look) -> None:
    look.must(False, "something", "something else", tag=Tag.GATEWAY)
    look.must(True, "the rest")


def is_left_out(_: Look) -> None:
    raise NotDone("no need")


def looks_at_nothing(_: Look) -> None:
    return


def errs(_: Look) -> None:
    raise KeyError(KEY)


def gets_no_answer(look: Look) -> None:
    look.server.get("/models")


def takes_too_long(_: Look) -> None:
    time.sleep(2)


@pytest.mark.parametrize(
    ("looking", "mark", "text", "expected"),
    [
        (holds, Mark.PASSED, "", ""),
        (breaks, Mark.FAILED, "saw something else", "something"),
        (goes_beyond, Mark.REMARKED, "saw something else", "something"),
        (is_left_out, Mark.SKIPPED, "skipped: no need", ""),
        (looks_at_nothing, Mark.FAILED, "the check itself failed: it has looked at nothing", ""),
        (errs, Mark.FAILED, "the check itself failed: KeyError", ""),
        (gets_no_answer, Mark.FAILED, "saw no answer: nothing listens there", "an answer"),
    ],
)
def test_how_a_check_comes_out(
    looking: Callable[[Look], None], mark: Mark, text: str, expected: str
) -> None:
    result = carried_out(check(looking), server())
    assert (result.mark, result.text, result.expected) == (mark, text, expected)


def test_a_check_that_takes_too_long_fails() -> None:
    result = carried_out(check(takes_too_long, limit=0.05), server())
    assert (result.mark, result.text) == (Mark.FAILED, "saw no result within 0.05 s")


@pytest.mark.parametrize(
    ("own", "strict", "mark"),
    [
        (False, False, Mark.REMARKED),
        (False, True, Mark.FAILED),
        (True, False, Mark.FAILED),
    ],
)
def test_what_goes_beyond_openai_counts_for_our_own_and_where_it_is_wanted(
    own: bool, strict: bool, mark: Mark
) -> None:
    for looking, tags in ((breaks, (Tag.GATEWAY,)), (goes_beyond, (Tag.SPEC, Tag.GATEWAY))):
        assert carried_out(check(looking, *tags), server(own=own), strict=strict).mark is mark


def test_a_rule_of_openais_counts_for_everybody() -> None:
    assert carried_out(check(breaks, Tag.SPEC, Tag.GATEWAY), server()).mark is Mark.FAILED


def test_the_key_is_in_no_finding() -> None:
    def looking(look: Look) -> None:
        look.must(False, "another", {"message": f"Incorrect API key provided: {KEY}"})

    result = carried_out(check(looking), server())
    assert KEY not in result.text
    assert "***" in result.text


def test_a_server_that_does_not_answer_any_more_is_not_asked_for_ever() -> None:
    found = list(results([check(gets_no_answer)] * 9, server(), strict=False))
    assert [one.mark for one in found] == [Mark.FAILED] * 4 + [Mark.SKIPPED] * 5
    assert "4 checks in a row" in found[-1].text
    found = list(results([check(gets_no_answer), check(holds)] * 9, server(), strict=False))
    assert Mark.SKIPPED not in {one.mark for one in found}


# --- which checks


@pytest.mark.parametrize(
    ("only", "numbers"),
    [("19", [19]), ("20, 19", [19, 20]), ("1-3,2", [1, 2, 3]), ("65", [65])],
)
def test_checks_are_chosen_by_their_numbers(only: str, numbers: list[int]) -> None:
    assert [one.number for one in suite.chosen(only)] == numbers


@pytest.mark.parametrize("only", ["", "0", "66", "a", "1-", "3-1", "-1", "1,,2", "1-900"])
def test_what_is_no_number_of_a_check_is_refused(only: str) -> None:
    with pytest.raises(suite.NoCheck):
        suite.chosen(only)


def test_every_check_says_what_it_is_and_how_it_looks() -> None:
    for one in suite.CHECKS:
        assert one.title
        assert one.tags
        assert one.how.endswith((".", ".)"))
    assert len({one.title for one in suite.CHECKS}) == 65


# --- answers and streams


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"a": [{"b": None}]}, ("a", 0, "b"), None),
        ({"a": []}, ("a", 0), MISSING),
        ({"a": []}, ("a", "b"), MISSING),
        ({"a": [1, 2]}, ("a", -1), 2),
        ([1], (0,), 1),
        ("text", (0,), MISSING),
        (None, ("a",), MISSING),
        (5, (), 5),
    ],
)
def test_a_value_is_found_by_its_path_or_missing(value: Any, path: Any, found: Any) -> None:
    assert dig(value, *path) is found or dig(value, *path) == found


def transcript(*pieces: bytes) -> Transcript:
    timed = tuple((float(at), piece) for at, piece in enumerate(pieces))
    return Transcript(Answer(200, {}, timed, float(len(pieces))))


def said(text: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}' % text.encode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_stream_is_taken_apart_wherever_it_was_cut(end: bytes) -> None:
    whole = (2 * end).join([said("añ"), b": ping", said("b"), b"data: [DONE]", b""])
    for at in range(len(whole)):
        stream = transcript(whole[:at], whole[at:])
        assert (stream.text(), stream.done, stream.comments) == ("añb", True, [": ping"])
        assert stream.rest == ""


def test_texts_have_the_time_at_which_their_event_was_whole() -> None:
    stream = transcript(said("a")[:9], said("a")[9:] + b"\n", b"\n", said("b") + b"\n\n")
    assert stream.spoken_at == [2.0, 3.0]


def test_what_is_no_event_is_told_apart() -> None:
    stream = transcript(b'data: hello\n\ndata: 5\n\ndata: {"error": {"code": "x"}}\n\ndata: {')
    assert stream.strange == ["hello", "5"]
    assert stream.error == {"code": "x"}
    assert stream.rest == "data: {"
    assert not stream.done
    assert not stream.chunks


def test_chunks_of_any_shape_are_taken() -> None:
    lines = [b"{}", b'{"choices":5}', b'{"choices":[5,{"index":0,"delta":null}]}']
    stream = transcript(*(b"data: " + line + b"\n\n" for line in lines))
    assert stream.text() == ""
    assert len(stream.chunks) == 3
    assert len(stream.of(0)) == 1


# --- the server


def test_an_answer_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_drips, args=(listener,), daemon=True).start()
        slow = Server(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", None, "m")
        began = time.monotonic()
        with pytest.raises(Unanswered, match="did not end within"):
            slow.get("/models", seconds=0.3)
        assert time.monotonic() - began < 10


def _drips(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"x")
                time.sleep(0.01)
        except OSError:
            return  # the other side has had enough


def test_an_answer_is_bounded_in_size() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    with answering(b"x" * (9 << 20), head=head) as url, pytest.raises(Unanswered, match="longer"):
        Server(f"{url}/v1", None, "m").get("/models")


def test_what_nobody_answered_is_not_asked_twice() -> None:
    silent = Server(NOBODY, None, "m")
    for _ in range(2):
        with pytest.raises(Unanswered):
            silent.plain()
    assert isinstance(silent._kept["plain"], Unanswered)
    assert silent.model_ids == []


def limiting(times: int) -> Crook:
    """A server that refuses so many requests for their rate."""
    left = [times]

    def ask(_: Request) -> Reply:
        left[0] -= 1
        limit = {"retry-after": "0", "content-length": "0"}
        return Reply(429, limit) if left[0] >= 0 else Reply(200, {"content-length": "0"})

    return Crook(ask=ask)


def test_a_rate_limit_of_the_servers_own_is_waited_for_once_and_no_breach() -> None:
    def looking(look: Look) -> None:
        look.must(look.server.chat({"model": "m"}).status == 200, "an answer")

    with crooked(NOBODY, limiting(1)) as url:
        assert carried_out(check(looking), Server(url, None, "m")).mark is Mark.PASSED
    with crooked(NOBODY, limiting(2)) as url:
        result = carried_out(check(looking), Server(url, None, "m"))
    assert result.mark is Mark.SKIPPED
    assert "(429)" in result.text


def test_what_the_server_calls_its_models_does_not_steer_a_terminal() -> None:
    named = Server(NOBODY, None, "m\x1b[2J")
    named._kept.update(own=False, steerable=False)
    assert report.heading(named).isprintable()
    result = carried_out(check(lambda look: look.breach("a\x1bb", "c\x1bd")), server())
    assert (result.text + result.expected).isprintable()


def test_a_body_is_announced_and_never_sent() -> None:
    head = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n"
    with answering(b"{}", head=head) as url:
        # The length is no more than the server waits for.
        answer = raw.announced(Server(f"{url}/v1", KEY, "m"), 0)
    assert (answer.status, answer.body) == (413, b"{}")
    with pytest.raises(Unanswered):
        raw.announced(Server(NOBODY, None, "m"), 1)


# --- what is told


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two\nlines", "two lines"),
        ({"a": None}, '{"a": null}'),
        (None, "null"),
        (MISSING, "nothing"),
        ({"b", "a"}, '["a", "b"]'),
        ("x" * 500, "x" * 159 + "…"),
    ],
)
def test_what_was_seen_is_one_short_line(value: Any, shown: str) -> None:
    assert wording.shown(value, None) == shown


def test_a_request_is_described_by_what_is_special_about_it() -> None:
    assert wording.described({"messages": wording.GREETING, "n": 0}) == '{"n": 0}'
    assert wording.described({}) == "{}"
    assert wording.described({"messages": []}) == '{"messages": []}'


def test_results_are_counted() -> None:
    found = [Result(check(holds), mark) for mark in (Mark.PASSED, Mark.PASSED, Mark.REMARKED)]
    told = report.summary(found, 1.25)
    assert told == "2 passed, 0 failed, 1 remarks, 0 skipped of 3 in 1.2 s"
