"""Blocks of content to what a chat message holds: text, or parts where media come with it.

A block that the model would not get is refused, never dropped. Only thinking is left out, as
Anthropic does with that of former turns: it says nothing that the answer behind it does not say.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from langfast_wsgi.dialects.messages.fields import Block, Source
from langfast_wsgi.errors import BadRequest

PLAIN = frozenset({"text", "document", "search_result"})  # what can be told in words
MEDIA = frozenset({"image", "document"})
THINKING = frozenset({"thinking", "redacted_thinking"})


def text_of(content: str | Sequence[Block], place: str) -> str:
    """Content that has to be text. Raises BadRequest; ``place`` is how the request names it."""
    if isinstance(content, str):
        return content
    parts = (_plain(block, f"{place}[{index}]") for index, block in enumerate(content))
    return "\n".join(parts)


def parts_of(
    blocks: Sequence[tuple[str, Block]], *, with_media: bool
) -> str | list[dict[str, Any]]:
    """Content of the user's, with the place of each block: parts where there are media, else text.

    Raises BadRequest.
    """
    if with_media and any(_is_medium(block) for _, block in blocks):
        return [_part(block, place) for place, block in blocks]
    return "\n".join(_plain(block, place) for place, block in blocks)


def refused(block: Block, place: str) -> BadRequest:
    """A block that cannot stand there."""
    where = "by this model, or not in this place" if _is_medium(block) else "in this place"
    return BadRequest(
        f"Blocks of type '{block.type}' are not supported {where}.", param=f"{place}.type"
    )


def _is_medium(block: Block) -> bool:
    """Whether it is more than words."""
    source = block.source
    is_plain = isinstance(source, Source) and source.type in ("text", "content")
    return block.type in MEDIA and not is_plain


def _plain(block: Block, place: str) -> str:
    """The words of a block."""
    if block.type == "text":
        return block.text or ""
    if block.type not in PLAIN or _is_medium(block):
        raise refused(block, place)
    if not isinstance(block.citations, list) and block.citations and block.citations.enabled:
        raise BadRequest("Citations are not supported here.", param=f"{place}.citations")
    return "\n".join(words for words in _told(block, place) if words)


def _told(block: Block, place: str) -> Iterator[str]:
    """A document, or what a search found."""
    source = block.source
    yield block.title or ""
    yield block.context or ""
    if isinstance(source, Source):
        yield source.data or text_of(source.content or "", f"{place}.source.content")
    else:
        yield source or ""
        yield text_of(block.content or "", f"{place}.content")


def _part(block: Block, place: str) -> dict[str, Any]:
    """As a chat message would have it."""
    source = block.source
    if not _is_medium(block) or not isinstance(source, Source):
        return {"type": "text", "text": _plain(block, place)}
    if block.type == "image" and source.type in ("base64", "url"):
        return {"type": "image_url", "image_url": {"url": _url(source)}}
    if source.type == "base64":
        name = block.title or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": _url(source)}}
    raise BadRequest(
        f"Sources of type '{source.type}' are not supported for a block of type '{block.type}'.",
        param=f"{place}.source.type",
    )


def _url(source: Source) -> str:
    return source.url or f"data:{source.media_type};base64,{source.data}"
