"""How a stream behaves: its text, its pace, and what happens when something fails in it."""

import time
from typing import Any

from langfast_wsgi.cli.conformance import figures, wording
from langfast_wsgi.cli.conformance.check import Group
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.conformance.transcript import Transcript
from langfast_wsgi.cli.steps import NotDone

GROUP = Group("How a stream behaves")

_KEYS = {"message", "type", "param", "code"}
_ODD = "Ünïcode 😀😀 \u2028 data: [DONE]\n\n👩‍👩‍👧 e\u0301 and an end 😀"
_LONGEST_LINE = 64 * 1024
_QUIET = 3.0
_PROMPT = 3.0  # seconds within which an answer that is complete has to end
_PACE = 0.15
_CUTTING = ("drop", "bad-packet")
_RECONNECT = 0.1
_FAILED = 'langfast_runs_total{outcome="upstream_run_failed"}'


def _faulty(fault: str) -> dict[str, Any]:
    """A fault of a run, so slow a run that a socket lost by it is back before it is over."""
    reply: dict[str, Any] = {"fault": fault} if fault else {}
    return reply | ({"interval": _RECONNECT} if fault in _CUTTING else {})


def _failing(look: Look, **options: object) -> Transcript:
    """A stream that fails behind its third chunk."""
    messages = look.server.saying("one two three four five six", chunks=6, fault="fail", at=3)
    return look.opened(look.server.stream(messages, **options))


@GROUP.check(27, "An interrupted stream is accounted for", Tag.GATEWAY)
def interrupted(look: Look) -> None:
    """By the emulator: a stream with `include_usage` fails in the middle. It may lack the usage;
    the run is counted in `/metrics` all the same.
    """
    look.needs_emulator("fail in mid-stream")
    before = figures.series(look.server)
    stream = _failing(look, stream_options={"include_usage": True})
    look.must(stream.error, "an error event", stream.ending)
    wanted = before.get(_FAILED, 0) + 1
    counted = figures.until(look.server, lambda now: now.get(_FAILED, 0) >= wanted, _PROMPT)
    look.must(counted, "one more failed run in /metrics", "none within 3 s")


@GROUP.check(28, "The deltas add up to the unstreamed text", Tag.GATEWAY)
def same_text(look: Look) -> None:
    """By the emulator: a text of many alphabets, with its events doubled, reordered, cut inside a
    character and sent over a socket that is lost, is the same streamed, unstreamed and as it was
    written. Elsewhere: a sentence that the model repeats unstreamed has to come the same in one of
    three streams.
    """
    if look.server.steerable:
        for fault in ("", "duplicate", "reorder", "split-surrogate", "drop"):
            messages = look.server.saying(_ODD, chunks=9, **_faulty(fault))
            whole, streamed = look.completed(messages).text, look.streamed(messages).text()
            look.must(whole == _ODD, f"the text as it was written ({fault or 'plain'})", whole)
            look.must(streamed == whole, f"the same in a stream ({fault or 'plain'})", streamed)
        return
    messages = look.server.saying(wording.SENTENCE)
    whole = look.completed(messages).text
    if whole != wording.SENTENCE:
        raise NotDone("the model does not repeat a sentence, so there is nothing to compare")
    said = ""
    for _ in range(3):
        said = look.streamed(messages).text()
        if said == whole:
            break
    look.must(said == whole, "the same text in a stream", said)


@GROUP.check(34, "Heartbeats are comments, and the stream goes on", Tag.SDK, Tag.GATEWAY)
def heartbeats(look: Look) -> None:
    """By the emulator: a stream that is quiet for three seconds in the middle; what comes then is
    comment lines in blocks of their own, and the stream is whole. Where none comes within three
    seconds (they come every HEARTBEAT_SECONDS, 15 by default) there is nothing to look at.
    """
    look.needs_emulator("be quiet in mid-stream")
    messages = look.server.saying(wording.SENTENCE, chunks=2, interval=_QUIET)
    stream = look.streamed(messages)
    look.must(not stream.strange, "nothing but events and comments", stream.strange)
    look.must(stream.text() == wording.SENTENCE, "the whole text", stream.text())
    look.must(stream.done, "[DONE] at its end", stream.ending)
    if not stream.comments:
        raise NotDone("no heartbeat came in three seconds")
    mixed = [one.lines for one in stream.blocks if one.data is not None and len(one.lines) > 1]
    look.must(not mixed, "comments in blocks of their own", mixed)


