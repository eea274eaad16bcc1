"""One request through whatever a test has put in its way, and what came of it in a few words.

``whole``, ``broken`` (cut, and to be recognised as cut), ``left`` (the caller itself), ``event
CODE`` (an error in a stream that was 200 already), or the status with its code, in the fault
catalogue's words: RA is with Retry-After, NR with ``x-should-retry: false``. Whatever else comes is
no good and says what it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import requests

from tests.support.stream import parse_lines

WHOLE = "whole"
BROKEN = "broken"
LEFT = "left"

_CUT = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@dataclass(frozen=True)
class Question:
    """A chat request whose answer is known: ``content`` makes the upstream say ``text``."""

    content: str
    text: str
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    leaves: bool = False  # at the first text of a stream

    def ask(
        self, base: str, timeout: float, at_first_text: Callable[[], None] = lambda: None
    ) -> str:
        """What came of it. ``timeout`` is for connecting and for each read."""
        body = {"stream": self.stream, "messages": [{"role": "user", "content": self.content}]}
        with requests.Session() as http:
            http.trust_env = False
            try:
                answer = http.post(
                    f"{base}/v1/chat/completions",
                    json=body,
                    headers=dict(self.headers),
                    stream=True,
                    timeout=timeout,
                )
                if answer.status_code != 200:
                    return _refusal(answer)
                if self.stream:
                    return self._streamed(answer, at_first_text)
                said = answer.json()["choices"][0]["message"]["content"]
            except _CUT:
                return BROKEN
        return WHOLE if said == self.text else f"wrong text: {said}"

    def _streamed(self, answer: requests.Response, at_first_text: Callable[[], None]) -> str:
        lines: list[str] = []
        has_text = is_cut = False
        try:
            for line in answer.iter_lines():
                lines.append(line.decode())
                if not has_text and parse_lines(lines[-1:]).text:
                    has_text = True
                    at_first_text()
                    if self.leaves:
                        return LEFT
        except _CUT:
            is_cut = True
        return self._ending(lines, is_cut)

    def _ending(self, lines: list[str], is_cut: bool) -> str:
        """Whatever was said is a beginning of the text, and only the whole of it has an end."""
        stream = parse_lines(lines)
        if not self.text.startswith(stream.text):
            return f"wrong text: {stream.text}"
        if (stream.finish_reasons, stream.done) == (["stop"], True) and not stream.error:
            if stream.text != self.text:
                return "not whole, but looks so"
            return BROKEN if is_cut else WHOLE
        if stream.finish_reasons:
            return "an end and no end"
        if is_cut:
            return BROKEN
        return f"event {stream.error['code']}" if stream.error else "neither end nor error"


def _refusal(answer: requests.Response) -> str:
    words = [str(answer.status_code), str(answer.json()["error"]["code"])]
    words += ["RA"] if "retry-after" in answer.headers else []
    words += ["NR"] if answer.headers.get("x-should-retry") == "false" else []
    return " ".join(words)
