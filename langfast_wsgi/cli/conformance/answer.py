"""One answer of the server as it came: bytes with their times, and careful ways into its JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


class Missing:
    """What :func:`dig` finds where there is nothing; null is something."""

    def __repr__(self) -> str:
        return "nothing"

    def __bool__(self) -> bool:
        return False


MISSING = Missing()


def dig(value: object, *path: str | int) -> Any:
    """The value at a path of keys and positions, or MISSING: a server may answer anything."""
    for step in path:
        if not isinstance(value, dict | list):
            return MISSING
        try:
            value = value[step]  # type: ignore[index]
        except (LookupError, TypeError):
            return MISSING
    return value


def is_whole(value: object) -> bool:
    """Whether it is an integer, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True)
class Answer:
    """Status, headers (of any case) and the body in the pieces in which it came.

    A piece has its time in seconds since the request was sent. ``cut``: the connection was lost
    before the body's end.
    """

    status: int
    headers: Mapping[str, str]
    pieces: tuple[tuple[float, bytes], ...]
    spent: float
    cut: bool = False

    @cached_property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(piece for _, piece in self.pieces)

    @cached_property
    def json(self) -> Any:
        """The body as JSON; MISSING if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return MISSING

    @property
    def media_type(self) -> str:
        """Without its parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def error(self) -> Any:
        """The inside of OpenAI's envelope, or MISSING."""
        return dig(self.json, "error")

    @property
    def text(self) -> Any:
        """What the first choice says, or MISSING."""
        return dig(self.json, "choices", 0, "message", "content")

    @property
    def finish_reason(self) -> Any:
        """Why the first choice ended, or MISSING."""
        return dig(self.json, "choices", 0, "finish_reason")

    @property
    def described(self) -> str:
        """Status and the beginning of what it says: for a finding."""
        said = self.body[:200].decode("utf-8", "replace")
        return f"{self.status} {self.media_type or 'without a type'} {said}"