@GROUP.check(35, "A failure before the first output keeps its status", Tag.GATEWAY)
def early_failure(look: Look) -> None:
    """A stream of a model that does not exist is a 4xx in JSON; and, by the emulator, one whose
    run does not start is a 5xx in JSON: neither is a stream.
    """
    server = look.server
    answers = [server.completion(wording.GREETING, stream=True, model="no-such-model-here")]
    if server.steerable:
        answers.append(server.completion(server.saying("x", fault="start-500"), stream=True))
    for answer, family in zip(answers, (4, 5), strict=False):
        look.must(answer.status // 100 == family, f"{family}xx", answer.described)
        look.must(isinstance(answer.error, dict), "an error in JSON", answer.described)


@GROUP.check(36, "A failure behind output is one error event, then [DONE]", Tag.SDK, Tag.GATEWAY)
def late_failure(look: Look) -> None:
    """By the emulator: a run fails behind its third chunk. The text before it comes, then one
    event with an error of all four keys, then `[DONE]`; and no finish reason.
    """
    look.needs_emulator("fail in mid-stream")
    stream = _failing(look)
    look.must(stream.text(), "the text before the failure", stream.ending)
    look.must(isinstance(stream.error, dict), "an event with an `error` object", stream.ending)
    keys = set(stream.error) if isinstance(stream.error, dict) else set()
    look.must(keys >= _KEYS, "message, type, param and code in it", sorted(keys), tag=Tag.GATEWAY)
    look.must(stream.done, "[DONE] behind it", stream.ending, tag=Tag.GATEWAY)
    reasons = stream.finish_reasons
    look.must(not reasons, "no finish_reason", reasons, tag=Tag.GATEWAY)


@GROUP.check(37, "No stream ends without a finish reason or an error", Tag.GATEWAY)
def never_open(look: Look) -> None:
    """Every stream of this check ends with either: a plain one, one with its usage, one that a
    limit cuts; by the emulator also one that fails and one whose socket is lost for good.
    """
    server = look.server
    streams = [server.streamed(), server.counted()]
    streams.append(server.stream(server.saying(wording.SENTENCE), max_completion_tokens=3))
    if server.steerable:
        streams.append(_failing(look))
        dropped = server.saying(wording.SENTENCE, chunks=9, **_faulty("drop"))
        streams.append(server.stream(dropped))
    for stream in streams:
        look.must(stream.finish_reasons or stream.error, "an end or an error", stream.ending)
        look.must(not (stream.finish_reasons and stream.error), "not both of them", stream.ending)


@GROUP.check(39, "The first text comes before the last is written", Tag.GATEWAY)
def unbuffered(look: Look) -> None:
    """By the emulator: eight pieces at a known pace, of which the first comes long before the end.
    Elsewhere: the texts of a longer answer do not all come in its last moments.
    """
    if look.server.steerable:
        messages = look.server.saying(wording.SENTENCE, chunks=8, interval=_PACE)
        stream = look.streamed(messages)
        spread = _spread(stream)
        look.must(spread > 3 * _PACE, f"texts over {7 * _PACE:.1f} s", f"{spread:.2f} s")
        return
    stream = look.streamed([wording.user("Count from 1 to 60, each number in words.")])
    spread, spent = _spread(stream), stream.answer.spent
    if len(stream.spoken_at) < 20 or spent < 0.5:
        raise NotDone("the answer is too short to tell")
    look.must(
        spread > spent / 10, f"texts over more than a tenth of {spent:.1f} s", f"{spread:.2f} s"
    )


def _spread(stream: Transcript) -> float:
    """The seconds between the first and the last text."""
    at = stream.spoken_at
    return at[-1] - at[0] if at else 0.0


@GROUP.check(40, "What the upstream garbles is skipped or fails cleanly", Tag.GATEWAY)
def garbled(look: Look) -> None:
    """By the emulator: events without meaning among the good ones, and an end of another form than
    usual. The text is whole, and the stream ends within three seconds. (A run of which no end
    comes at all cannot be told from one that thinks: that is the idle limit's.)
    """
    look.needs_emulator("send malformed events")
    for fault in (
        "no-argument",
        "unknown-event",
        "unknown-status",
        "bad-packet",
        "completion-finished-event",
        "no-completed-content",
    ):
        begun = time.monotonic()
        messages = look.server.saying(wording.SENTENCE, chunks=9, **_faulty(fault))
        stream = look.streamed(messages)
        spent = time.monotonic() - begun
        whole = stream.text() == wording.SENTENCE and stream.finish_reasons == ["stop"]
        look.must(whole or stream.error, f"the whole text or an error ({fault})", stream.ending)
        look.must(stream.done, f"[DONE] at the end ({fault})", stream.ending)
        look.must(spent < _PROMPT, f"an end within {_PROMPT:g} s ({fault})", f"{spent:.1f} s")


@GROUP.check(41, "No line of a stream is longer than 64 KiB", Tag.GATEWAY)
def short_lines(look: Look) -> None:
    """By the emulator: a text of 400 KB in one piece, all of it in lines below 64 KiB. Elsewhere:
    the lines of the plain streams.
    """
    server = look.server
    streams = [server.streamed(), server.counted()]
    if server.steerable:
        text = "\u0001😀" * 40_000
        streams.append(look.streamed(server.saying(text, chunks=1)))
        look.must(streams[-1].text() == text, "the whole text", streams[-1].ending)
    lines = [line for one in streams for block in one.blocks for line in block.lines]
    longest = max((len(line.encode()) for line in lines), default=0)
    look.must(lines, "lines", "none")
    look.must(longest < _LONGEST_LINE, "lines below 65536 bytes", f"{longest} bytes")


@GROUP.check(38, "A caller that leaves frees its place within 3 s", Tag.GATEWAY)
def leaving(look: Look) -> None:
    """By the emulator: callers leave before the first text (streamed and not) and in mid-stream.
    Each time `langfast_runs_in_flight` in `/metrics` is soon back to what it was, and one
    departure is counted.
    """
    look.needs_emulator("keep a caller waiting")
    figures.leaving(look)
