"""A streamed answer, taken apart: events with their times, chunks, texts, and how it ended."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from langfast_wsgi.cli.conformance.answer import Answer, dig

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two empty lines, and when its last byte came."""

    at: float
    lines: tuple[str, ...]

    @property
    def data(self) -> str | None:
        """Its data; None where it has none."""
        found = [line[5:].removeprefix(" ") for line in self.lines if line.startswith("data:")]
        return "\n".join(found) if found else None


class Transcript:
    """All of a stream."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.blocks, self.rest = _blocks(answer)
        #: The data of each event that has any.
        self.datas = [(one.at, one.data) for one in self.blocks if one.data is not None]
        self.chunks: list[dict[str, Any]] = []
        #: Events that are neither a chunk, nor an error, nor the end mark.
        self.strange: list[str] = []
        self.error: Any = None
        for _, data in self.datas:
            self._take(data)

    def __repr__(self) -> str:
        return f"<Transcript of {len(self.chunks)} chunks>"

    def _take(self, data: str) -> None:
        if data == DONE:
            return
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.strange.append(data)
        elif found.get("error"):
            self.error = self.error or found["error"]
        else:
            self.chunks.append(found)

    @property
    def done(self) -> bool:
        """Whether the end mark is the last event."""
        return bool(self.datas) and self.datas[-1][1] == DONE

    @cached_property
    def choices(self) -> list[dict[str, Any]]:
        """The choices of all chunks, in order."""
        lists = (dig(chunk, "choices") for chunk in self.chunks)
        return [one for many in lists if isinstance(many, list) for one in many if _is_object(one)]

    def of(self, index: int) -> list[dict[str, Any]]:
        """Those of one index."""
        return [choice for choice in self.choices if choice.get("index") == index]

    def text(self, index: int = 0) -> str:
        """The deltas of one index, put together."""
        found = (dig(choice, "delta", "content") for choice in self.of(index))
        return "".join(piece for piece in found if isinstance(piece, str))

    @property
    def finish_reasons(self) -> list[Any]:
        """Those that were said."""
        found = (choice.get("finish_reason") for choice in self.choices)
        return [reason for reason in found if reason is not None]

    @cached_property
    def spoken_at(self) -> list[float]:
        """When each event with text in it came."""
        return [at for at, data in self.datas if _speaks(data)]

    @property
    def comments(self) -> list[str]:
        """The lines that are comments."""
        return [line for one in self.blocks for line in one.lines if line.startswith(":")]

    @property
    def ending(self) -> str:
        """How it ended, in a few words for a finding."""
        last = self.datas[-1][1][:120] if self.datas else "no event at all"
        return f"{len(self.chunks)} chunks, the last event {last}"


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _speaks(data: str) -> bool:
    try:
        found = json.loads(data)
    except ValueError:
        return False
    return bool(dig(found, "choices", 0, "delta", "content"))


def _blocks(answer: Answer) -> tuple[list[Block], str]:
    """The blocks, and what stands behind the last empty line."""
    blocks: list[Block] = []
    lines: list[str] = []
    kept = b""
    for at, piece in answer.pieces:
        *ended, kept = (kept + piece).split(b"\n")
        for raw in ended:
            line = raw.removesuffix(b"\r").decode("utf-8", "replace")
            if line:
                lines.append(line)
            elif lines:
                blocks.append(Block(at, tuple(lines)))
                lines = []
    rest = "\n".join([*lines, kept.decode("utf-8", "replace")])
    return blocks, rest.strip("\n")
