"""One run as it is remembered: what was asked, what was said, what became of it.

Content is cumulative, so a text that is a beginning of the run's text is kept as its length only.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_ODD_TEXT = 256 * 1024  # characters of one run's odd texts that are kept as they are
_NUMBER = 8  # bytes of a text that is kept as its length
_DIGITS = 16
RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Mark:
    """A text of which only this is kept."""

    length: int
    hash: str


def mark(text: str) -> Mark:
    """What identifies a text: its length and the beginning of its SHA-256."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return Mark(len(text), digest[:_DIGITS])


@dataclass(slots=True)
class Run:
    """One run and what it said."""

    run_id: str
    job_id: str
    told: bool  # whether start and events name the job
    user_id: str
    prompt_meta: Mapping[str, Any] | None  # None once it is forgotten
    text: str
    size: int  # of the request
    number: int = 0  # of the call that began it
    label: str = ""
    other_jobs: Sequence[str] = ()
    state: str = RUNNING
    starts: int = 1  # how often it was asked for
    started_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    said: list[int | str | Mark] = field(default_factory=list)
    odd: int = 0  # characters of texts that are kept as they are
    counted: int = 0  # bytes that the journal counts for it

    def saw(self, text: str) -> None:
        """A text was sent."""
        if self.text.startswith(text):
            self.said.append(len(text))
        elif self.odd + len(text) <= _ODD_TEXT:
            self.odd += len(text)
            self.said.append(text)
        else:
            self.said.append(mark(text))

    @property
    def text_size(self) -> int:
        """About how many bytes its texts take."""
        return len(self.text) + self.odd + _NUMBER * len(self.said)

    def as_json(self, texts: bool) -> dict[str, object]:
        """The run as the control route shows it."""
        shown: dict[str, object] = {
            "run_id": self.run_id,
            "job_id": self.job_id,
            "user_id": self.user_id,
            "model": self.prompt_meta.get("model") if self.prompt_meta else None,
            "prompt_meta": self.prompt_meta,
            "state": self.state,
            "events": len(self.said),
            "started_at": self.started_at,
            "ended_at": self.ended_at,
        }
        if texts:
            shown["texts"] = [
                {"sequence": number, **self._shown(said)} for number, said in enumerate(self.said)
            ]
        return shown

    def history(self) -> dict[str, object]:
        """What became of the run; its texts as pairs of length and hash."""
        return {
            "number": self.number,
            "run_id": self.run_id,
            "job_id": self.job_id,
            "user_id": self.user_id,
            "label": self.label,
            "starts": self.starts,
            "state": self.state,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "texts": self._marks(),
        }

    def _shown(self, said: int | str | Mark) -> dict[str, object]:
        if isinstance(said, Mark):
            return {"length": said.length, "hash": said.hash}
        return {"text": self.text[:said] if isinstance(said, int) else said}

    def _marks(self) -> list[tuple[int, str]]:
        marks = []
        grown, length = hashlib.sha256(), 0
        for said in self.said:
            if isinstance(said, int) and said >= length:
                # Cumulative text: what is new is hashed, not the whole again and again.
                grown.update(self.text[length:said].encode("utf-8", "surrogatepass"))
                length = said
                marks.append((said, grown.hexdigest()[:_DIGITS]))
                continue
            text = self.text[:said] if isinstance(said, int) else said
            made = mark(text) if isinstance(text, str) else text
            marks.append((made.length, made.hash))
        return marks
