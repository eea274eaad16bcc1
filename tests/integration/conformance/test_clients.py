"""What the checks call a statement about clients, with the real SDK. Numbers are the checks'."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.integration.conformance.twists import fault
from tests.support.crooked import Crook, Reply, Request, crooked

NOBODY = "http://127.0.0.1:9"  # every reply is a test's own
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "m"}
MESSAGES: Any = [{"role": "user", "content": "hi"}]
COMPLETED = {
    **HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": '{"city": "Par', "refusal": None},
            "finish_reason": "length",
            "logprobs": None,
        }
    ],
}


class Place(BaseModel):
    city: str


def completion() -> Reply:
    reply = Reply(200, {"content-type": "application/json", "content-length": "0"})
    reply.json = COMPLETED
    return reply


def streamed(*blocks: str) -> Reply:
    body = "".join(f"{one}\n\n" for one in blocks)
    return Reply(200, {"content-type": "text/event-stream"}, body.encode())


def chunk(delta: dict[str, Any], reason: str | None = None) -> str:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    return "data: " + json.dumps({**HEAD, "object": "chat.completion.chunk", "choices": choices})


@contextmanager
def client(answer: Callable[[int], Reply], **options: Any) -> Iterator[tuple[OpenAI, list[float]]]:
    """An SDK whose requests are answered by number, from 0; and when they came."""
    asked: list[float] = []

    def ask(_: Request) -> Reply:
        asked.append(time.monotonic())
        return answer(len(asked) - 1)

    with (
        crooked(NOBODY, Crook(ask=ask)) as url,
        OpenAI(base_url=f"{url}/v1", api_key="sk-1", **options) as sdk,
    ):
        yield sdk, asked


def ask(sdk: OpenAI, **fields: Any) -> Any:
    return sdk.chat.completions.create(model="m", messages=MESSAGES, **fields)


def refused(status: int, **headers: str) -> Reply:
    reply = fault(status)
    reply.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
    return reply


def test_7_the_wait_in_milliseconds_goes_before_the_one_in_seconds() -> None:
    def answer(number: int) -> Reply:
        limited = refused(429, retry_after_ms="20", retry_after="100")
        return completion() if number else limited

    with client(answer) as (sdk, asked):
        ask(sdk)
    assert len(asked) == 2
    assert asked[1] - asked[0] < 30


def test_7_a_wait_of_a_second_is_kept() -> None:
    with client(lambda n: completion() if n else refused(429, retry_after="1")) as (sdk, asked):
        ask(sdk)
    assert asked[1] - asked[0] >= 1


def test_7_a_wait_above_two_minutes_means_no_retry() -> None:
    with (
        client(lambda _: refused(429, retry_after="121")) as (sdk, asked),
        pytest.raises(openai.RateLimitError),
    ):
        ask(sdk)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "told", "requests"),
    [(429, "false", 1), (500, "false", 1), (400, "true", 2), (429, None, 2), (400, None, 1)],
)
def test_8_what_is_told_of_a_retry_goes_before_the_status(
    status: int, told: str | None, requests: int
) -> None:
    headers = {"x_should_retry": told} if told else {}

    def answer(number: int) -> Reply:
        return completion() if number else refused(status, retry_after_ms="20", **headers)

    with client(answer, max_retries=1) as (sdk, asked), contextlib.suppress(openai.APIStatusError):
        ask(sdk)
    assert len(asked) == requests


def test_18_an_answer_that_a_limit_has_cut_is_not_parsed() -> None:
    with client(lambda _: completion()) as (sdk, _), pytest.raises(openai.LengthFinishReasonError):
        sdk.chat.completions.parse(model="m", messages=MESSAGES, response_format=Place)


def test_34_comments_are_not_heard() -> None:
    blocks = (
        ": ping",
        chunk({"role": "assistant", "content": ""}),
        ": ping",
        chunk({"content": "x"}),
    )
    with client(lambda _: streamed(*blocks, chunk({}, "stop"), "data: [DONE]")) as (sdk, _):
        texts = [one.choices[0].delta.content for one in ask(sdk, stream=True)]
    assert texts == ["", "x", None]


def test_36_an_event_with_an_error_is_raised() -> None:
    event = (
        'data: {"error": {"message": "lost", "type": "server_error", "code": "x", "param": null}}'
    )
    seen = []
    with client(lambda _: streamed(chunk({"content": "x"}), event, "data: [DONE]")) as (sdk, _):
        stream = ask(sdk, stream=True)
        with pytest.raises(openai.APIError, match="lost") as caught:
            seen.extend(stream)
    assert len(seen) == 1
    assert caught.value.code == "x"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_57_the_class_of_an_exception_is_by_the_status(
    status: int, kind: type[openai.APIStatusError]
) -> None:
    with (
        client(lambda _: refused(status), max_retries=0) as (sdk, _),
        pytest.raises(kind) as caught,
    ):
        ask(sdk)
    assert type(caught.value) is kind
