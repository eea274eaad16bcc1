"""The shape of a stream: its frames, its chunks and their fields."""

from langfast_wsgi.cli.conformance import wording
from langfast_wsgi.cli.conformance.answer import dig, is_whole
from langfast_wsgi.cli.conformance.body import REASONS, sound_usage
from langfast_wsgi.cli.conformance.check import Group
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.conformance.transcript import DONE, Transcript
from langfast_wsgi.cli.steps import NotDone

GROUP = Group("The shape of a stream")


def _plain(look: Look) -> Transcript:
    return look.opened(look.server.streamed())


@GROUP.check(19, "Frames are one data line each, the last is [DONE]", Tag.SPEC, Tag.SDK)
def frames(look: Look) -> None:
    """The bytes of a plain stream: each block has one line, `data: ` and JSON, or is a comment;
    there is no `event:` line; `data: [DONE]` is the last, with an empty line behind it.
    """
    stream = _plain(look)
    for block in stream.blocks:
        lines = [line for line in block.lines if not line.startswith(":")]
        look.must(len(lines) < 2, "one line in a frame", lines)
        for line in lines:
            look.must(line.startswith("data:"), "data lines only", line)
            look.must(line.startswith("data: "), "a space behind `data:`", line, tag=Tag.GATEWAY)
    look.must(not stream.strange, "a JSON object in each frame", stream.strange[:1])
    look.must(stream.done, "`data: [DONE]` as the last frame", stream.ending)
    look.must([data for _, data in stream.datas].count(DONE) == 1, "[DONE] once", stream.ending)
    look.must(not stream.rest, "an empty line behind the last frame", stream.rest)


@GROUP.check(20, "All chunks share id, created, model and object", Tag.SPEC)
def shared_head(look: Look) -> None:
    """The heads of all chunks of a plain stream are the same, with `chat.completion.chunk`."""
    stream = _plain(look)
    look.must(stream.chunks, "chunks", stream.ending)
    for name in ("id", "created", "model"):
        found = {str(dig(chunk, name)) for chunk in stream.chunks}
        look.must(len(found) == 1 and "nothing" not in found, f"one {name} in all chunks", found)
    look.must(
        is_whole(dig(stream.chunks, 0, "created")),
        "whole seconds in created",
        dig(stream.chunks, 0, "created"),
    )
    kinds = {str(dig(chunk, "object")) for chunk in stream.chunks}
    look.must(kinds == {"chat.completion.chunk"}, "object: chat.completion.chunk", sorted(kinds))


@GROUP.check(21, "The first chunk has the role, and no other", Tag.SPEC, Tag.SDK)
def role_once(look: Look) -> None:
    """A plain stream's first delta is a role and an empty text, and no role comes again."""
    choices = _plain(look).of(0)
    look.must(choices, "chunks of choice 0", "none")
    first = dig(choices, 0, "delta")
    look.must(dig(first, "role") == "assistant", "the role in the first delta", first)
    look.must(dig(first, "content") == "", "an empty text beside the role", first)
    look.must(dig(choices, 0, "finish_reason") is None, "finish_reason: null there", choices[0])
    again = [one for one in choices[1:] if dig(one, "delta", "role")]
    look.must(not again, "no role in later deltas", again[:1])


@GROUP.check(22, "One chunk of a choice has the finish reason, its last", Tag.SPEC)
def finished_once(look: Look) -> None:
    """A plain stream has one finish reason, with an empty delta, and nothing of that choice after
    it.
    """
    choices = _plain(look).of(0)
    ends = [at for at, one in enumerate(choices) if one.get("finish_reason") is not None]
    look.must(len(ends) == 1, "exactly one finish_reason", len(ends))
    end = choices[ends[0]] if ends else {}
    look.must(end.get("finish_reason") in REASONS, "a reason of OpenAI's", end)
    look.must(end.get("delta") == {}, "an empty delta beside the finish_reason", end)
    look.must(ends == [len(choices) - 1], "nothing of that choice behind it", choices[-1:])


