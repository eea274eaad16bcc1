"""A chat answer, streamed or not, as one record: what was said, how it ended, how long it took."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from tests.support.gateway import GatewayProcess
from tests.support.stream import parse_lines

PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request."""

    streamed: bool
    status: int
    headers: Mapping[str, str]
    text: str = ""
    finish_reason: str | None = None
    #: Code and message of the error, told by a status or by an event.
    code: str | None = None
    message: str = ""
    #: How many pieces the text came in; heartbeats; the longest time without a line.
    pieces: int = 0
    pings: int = 0
    gap: float = 0.0
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether it looks like all that there is."""
        return self.status == 200 and self.finish_reason is not None and self.code is None

    def is_whole(self, text: str) -> bool:
        """Whether it is just this text."""
        return self.is_complete and (self.text, self.finish_reason) == (text, "stop")


def ask(gateway: GatewayProcess, content: object, *, stream: bool) -> Answer:
    """Over a connection of its own, so that many can ask at once."""
    body = {"messages": [{"role": "user", "content": content}], "stream": stream}
    began = last = time.monotonic()
    gap = 0.0
    lines: list[str] = []
    with requests.Session() as http:
        http.trust_env = False
        url = f"{gateway.api}/chat/completions"
        response = http.post(url, json=body, stream=True, timeout=PATIENCE)
        if response.status_code == 200 and stream:
            for line in response.iter_lines():
                lines.append(line.decode())
                gap, last = max(gap, time.monotonic() - last), time.monotonic()
        else:
            response.content  # noqa: B018 - read it
    spent = time.monotonic() - began
    if response.status_code != 200:
        error = response.json()["error"]
        return _failed(stream, response, error["code"], error["message"], spent)
    if not stream:
        (choice,) = response.json()["choices"]
        said, reason = choice["message"]["content"], choice["finish_reason"]
        return Answer(False, 200, response.headers, said, reason, seconds=spent)
    return _streamed(response, lines, gap, spent)


def both(gateway: GatewayProcess, content: object) -> tuple[Answer, Answer]:
    """The same asked twice at once: the streamed answer, and the unstreamed one."""
    with ThreadPoolExecutor(2) as callers:
        streamed = callers.submit(ask, gateway, content, stream=True)
        unstreamed = callers.submit(ask, gateway, content, stream=False)
        return streamed.result(), unstreamed.result()


def _failed(
    streamed: bool, response: requests.Response, code: str, message: str, seconds: float
) -> Answer:
    return Answer(
        streamed,
        response.status_code,
        response.headers,
        code=code,
        message=message,
        seconds=seconds,
    )


def _streamed(response: requests.Response, lines: list[str], gap: float, spent: float) -> Answer:
    stream = parse_lines(lines)
    assert stream.done, "every stream that is not cut says that it is over"
    assert len(stream.finish_reasons) + bool(stream.error) == 1, "one end, or one error"
    deltas = [one["delta"] for chunk in stream.chunks for one in chunk["choices"]]
    error = stream.error or {"code": None, "message": ""}
    return Answer(
        True,
        200,
        response.headers,
        stream.text,
        *(stream.finish_reasons or [None]),
        code=error["code"],
        message=error["message"],
        pieces=sum(bool(delta.get("content")) for delta in deltas),
        pings=lines.count(": ping"),
        gap=gap,
        seconds=spent,
    )
