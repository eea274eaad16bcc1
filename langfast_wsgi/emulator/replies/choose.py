"""Who decides what a run says: the script, else the steering message on top of the model."""

from collections.abc import Sequence
from dataclasses import replace

from langfast_wsgi.emulator.replies.conversation import (
    Message,
    ends_in_tool_result,
    last_user_text,
)
from langfast_wsgi.emulator.replies.models import reply_of
from langfast_wsgi.emulator.replies.reply import Reply
from langfast_wsgi.emulator.replies.script import Script
from langfast_wsgi.emulator.replies.steering import steered

_BIG = 1_000_000
_BIG_CHUNKS = 4  # cumulative text: more of them would be megabytes in their hundreds
_FILL = "All work and no play makes the emulator a dull upstream. "


def choose(script: Script, model: str, messages: Sequence[Message]) -> Reply:
    """The reply to a conversation; raises BadShape if it steers with a value of no use."""
    said = last_user_text(messages)
    return _enlarged(script.reply(model, said) or _by_model(model, messages, said))


def _by_model(model: str, messages: Sequence[Message], said: str) -> Reply:
    reply = reply_of(model, messages)
    # What steered the turn before the tool call does not steer the turn after it.
    return reply if ends_in_tool_result(messages) else steered(reply, said)


def _enlarged(reply: Reply) -> Reply:
    if "big" not in reply.faults:
        return reply
    size = reply.details.size or _BIG
    text = (_FILL * (size // len(_FILL) + 1))[:size]
    return replace(reply, text=text, chunks=reply.chunks or _BIG_CHUNKS)
