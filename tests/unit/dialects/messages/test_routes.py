"""``POST /v1/messages``, on a gateway that plays a script."""

import json
from collections.abc import Generator
from contextlib import nullcontext
from typing import Any

import pytest
from flask import Flask

from langfast_wsgi.conversation.events import Event, Finished, Text, Usage
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._anthropic import error_response
from langfast_wsgi.dialects._http import IGNORED_HEADER
from langfast_wsgi.dialects._openai import begin, sign
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects.messages import routes
from langfast_wsgi.errors import BadRequest, GatewayError, UnknownModel
from langfast_wsgi.runtime import Connection
from langfast_wsgi.settings import Settings


class FakeGateway:
    def __init__(self) -> None:
        self.asked: list[RunRequest] = []
        self.options: dict[str, object] = {}
        self.counted: list[RunRequest] = []
        self.begun = False

    def run(self, request: RunRequest, **options: object) -> Generator[Event, None, None]:
        if request.model == "nope":
            raise UnknownModel("no such model", param="model")
        self.asked.append(request)
        self.options = options
        return self._events()

    def _events(self) -> Generator[Event, None, None]:
        self.begun = True
        yield Text("Hi")
        yield Finished("stop", "##")
        yield Usage(8, 1)

    def prompt_tokens(self, request: RunRequest) -> int:
        if request.model == "uncountable":
            raise BadRequest("no such schema")
        self.counted.append(request)
        return 8

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

    def post(self, path: str = "/v1/messages", **fields: Any) -> Any:
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, **fields}
        return self.client.post(path, data=json.dumps(body))


@pytest.mark.parametrize(("model", "mark"), [("echo", "emulator"), ("gpt-4o", None)])
def test_an_unstreamed_answer_is_one_message(model: str, mark: str | None) -> None:
    case = Case()
    response = case.post(model=model)
    assert response.status_code == 200
    assert response.json["id"].startswith("msg_")
    assert response.json["model"] == model
    assert response.json.get("system_fingerprint") == mark
    assert response.json["content"] == [{"type": "text", "text": "Hi"}]
    assert response.json["stop_sequence"] == "##"
    assert case.gateway.counted == []
    assert IGNORED_HEADER not in response.headers


def test_a_stream_begins_with_the_tokens_of_the_prompt() -> None:
    case = Case()
    response = case.post(model="echo", stream=True)
    start, *_ = response.data.decode().split("\n\n")
    message = json.loads(start.partition("data: ")[2])["message"]
    assert message["usage"]["input_tokens"] == 8
    assert message["system_fingerprint"] == "emulator"
    assert case.gateway.counted == case.gateway.asked
    assert b"[DONE]" not in response.data


@pytest.mark.parametrize("stream", [True, False])
def test_the_gateway_is_told_who_is_served_by_pieces_and_how_often_to_ask_again(
    stream: bool,
) -> None:
    case = Case(reask_budget=3)
    case.post(stream=stream)
    assert case.gateway.options == {
        "count_usage": True,
        "prompt_tokens": 8 if stream else None,  # counted once: a stream begins with it
        "streamed": stream,
        "reasks": 3,
    }


@pytest.mark.parametrize("stream", [True, False])
def test_what_was_ignored_is_named_in_a_header(stream: bool) -> None:
    response = Case().post(stream=stream, top_k=7, metadata={"user_id": "u"})
    assert response.headers[IGNORED_HEADER] == "metadata, top_k"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_every_answer_has_the_requests_id_twice(path: str, stream: bool) -> None:
    headers = Case().post(path, stream=stream).headers
    assert headers["request-id"] == headers["x-request-id"]


@pytest.mark.parametrize("stream", [True, False])
def test_an_unknown_model_is_a_404(stream: bool) -> None:
    response = Case().post(model="nope", stream=stream)
    assert (response.status_code, response.json["error"]["type"]) == (404, "not_found_error")


def test_what_cannot_be_counted_is_refused_before_the_run() -> None:
    case = Case()
    assert case.post(model="uncountable", stream=True).status_code == 400
    assert not case.gateway.begun


def test_tokens_are_counted_without_a_run() -> None:
    case = Case()
    response = case.post("/v1/messages/count_tokens", system="s", max_tokens=None)
    assert response.json == {"input_tokens": 8}
    (counted,) = case.gateway.counted
    assert [message["role"] for message in counted.messages] == ["system", "user"]
    assert case.gateway.asked == []
