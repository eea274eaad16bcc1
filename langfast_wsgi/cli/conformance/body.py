"""The body of an unstreamed answer, and the limits that shape it."""

import re
import time
from typing import Any

from langfast_wsgi.cli.conformance import wording
from langfast_wsgi.cli.conformance.answer import Answer, dig, is_whole
from langfast_wsgi.cli.conformance.check import Group
from langfast_wsgi.cli.conformance.look import Look, Tag
from langfast_wsgi.cli.steps import NotDone

GROUP = Group("An unstreamed body")

REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")
_YEAR = 365 * 86400.0
_STOP = "jumps"  # a word of the sentence


@GROUP.check(10, "id, object, created, model and choices are there", Tag.SPEC)
def required(look: Look) -> None:
    """Two plain answers: types and values of the required fields, and an id that is another one
    each time.
    """
    body, other = look.server.plain().json, look.completed(wording.GREETING).json
    found = dig(body, "id")
    look.must(_is_id(found), "an id that begins with `chatcmpl-`", found)
    look.must(found != dig(other, "id"), "another id for each answer", found)
    look.must(
        dig(body, "object") == "chat.completion", "object: chat.completion", dig(body, "object")
    )
    created = dig(body, "created")
    is_near = is_whole(created) and abs(created - time.time()) < _YEAR
    look.must(is_near, "whole seconds of this time in created", created)
    model = dig(body, "model")
    look.must(isinstance(model, str) and model, "a model", model)
    choices = dig(body, "choices")
    look.must(isinstance(choices, list) and len(choices) == 1, "one choice", choices)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"chatcmpl-.+", value) is not None


@GROUP.check(11, "Each choice has index, message, finish_reason, logprobs", Tag.SPEC)
def choice_fields(look: Look) -> None:
    """The keys of a plain answer's choice; `logprobs` is there and null."""
    choice = dig(look.server.plain().json, "choices", 0)
    keys = sorted(choice) if isinstance(choice, dict) else choice
    for name in ("index", "message", "finish_reason", "logprobs"):
        look.must(isinstance(choice, dict) and name in choice, f"{name} in the choice", keys)
    look.must(choice["index"] == 0, "index 0", choice["index"])
    look.must(choice["logprobs"] is None, "logprobs: null", choice["logprobs"])


@GROUP.check(12, "The message has role, content and refusal", Tag.SPEC)
def message_fields(look: Look) -> None:
    """A plain answer's message: the role `assistant`, a text or null, and `refusal: null`."""
    message = dig(look.server.plain().json, "choices", 0, "message")
    look.must(dig(message, "role") == "assistant", "role: assistant", message)
    content = dig(message, "content")
    look.must(content is None or isinstance(content, str), "a text or null as content", message)
    look.must(dig(message, "refusal") is None, "refusal: null", message)


@GROUP.check(13, "finish_reason is one of OpenAI's five", Tag.SPEC)
def finish_reason(look: Look) -> None:
    """A plain answer's; by the emulator, what becomes of a reason that OpenAI does not know."""
    found = look.server.plain().finish_reason
    look.must(found in REASONS, f"one of {', '.join(REASONS)}", found)
    if look.server.steerable:
        answer = look.completed(look.server.saying("x", finish_reason="eos"))
        look.must(
            answer.finish_reason in REASONS,
            "the upstream's `eos` as another word",
            answer.finish_reason,
            tag=Tag.GATEWAY,
        )


@GROUP.check(14, "usage has three whole numbers that add up", Tag.SPEC)
def usage(look: Look) -> None:
    """A plain answer's figures."""
    found = dig(look.server.plain().json, "usage")
    sound_usage(look, found)


def sound_usage(look: Look, found: object) -> None:
    """Demand that it is a usage object whose figures add up."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    prompt, completion, total = (dig(found, name) for name in names)
    whole = all(is_whole(one) for one in (prompt, completion, total))
    if look.must(whole, f"whole numbers in {', '.join(names)}", found):
        look.must(prompt + completion == total, "a total that is their sum", found)
        look.must(prompt > 0, "a prompt of more than no tokens", found)


@GROUP.check(16, "n gives n choices, or is refused", Tag.SPEC, Tag.GATEWAY)
def several_choices(look: Look) -> None:
    """n = 2 gives the indices 0 and 1, or a 400; n = 0 and n = 129 are 400."""
    answer = look.server.completion(look.server.saying(wording.SENTENCE), n=2)
    if answer.status != 400:
        look.must(answer.status == 200, "200 or 400 for n = 2", answer.described)
        found = indices(answer)
        look.must(len(found) == 2, "two choices or a 400", found, tag=Tag.GATEWAY)
        if len(found) == 2:
            look.must(sorted(map(str, found)) == ["0", "1"], "the indices 0 and 1", found)
    look.refused({"messages": wording.GREETING, "n": 0})
    look.refused({"messages": wording.GREETING, "n": 129})


def indices(answer: Answer) -> list[Any]:
    """Those of all choices, in order."""
    choices = dig(answer.json, "choices")
    return [dig(one, "index") for one in choices] if isinstance(choices, list) else []


@GROUP.check(17, "A stop sequence ends the text before it", Tag.SPEC)
def stop_sequences(look: Look) -> None:
    """The model repeats a sentence, streamed and not, and is to stop at a word of it: neither the
    word nor what is behind it comes, and `finish_reason` is `stop`. Five sequences are a 400.
    """
    messages = look.server.saying(wording.SENTENCE, chunks=20)
    whole = look.completed(messages).text
    if not isinstance(whole, str) or _STOP not in whole:
        raise NotDone("the model does not repeat a sentence, so it cannot be stopped in it")
    answer = look.completed(messages, optional="stop", stop=["nowhere in it", _STOP])
    text = answer.text if isinstance(answer.text, str) else ""
    look.must(_STOP not in text, f"no {_STOP!r} in the text", text)
    look.must("fox" in text, "the text before the stop sequence", text)
    look.must("lazy" not in text, "nothing of what is behind it", text)
    look.must(answer.finish_reason == "stop", "finish_reason: stop", answer.finish_reason)
    stream = look.streamed(messages, stop=_STOP)
    said = stream.text()
    look.must(_STOP not in said and "lazy" not in said, "the same in a stream", said)
    look.must(stream.finish_reasons == ["stop"], "one finish_reason: stop", stream.finish_reasons)
    look.refused({"messages": wording.GREETING, "stop": ["a", "b", "c", "d", "e"]})


@GROUP.check(18, "A limit that is reached gives length", Tag.SDK)
def token_limit(look: Look) -> None:
    """The model repeats a sentence and may use five tokens, streamed and not: the reason is
    `length`. What the SDK's `.parse()` makes of it is a statement about clients.
    """
    messages = look.server.saying(wording.SENTENCE)
    answer = look.completed(messages, max_completion_tokens=5)
    look.must(answer.finish_reason == "length", "finish_reason: length", answer.finish_reason)
    text = answer.text if isinstance(answer.text, str) else ""
    look.must(len(text) < len(wording.SENTENCE) / 2, "a text of five tokens at the most", text)
    spent = dig(answer.json, "usage", "completion_tokens")
    look.must(is_whole(spent) and spent <= 5, "a usage of five tokens at the most", spent)
    reasons = look.streamed(messages, max_completion_tokens=5).finish_reasons
    look.must(reasons == ["length"], "length in a stream as well", reasons)
