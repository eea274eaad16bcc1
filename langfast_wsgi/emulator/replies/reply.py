"""A reply: the text of a run, its pace and its faults; the record between choosing and playing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SAMPLE = (
    "Here is a short text to look at. It has an emoji 🦊 and another 👩‍🚀, letters like ä and 漢,\n"
    "a second line, and an end."
)


@dataclass(frozen=True, slots=True)
class Details:
    """The parameters of the faults; one that has no use for a parameter ignores it."""

    at: int = 1  # index of the chunk, from 0; the number of chunks means the end
    status: int | str | None = None
    code: str | None = None
    message: str | None = None
    retry_after: float | str | None = None
    seconds: float | None = None
    size: int | None = None
    location: str | None = None
    body: str = "garbage"
    change: Mapping[str, object] = field(default_factory=dict)
    times: int | None = None  # so often, then one start passes, then again; always if not given
    ran: bool = False  # the run starts although its start is answered with an error


@dataclass(frozen=True, slots=True)
class Reply:
    """What a run says and how."""

    text: str
    chunks: int | None = None  # number of pieces, by length if not given
    interval: float | None = None  # seconds between chunks, the emulator's if not given
    delay: float = 0.0  # seconds before the first chunk
    finish_reason: str | None = "stop"
    faults: frozenset[str] = frozenset()
    details: Details = field(default_factory=Details)
