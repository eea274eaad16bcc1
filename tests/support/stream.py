"""Reading a chat stream as raw bytes, so that the wire itself can be looked at."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import requests


@dataclass
class Stream:
    """What came: every line, the parsed chunks, the text, how it ended."""

    lines: list[str]
    chunks: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    done: bool = False

    @property
    def text(self) -> str:
        """All deltas."""
        deltas = (choice["delta"] for chunk in self.chunks for choice in chunk["choices"])
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def finish_reasons(self) -> list[str]:
        """Those that were said."""
        reasons = (choice["finish_reason"] for one in self.chunks for choice in one["choices"])
        return [reason for reason in reasons if reason is not None]


def read_stream(response: requests.Response) -> Stream:
    """To its end."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return parse_lines(line.decode() for line in response.iter_lines(decode_unicode=False))


def parse_lines(lines: Iterable[str]) -> Stream:
    """Lines of a stream to what they say."""
    stream = Stream(list(lines))
    for line in stream.lines:
        if not line.startswith("data: "):
            continue
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            stream.done = True
        elif "error" in (parsed := json.loads(data)):
            stream.error = parsed["error"]
        else:
            stream.chunks.append(parsed)
    return stream


def steer(text: str = "", **reply: Any) -> str:
    """A user message that tells the emulator what to do."""
    return json.dumps({"text": text, **reply})
