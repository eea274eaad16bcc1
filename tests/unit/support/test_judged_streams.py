"""The judges of streams can condemn: what is cut, has no end, or calls an event by another name."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.dialects import CHAT, MESSAGES, RESPONSES, Dialect, Said
from tests.support.openapi import Document

STREAM = {"schema": {"type": "object"}}
TOLD = {"200": {"headers": {}, "content": {"text/event-stream": STREAM}}}
DOCUMENT = {
    "paths": {"/x": {"post": {"responses": TOLD}}},
    "components": {"headers": {}, "schemas": {}},
}
OLD = 'data: {"a":1}\n\n'
START = 'event: message_start\ndata: {"type":"message_start"}\n\n'
STOP = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
ERROR = (
    'event: error\ndata: {"type":"error","error":{"type":"api_error","details":{"error_code":"x"}}}'
)


def judged(text: str) -> None:
    headers = {"content-type": "text/event-stream"}
    answer: Any = SimpleNamespace(status_code=200, headers=headers, text=text)
    Document(DOCUMENT).check("POST", "/x", answer)


@pytest.mark.parametrize(
    "text",
    [
        f"{OLD}data: [DONE]\n\n",
        f"{OLD}: ping\n\n{OLD}data: [DONE]\n\n",
        f"{START}: ping\n\n{STOP}",
        f"{START}{ERROR}\n\n",
    ],
)
def test_a_stream_with_an_end_is_let_pass(text: str) -> None:
    judged(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        OLD,
        f"{OLD}data: [DONE]\n",
        f"data: [DONE]\n\n{OLD}",
        START,
        f"{START}{STOP[:-1]}",
        f"{STOP}{START}",
        f"{START}data: [DONE]\n\n",
        f"{START}{STOP.replace('event: message_stop', 'event: message_end')}",
        f"{START}{STOP.removeprefix('event: message_stop')}",
        f"{OLD}{STOP}data: [DONE]\n\n",
    ],
)
def test_any_other_stream_is_condemned(text: str) -> None:
    with pytest.raises((AssertionError, IndexError, ValueError)):
        judged(text)


def chunk(text: str, end: str = "null") -> str:
    return f'data: {{"choices":[{{"delta":{{"content":"{text}"}},"finish_reason":{end}}}]}}\n\n'


@pytest.mark.parametrize(
    ("dialect", "told", "text", "ends", "code", "terminated"),
    [
        (CHAT, chunk("a") + chunk("b", '"stop"') + "data: [DONE]\n\n", "ab", 1, None, True),
        (CHAT, chunk("a") + chunk("b", '"stop"'), "ab", 1, None, False),
        (CHAT, chunk("a") + chunk("b")[:-1], "a", 0, None, False),
        (MESSAGES, START + STOP, "", 1, None, True),
        (MESSAGES, f"{START}{ERROR}\n\n", "", 0, "x", True),
        (MESSAGES, START + ERROR, "", 0, None, False),
        (RESPONSES, 'event: a\ndata: {"type":"a"}\n\n', "", 0, None, True),
    ],
)
def test_what_was_heard_is_told_apart(
    dialect: Dialect, told: str, text: str, ends: int, code: str | None, terminated: bool
) -> None:
    said = dialect.heard(told, Said(200, {}))
    assert (said.text, said.ends, said.code) == (text, ends, code)
    assert said.terminated is terminated
    assert said.is_whole(text) is (ends == 1 and terminated)