@GROUP.check(23, "Every choice has delta, finish_reason and index", Tag.SPEC)
def chunk_fields(look: Look) -> None:
    """The keys of each choice of a plain stream; `finish_reason` is null until the end."""
    choices = _plain(look).choices
    look.must(choices, "choices in the chunks", "none")
    for choice in choices:
        for name in ("delta", "finish_reason", "index"):
            look.must(name in choice, f"{name} in each choice", choice)
        is_open = choice["finish_reason"] is None or choice is choices[-1]
        look.must(is_open, "finish_reason: null until the end", choice)


@GROUP.check(24, "include_usage gives one chunk more, with the usage", Tag.SPEC)
def usage_chunk(look: Look) -> None:
    """A stream with `include_usage`: one chunk has no choices and a usage that adds up, all others
    have `usage: null`.
    """
    chunks = look.opened(look.server.counted()).chunks
    filled = [chunk for chunk in chunks if chunk.get("usage")]
    look.must(len(filled) == 1, "exactly one chunk with a usage", len(filled))
    look.must(dig(filled, 0, "choices") == [], "choices: [] beside the usage", filled)
    sound_usage(look, dig(filled, 0, "usage"))
    for chunk in chunks:
        is_null = "usage" in chunk and (chunk["usage"] is None or chunk in filled)
        look.must(is_null, "usage: null in every other chunk", chunk)


@GROUP.check(25, "Without it no chunk has a usage", Tag.SPEC)
def no_usage(look: Look) -> None:
    """No chunk of a plain stream has the key."""
    chunks = _plain(look).chunks
    look.must(chunks, "chunks", "none")
    found = [chunk for chunk in chunks if "usage" in chunk]
    look.must(not found, "no key `usage` in the chunks", found[:1])


@GROUP.check(26, "The usage chunk is the last chunk", Tag.SDK)
def usage_last(look: Look) -> None:
    """A stream with `include_usage`: behind the usage comes `[DONE]` and nothing else."""
    stream = look.opened(look.server.counted())
    last = dig(stream.chunks, -1)
    look.must(dig(last, "usage"), "the usage in the last chunk", last)
    look.must(stream.done, "[DONE] behind it", stream.ending)


@GROUP.check(29, "include_obfuscation is taken, and false means none", Tag.SPEC)
def obfuscation(look: Look) -> None:
    """Streams with the option on and off; with it off no chunk has the key `obfuscation`."""
    for wanted in (True, False):
        options = {"include_obfuscation": wanted}
        stream = look.streamed(wording.GREETING, stream_options=options)
        look.must(stream.done, "a whole stream", stream.ending)
        found = [chunk for chunk in stream.chunks if "obfuscation" in chunk and not wanted]
        look.must(not found, "no obfuscation where it is off", found[:1])


@GROUP.check(30, "stream: null or false is a JSON body", Tag.MEASURED)
def not_streamed(look: Look) -> None:
    """Requests with `stream` null and false; and `stream_options` without it, which is a 400."""
    for value in (None, False):
        answer = look.completed(wording.GREETING, stream=value)
        kind = dig(answer.json, "object")
        look.must(kind == "chat.completion", "a whole completion", answer.described)
    options = {"include_usage": True}
    look.refused({"messages": wording.GREETING, "stream_options": options}, param="stream_options")


@GROUP.check(33, "With n, choices begin in order and end one by one", Tag.SDK)
def interleaved(look: Look) -> None:
    """A stream with n = 2: the first chunk is of choice 0, new indices come in order, and each
    choice has one role and one finish reason of its own.
    """
    stream = look.streamed(look.server.saying(wording.SENTENCE), optional="n", n=2)
    order = list(dict.fromkeys(str(choice.get("index")) for choice in stream.choices))
    if order == ["0"]:
        raise NotDone("the server gives one choice: see 16")
    look.must(order == ["0", "1"], "choices that begin with 0, then 1", order)
    for index in (0, 1):
        choices = stream.of(index)
        roles = [one for one in choices if dig(one, "delta", "role")]
        look.must(len(roles) == 1 and roles[0] is choices[0], f"one role, first, of {index}", roles)
        ends = [one for one in choices if one.get("finish_reason") is not None]
        look.must(len(ends) == 1 and ends[0] is choices[-1], f"one end, last, of {index}", ends)
