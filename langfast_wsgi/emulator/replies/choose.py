"""Who decides what a run says: the script, else the steering message on top of the model."""

from collections.abc import Sequence
from dataclasses import replace

from langfast_wsgi.emulator.replies.conversation import Message, last_result, last_user_text
from langfast_wsgi.emulator.replies.models import reply_of
from langfast_wsgi.emulator.replies.reply import Reply
from langfast_wsgi.emulator.replies.script import Script
from langfast_wsgi.emulator.replies.steering import steered

RESULT = "{result}"
_BIG = 1_000_000
_BIG_CHUNKS = 4  # cumulative text: more of them would be megabytes in their hundreds
_FILL = "All work and no play makes the emulator a dull upstream. "


def choose(script: Script, model: str, messages: Sequence[Message]) -> Reply:
    """The reply to a conversation; raises BadShape if it steers with a value of no use."""
    by_script = script.reply(model, last_user_text(messages))
    if by_script is not None:
        return _enlarged(_filled(by_script, messages))
    by_model = reply_of(model, messages)
    by_steering = steered(by_model, messages)
    return _enlarged(_filled(by_steering, messages) if by_steering else by_model)


def _filled(reply: Reply, messages: Sequence[Message]) -> Reply:
    """The reply with what the last tools returned in place of its mark."""
    result = last_result(messages) if RESULT in reply.text else None
    return reply if result is None else replace(reply, text=reply.text.replace(RESULT, result))


def _enlarged(reply: Reply) -> Reply:
    if "big" not in reply.faults:
        return reply
    size = reply.details.size or _BIG
    text = (_FILL * (size // len(_FILL) + 1))[:size]
    return replace(reply, text=text, chunks=reply.chunks or _BIG_CHUNKS)
