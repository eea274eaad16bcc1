"""One question in the words of each API that is served, and what came of it in one record.

For what has to hold in all of them: the questions differ in form alone, and so do the answers.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import requests

from tests.support.gateway import GatewayProcess
from tests.support.raw import RawConnection, post

Json: TypeAlias = dict[str, Any]
PATIENCE = 60.0
MODEL = "gpt-4o-mini"


@dataclass(frozen=True, slots=True, eq=False)  # each is one of a kind
class Dialect:
    """How one API asks and answers."""

    name: str
    path: str
    #: The body that asks for one answer to a user's words.
    asking: Callable[[str], Json]
    #: The text of a whole answer, and of one event.
    whole: Callable[[Json], str]
    delta: Callable[[Json], str]
    #: Whether an event says that the answer is complete.
    is_end: Callable[[Json], bool]
    #: The inside of the error in a body or an event, and its code; its type is the API's own word.
    error: Callable[[Json], Json | None]
    code: Callable[[Json], str | None]
    #: Types by status, where a test asks for such a failure.
    types: dict[int, str]
    #: What comes behind the last event of a stream, if anything does.
    terminator: str | None = None

    def __repr__(self) -> str:
        return self.name

    def body(self, content: str, *, stream: bool = False, **fields: Any) -> bytes:
        """A request."""
        asked = {"model": MODEL, **self.asking(content), "stream": stream, **fields}
        return json.dumps(asked).encode()

    def raw(self, gateway: GatewayProcess, content: str, *, stream: bool) -> RawConnection:
        """A caller that has asked and not read anything yet."""
        body = self.body(content, stream=stream)
        raw = RawConnection(gateway)
        raw.send(post({"Content-Length": len(body)}, self.path) + body)
        return raw

    def ask(
        self, gateway: GatewayProcess, content: str, *, stream: bool = False, **fields: Any
    ) -> "Said":
        """Over a connection of its own, to its end."""
        headers = {**gateway.http.headers, **fields.pop("headers", {})}
        body = self.body(content, stream=stream, **fields)
        with requests.Session() as http:
            http.trust_env = False
            url = gateway.url + self.path
            answer = http.post(url, data=body, headers=headers, stream=True, timeout=PATIENCE)
            told = answer.content.decode()
        said = Said(answer.status_code, dict(answer.headers.lower_items()))  # type: ignore[attr-defined]
        if answer.headers["content-type"].startswith("text/event-stream"):
            return self.heard(told, said)
        parsed = json.loads(told)
        if answer.status_code != 200:
            inside = self.error(parsed)
            assert inside, told
            return Said(said.status, said.headers, error=inside, code=self.code(inside))
        return Said(said.status, said.headers, self.whole(parsed), ends=1, body=parsed)

    def heard(self, told: str, said: "Said") -> "Said":
        """A stream from its first byte on; of a frame that was cut nothing is heard."""
        found = list(events(told))
        if self.terminator:
            has_end = bool(found) and found[-1] == self.terminator
            assert found.count(self.terminator) == has_end, "a terminator stands at the end alone"
            found = [one for one in found if one != self.terminator]
        parsed: list[Json] = [json.loads(one) for one in found]
        errors = [inside for one in parsed if (inside := self.error(one))]
        assert len(errors) < 2, errors
        return Said(
            said.status,
            said.headers,
            text="".join(map(self.delta, parsed)),
            ends=sum(map(self.is_end, parsed)),
            error=errors[0] if errors else None,
            code=self.code(errors[0]) if errors else None,
            terminated=told.endswith("\n\n") and (not self.terminator or has_end),
        )


@dataclass(frozen=True, slots=True)
class Said:
    """What came of one question."""

    status: int
    headers: dict[str, str]
    text: str = ""
    ends: int = 0  # how often it was said that the answer is complete
    error: Json | None = None
    code: str | None = None
    terminated: bool = True  # a stream: it has what comes behind its last event
    body: Json | None = None  # of a whole answer

    def is_whole(self, text: str) -> bool:
        """Whether it is this text, and looks like all there is."""
        said = (self.status, self.text, self.ends, self.error, self.terminated)
        return said == (200, text, 1, None, True)

    @property
    def has_failed(self) -> bool:
        """An error was told, and no end beside it."""
        return bool(self.error) and self.ends == 0 and self.terminated


def events(told: str) -> Iterator[str]:
    """The data of each event; an ``event:`` line says the same type as the data."""
    for frame in told.split("\n\n")[:-1]:
        if frame.startswith(":"):
            assert "\n" not in frame
            continue
        head, _, data = frame.rpartition("\n")
        assert data.startswith("data: "), frame
        data = data.removeprefix("data: ")
        if head:
            assert head == f"event: {json.loads(data)['type']}", frame
        yield data


def _user(content: str) -> list[Json]:
    return [{"role": "user", "content": content}]


def _inside(told: Json) -> Json | None:
    """It stands in the same place in every envelope, and in every event."""
    inside: Json | None = told.get("error")
    return inside


def _code(inside: Json) -> str | None:
    code: str | None = inside["code"]
    return code


def _choice(told: Json) -> Json:
    return (told.get("choices") or [{}])[0]


def _finished(told: Json) -> bool:
    return _choice(told).get("finish_reason") is not None


def _output_text(told: Json) -> str:
    parts = (part for item in told["output"] for part in item.get("content", ()))
    return "".join(part.get("text", "") for part in parts)


_OPENAI = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "server_error",
    503: "server_error",
    504: "timeout_error",
}

CHAT = Dialect(
    name="chat",
    path="/v1/chat/completions",
    asking=lambda content: {"messages": _user(content)},
    whole=lambda told: str(_choice(told)["message"]["content"]),
    delta=lambda told: _choice(told).get("delta", {}).get("content") or "",
    is_end=_finished,
    error=_inside,
    code=_code,
    types=_OPENAI,
    terminator="[DONE]",
)
COMPLETIONS = Dialect(
    name="completions",
    path="/v1/completions",
    asking=lambda content: {"prompt": content},
    whole=lambda told: str(_choice(told)["text"]),
    delta=lambda told: str(_choice(told).get("text", "")),
    is_end=_finished,
    error=_inside,
    code=_code,
    types=_OPENAI,
    terminator="[DONE]",
)
RESPONSES = Dialect(
    name="responses",
    path="/v1/responses",
    asking=lambda content: {"input": content},
    whole=_output_text,
    delta=lambda told: told["delta"] if told["type"] == "response.output_text.delta" else "",
    is_end=lambda told: told["type"] in ("response.completed", "response.incomplete"),
    error=_inside,
    code=_code,
    types=_OPENAI,
)
MESSAGES = Dialect(
    name="messages",
    path="/v1/messages",
    asking=lambda content: {"messages": _user(content), "max_tokens": 1_000_000},
    whole=lambda told: "".join(block.get("text", "") for block in told["content"]),
    delta=lambda told: told.get("delta", {}).get("text", ""),
    is_end=lambda told: told["type"] == "message_stop",
    error=_inside,
    code=lambda inside: inside.get("details", {}).get("error_code"),
    types={
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        500: "api_error",
        502: "api_error",
        503: "overloaded_error",
        504: "timeout_error",
    },
)
DIALECTS = (CHAT, COMPLETIONS, RESPONSES, MESSAGES)
NEWER = DIALECTS[1:]
"""All but the one that most other tests ask in."""
