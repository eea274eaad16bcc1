"""The conversation as a chat has it: instructions, messages, calls and their results.

A message of Anthropic's may hold results of tools and words beside them. In a chat each result is a
message of its own; so one message may become several, in the order of its blocks.
"""

from collections.abc import Container, Iterator, Sequence
from itertools import groupby
from typing import Any

import orjson

from langfast_wsgi.dialects._validation import cut
from langfast_wsgi.dialects.messages.content import THINKING, parts_of, refused, text_of
from langfast_wsgi.dialects.messages.fields import Asked, Block
from langfast_wsgi.errors import BadRequest

Json = dict[str, Any]
FAILED = "The tool failed: "


def conversation(fields: Asked, *, with_media: bool) -> list[Json]:
    """All messages. Raises BadRequest for a block that the model would not get."""
    found: list[Json] = []
    if fields.system is not None:
        found += _instructions(fields.system, "system")
    turn, called = "", set[str | None]()  # whose turn it is, and what the model called in its last
    for index, message in enumerate(fields.messages):
        place, content = f"messages[{index}].content", message.content
        if message.role == "system":
            found += _instructions(content, place)
            continue
        if message.role == "assistant" and turn != "assistant":
            called = set()
        turn = message.role
        if isinstance(content, str):
            found.append({"role": turn, "content": content})
        elif turn == "assistant":
            found += _said(content, place)
            called |= {block.id for block in content}
        else:
            found += _asked(content, place, called, with_media=with_media)
    if all(message["role"] == "system" for message in found):
        raise BadRequest("No message has any content.", code="empty_array", param="messages")
    return found


def _instructions(content: str | Sequence[Block], place: str) -> Iterator[Json]:
    text = text_of(content, place)
    if text:
        yield {"role": "system", "content": text}


def _said(blocks: Sequence[Block], place: str) -> Iterator[Json]:
    """What the model said; nothing where it only thought."""
    texts, calls = [], []
    for index, block in enumerate(blocks):
        if block.type == "text":
            texts.append(block.text or "")
        elif block.type == "tool_use":
            function = {"name": block.name, "arguments": orjson.dumps(block.input).decode()}
            calls.append({"id": block.id, "type": "function", "function": function})
        elif block.type not in THINKING:
            raise refused(block, f"{place}[{index}]")
    if calls:
        yield {"role": "assistant", "content": "\n".join(texts) or None, "tool_calls": calls}
    elif texts:
        yield {"role": "assistant", "content": "\n".join(texts)}


def _asked(
    blocks: Sequence[Block], place: str, called: Container[str | None], *, with_media: bool
) -> Iterator[Json]:
    placed = [(f"{place}[{index}]", block) for index, block in enumerate(blocks)]
    for are_results, group in groupby(placed, lambda one: one[1].type == "tool_result"):
        if are_results:
            yield from (_result(block, where, called) for where, block in group)
        else:
            yield {"role": "user", "content": parts_of(list(group), with_media=with_media)}


def _result(block: Block, place: str, called: Container[str | None]) -> Json:
    if block.tool_use_id not in called:
        raise BadRequest(
            f"There is no 'tool_use' block with the id '{cut(block.tool_use_id or '')}' in the"
            " message before.",
            param=f"{place}.tool_use_id",
        )
    text = text_of(block.content or "", f"{place}.content")
    if block.is_error:
        text = f"{FAILED}{text}"
    return {"role": "tool", "tool_call_id": block.tool_use_id, "content": text}
