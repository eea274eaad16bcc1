"""``POST /v1/chat/completions``, on a gateway that plays a script."""

import json
import time
from collections.abc import Generator
from contextlib import nullcontext
from typing import Any

import pytest
from flask import Flask

from langfast_wsgi.conversation.events import Chosen, Event, Finished, Text, Usage
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._http import IGNORED_HEADER
from langfast_wsgi.dialects._openai import begin, error_response, sign
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects.chat import routes
from langfast_wsgi.errors import GatewayError, UnknownModel
from langfast_wsgi.runtime import Connection
from langfast_wsgi.settings import Settings


class FakeGateway:
    def __init__(self) -> None:
        self.asked: list[tuple[RunRequest, bool]] = []
        self.options: dict[str, object] = {}

    def run(
        self, request: RunRequest, *, count_usage: bool, **options: object
    ) -> Generator[Event, None, None]:
        if request.model == "nope":
            raise UnknownModel("no such model", param="model")
        self.asked.append((request, count_usage))
        self.options = options
        return self._events(count_usage, int(str(options["choices"])))

    def _events(self, count_usage: bool, choices: int) -> Generator[Event, None, None]:
        if choices == 1:
            yield Text("Hi")
        for index in range(choices if choices > 1 else 0):
            yield Chosen(index, Text("Hi"))
            yield Chosen(index, Finished("stop"))
        yield Finished("stop")
        if count_usage:
            yield Usage(8, 1)

    def fingerprint(self, model: str) -> str | None:
        return "emulator" if model == "echo" else None


class Case:
    def __init__(self, **options: Any) -> None:
        self.gateway = FakeGateway()
        service = Service(
            Settings(_env_file=None, **options),
            gateway=lambda: self.gateway,  # type: ignore[arg-type,return-value]
            connection=Connection,
            outlet=lambda _: None,
            deadline=nullcontext,
            refuse_body=lambda _: None,
            body_read="read",
        )
        app = Flask(__name__)
        app.before_request(begin)
        app.after_request(sign)
        app.register_blueprint(routes.blueprint(service))
        app.register_error_handler(GatewayError, error_response)
        self.client = app.test_client()

    def post(self, **fields: Any) -> Any:
        body = {"messages": [{"role": "user", "content": "hi"}], **fields}
        return self.client.post("/v1/chat/completions", data=json.dumps(body))


def test_an_unstreamed_answer_is_one_json_object_with_usage() -> None:
    case = Case()
    response = case.post(model="echo")
    body = response.json
    assert response.status_code == 200
    assert body["id"].startswith("chatcmpl-")
    assert abs(body["created"] - time.time()) < 5
    assert (body["model"], body["system_fingerprint"]) == ("echo", "emulator")
    assert body["choices"][0]["message"]["content"] == "Hi"
    assert body["usage"]["total_tokens"] == 9
    assert case.gateway.asked[0][1] is True
    assert IGNORED_HEADER not in response.headers


@pytest.mark.parametrize("usage", [True, False])
def test_a_streamed_answer_counts_only_where_it_is_asked_to(usage: bool) -> None:
    case = Case()
    data = case.post(stream=True, stream_options={"include_usage": usage}).data
    assert data.endswith(b"data: [DONE]\n\n")
    assert (b'"total_tokens":9' in data) is usage
    assert b'"model":"gpt-4o-mini"' in data
    assert case.gateway.asked[0][1] is usage


@pytest.mark.parametrize("stream", [True, False])
def test_what_was_ignored_is_named_in_a_header(stream: bool) -> None:
    response = Case().post(stream=stream, seed=7, store=True)
    assert set(response.headers[IGNORED_HEADER].split(", ")) == {"seed", "store"}


@pytest.mark.parametrize("stream", [True, False])
def test_the_gateway_is_told_who_is_served_by_pieces_and_how_often_to_ask_again(
    stream: bool,
) -> None:
    case = Case(reask_budget=3)
    case.post(stream=stream)
    assert case.gateway.options == {"choices": 1, "streamed": stream, "reasks": 3}


def test_several_choices_are_one_body_or_one_stream() -> None:
    case = Case()
    body = case.post(n=2).json
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    assert [choice["message"]["content"] for choice in body["choices"]] == ["Hi", "Hi"]
    assert body["usage"]["total_tokens"] == 9
    data = case.post(n=2, stream=True).data
    assert data.count(b'"finish_reason":"stop"') == 2
    assert data.endswith(b"data: [DONE]\n\n")
    assert case.gateway.options["choices"] == 2


@pytest.mark.parametrize("media", [(), ("gpt-*",)])
def test_a_picture_is_taken_for_the_models_that_the_settings_name(media: tuple[str, ...]) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    case = Case(media_models=media)
    response = case.post(messages=[{"role": "user", "content": [picture]}])
    assert response.status_code == (200 if media else 400)


def test_what_cannot_be_taken_is_refused_where_that_is_wanted() -> None:
    case = Case(unsupported_params="reject")
    response = case.post(seed=7)
    assert response.status_code == 400
    assert response.json["error"]["param"] == "seed"
    assert case.gateway.asked == []


@pytest.mark.parametrize("stream", [True, False])
def test_an_unknown_model_is_a_404(stream: bool) -> None:
    response = Case().post(model="nope", stream=stream)
    assert response.status_code == 404
    assert response.json["error"]["code"] == "model_not_found"
