"""The composition root: everybody put together, with a provider that plays a script."""

import logging
import os
import runpy
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from langfast_wsgi import app as app_module
from langfast_wsgi import embedded
from langfast_wsgi.app import Langfast, create_app
from langfast_wsgi.conversation.events import Event, Finished, Text
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.providers.langfast.upstream import Upstream
from langfast_wsgi.settings import Settings, SettingsError
from tests.support.builders import wait_for

OURS = {
    "supabase_url": "http://auth/",
    "supabase_anon_key": "anon",
    "socket_url": "http://sockets/",
    "prompt_id": "p",
}
HELLO = {"messages": [{"role": "user", "content": "hi"}]}


class FakeProvider:
    """Answers "Hi"; remembers how it was built."""

    made: list["FakeProvider"]
    name = "langfast"
    fingerprint = None

    def __init__(self, settings: Settings, upstream: Upstream, **more: Any) -> None:
        self.settings, self.upstream, self.more = settings, upstream, more
        self.started = self.stopped = 0
        self.error: Exception | None = None
        self.made.append(self)

    def models(self) -> tuple[str, ...]:
        return ()

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        if self.error:
            raise self.error
        yield Text("Hi")
        yield Finished("stop")

    def start(self) -> None:
        self.started += 1

    def stop(self) -> None:
        self.stopped += 1

    def readiness(self) -> tuple[bool, Mapping[str, object]]:
        return True, {}


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeProvider]:
    providers: list[FakeProvider] = []
    monkeypatch.setattr(FakeProvider, "made", providers, raising=False)
    monkeypatch.setattr(app_module, "PROVIDERS", {"langfast": FakeProvider})
    return providers


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """create_app configures the logging of the whole process; put it back."""
    names = ("langfast_wsgi", "gunicorn.error", "gunicorn.access", "")
    before = [
        (one, one.handlers[:], one.level, one.propagate) for one in map(logging.getLogger, names)
    ]
    yield
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **{**OURS, **values})


def app(**values: Any) -> Flask:
    return create_app(settings(**values))


# --- importing and starting


def test_making_the_application_starts_nothing(made: list[FakeProvider]) -> None:
    one = app()
    assert made == []
    assert repr(one.extensions["langfast"]) == "<Langfast not started>"


def test_the_first_request_starts_the_background_work_once(made: list[FakeProvider]) -> None:
    client = app().test_client()
    for _ in range(2):
        assert client.get("/readyz").status_code == 200
    assert [provider.started for provider in made] == [1]
    (provider,) = made
    assert provider.upstream == Upstream("http://auth", "anon", "http://sockets", "p")
    assert provider.more["share"] == (5, 10)
    assert Path(provider.more["state"]).is_dir()


def test_health_alone_starts_nothing(made: list[FakeProvider]) -> None:
    assert app().test_client().get("/healthz").status_code == 200
    assert made == []


def test_a_worker_gets_its_share_of_the_accounts(made: list[FakeProvider]) -> None:
    app().extensions["langfast"].start(1, 3)
    assert made[0].more["share"] == (2, 3)


def test_many_first_requests_at_once_start_it_once(made: list[FakeProvider]) -> None:
    langfast = app().extensions["langfast"]
    threads = [threading.Thread(target=langfast.gateway) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_another_process_starts_its_own(
    made: list[FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    langfast = app().extensions["langfast"]
    first = langfast.gateway()
    monkeypatch.setattr(app_module.os, "getpid", lambda: os.getppid())
    assert langfast.gateway() is not first
    assert len(made) == 2


def test_only_the_process_that_started_it_ends_it(
    made: list[FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    langfast = app().extensions["langfast"]
    langfast.stop()
    langfast.gateway()
    with monkeypatch.context() as patch:
        patch.setattr(app_module.os, "getpid", lambda: 1)
        langfast.stop()
    assert made[0].stopped == 0
    langfast.stop()
    assert made[0].stopped == 1


def test_with_nothing_configured_the_embedded_emulator_is_the_upstream(
    made: list[FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = embedded.Emulator("http://127.0.0.1:5", "key", "p", ("echo",), 1, -1)
    monkeypatch.setattr(embedded, "start", lambda: emulator)
    create_app(Settings(_env_file=None)).extensions["langfast"].start()
    assert made[0].upstream == Upstream(
        "http://127.0.0.1:5", "key", "http://127.0.0.1:5", "p", emulator=True, models=("echo",)
    )


def test_settings_that_do_not_fit_keep_it_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV_FILE", "")
    monkeypatch.setenv("SUPABASE_URL", "http://auth")
    with pytest.raises(SettingsError):
        create_app()


def test_gunicorn_finds_the_application_in_wsgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV_FILE", "")
    found = runpy.run_module("langfast_wsgi.wsgi")
    assert isinstance(found["app"], Flask)


# --- the API


def test_a_run_goes_all_the_way() -> None:
    response = app().test_client().post("/v1/chat/completions", json=HELLO)
    assert response.status_code == 200
    assert response.json["choices"][0]["message"]["content"] == "Hi"
    assert response.headers["openai-version"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/gpt-5"),
        ("GET", "/metrics"),
    ],
)
def test_the_api_and_the_metrics_want_the_key(method: str, path: str) -> None:
    client = app(api_master_key="sk-1").test_client()
    refused = client.open(path, method=method, json=HELLO)
    assert refused.status_code == 401
    assert refused.json["error"]["code"] == "invalid_api_key"
    assert refused.headers["x-request-id"]
    header = {"Authorization": "Bearer sk-1"}
    assert client.open(path, method=method, json=HELLO, headers=header).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_health_wants_no_key(path: str) -> None:
    assert app(api_master_key="sk-1").test_client().get(path).status_code == 200


def test_the_key_is_checked_before_the_body() -> None:
    client = app(api_master_key="sk-1", max_body_bytes=5).test_client()
    assert client.post("/v1/chat/completions", json=HELLO).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "Invalid URL (GET /nowhere)"),
        ("GET", "/v1/chat/completions", 405, "Not allowed to GET on /v1/chat/completions (HINT:"),
        ("DELETE", "/v1/models", 405, "Not allowed to DELETE on /v1/models"),
    ],
)
def test_flasks_own_refusals_are_json_in_openais_envelope(
    method: str, path: str, status: int, words: str
) -> None:
    response = app().test_client().open(path, method=method)
    assert response.status_code == status
    assert response.json["error"]["message"].startswith(words)
    assert response.json["error"]["code"] is None
    assert ("Allow" in response.headers) is (status == 405)
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/messages", "/v1/messages"),
        ("/v1/responses/", "/v1/responses"),
        ("/v1/embeddings", None),
        ("/chat/completions" + "x" * 9000, None),
        ("/\u0000\u00e9", None),
    ],
    ids=lambda value: str(value)[:30].encode("unicode-escape").decode(),
)
def test_a_base_url_with_one_v1_too_few_or_too_many_is_told(path: str, meant: str | None) -> None:
    response = app().test_client().post(path, json=HELLO)
    assert response.status_code == 404
    message = response.json["error"]["message"]
    assert (f"(HINT: Perhaps you meant {meant}?)" in message) is (meant is not None)
    assert ("HINT" in message) is (meant is not None)


VERSION = {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("POST", "/v1/messages", {}, 401, "authentication_error"),
        ("POST", "/v1/messages/count_tokens", {}, 401, "authentication_error"),
        ("GET", "/v1/models", VERSION, 401, "authentication_error"),
        ("POST", "/v1/messages", {"x-api-key": "sk-1"}, 400, "invalid_request_error"),
        ("GET", "/v1/messages", {}, 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", {}, 404, "not_found_error"),
        ("GET", "/v1/files", VERSION, 404, "not_found_error"),
    ],
)
def test_refusals_of_anthropics_api_are_in_its_envelope(
    method: str, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    client = app(api_master_key="sk-1").test_client()
    response = client.open(path, method=method, headers=headers, json={})
    assert response.status_code == status
    assert (response.json["type"], response.json["error"]["type"]) == ("error", kind)
    assert response.json["request_id"] == response.headers["request-id"]
    assert response.headers["x-request-id"] == response.headers["request-id"]
    assert ("Allow" in response.headers) is (status == 405)


def test_too_large_a_body_and_an_unforeseen_failure_are_in_anthropics_envelope_too(
    made: list[FakeProvider],
) -> None:
    one = app(max_body_bytes=200)
    client = one.test_client()
    large = client.post("/v1/messages", json={**HELLO, "system": "x" * 200})
    assert (large.status_code, large.json["error"]["type"]) == (413, "request_too_large")
    one.extensions["langfast"].start()
    made[0].error = ValueError("secret detail")
    failed = client.post("/v1/messages", json={**HELLO, "max_tokens": 5})
    assert (failed.status_code, failed.json["error"]["type"]) == (500, "api_error")
    assert b"secret detail" not in failed.data


def test_a_message_goes_all_the_way() -> None:
    response = app().test_client().post("/v1/messages", json={**HELLO, "max_tokens": 5})
    assert response.status_code == 200
    assert response.json["content"] == [{"type": "text", "text": "Hi"}]
    assert response.headers["request-id"] == response.headers["x-request-id"]


def test_other_refusals_keep_their_own_words() -> None:
    one = app()

    @one.get("/teapot")
    def teapot() -> None:
        from flask import abort

        abort(418)

    response = one.test_client().get("/teapot")
    assert response.status_code == 418
    assert "teapot" in response.json["error"]["message"]


@pytest.mark.parametrize("stream", [True, False])
def test_an_unforeseen_failure_is_a_500_without_its_details(
    stream: bool, made: list[FakeProvider]
) -> None:
    one = app()
    one.extensions["langfast"].start()
    made[0].error = ValueError("secret detail")
    response = one.test_client().post("/v1/chat/completions", json={**HELLO, "stream": stream})
    assert response.status_code == 500
    assert response.json["error"]["code"] == "internal_error"
    assert b"secret detail" not in response.data


# --- in an application of one's own


def test_the_api_can_be_mounted_in_another_application() -> None:
    host = Flask("host")
    langfast = Langfast(host, settings())
    assert host.extensions["langfast"] is langfast
    client = host.test_client()
    assert client.post("/v1/chat/completions", json=HELLO).status_code == 200
    refused = client.post("/v1/chat/completions", data=b"[]")
    assert refused.status_code == 400
    assert refused.json["error"]["type"] == "invalid_request_error"
    assert refused.headers["x-request-id"]
    assert repr(langfast) == "<Langfast <Gateway 0 runs>>"


def test_the_other_applications_pages_stay_its_own() -> None:
    host = Flask("host")
    Langfast(host, settings())

    @host.get("/page")
    def page() -> str:
        return "theirs"

    client = host.test_client()
    assert client.get("/page").data == b"theirs"
    assert "openai-version" not in client.get("/page").headers
    assert client.get("/nowhere").content_type.startswith("text/html")


def test_a_failure_in_a_mounted_api_is_in_openais_envelope(made: list[FakeProvider]) -> None:
    host = Flask("host")
    Langfast(host, settings()).start()
    made[0].error = ValueError("secret detail")
    response = host.test_client().post("/v1/chat/completions", json=HELLO)
    assert response.status_code == 500
    assert response.json["error"]["code"] == "internal_error"


# --- the end


def test_a_drain_refuses_new_runs_and_ends_open_ones_in_time() -> None:
    one = app(drain_seconds=1.6)
    langfast = one.extensions["langfast"]
    langfast.drain()  # not started: nothing to do
    gateway = langfast.gateway()
    gateway.in_flight = 1
    begun = time.monotonic()
    langfast.drain()
    assert 0.09 <= time.monotonic() - begun < 1.0
    assert gateway.draining
    assert gateway.closing
    assert one.test_client().get("/readyz").status_code == 503
    refused = one.test_client().post("/v1/chat/completions", json=HELLO)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")


def test_a_process_that_others_replace_refuses_nobody_before_its_drain_is_over() -> None:
    one = app(drain_seconds=1.7)
    langfast = one.extensions["langfast"]
    langfast.start()
    gateway = langfast.gateway()
    thread = threading.Thread(target=langfast.drain, kwargs={"replaced": True})
    thread.start()
    client = one.test_client()
    assert client.post("/v1/chat/completions", json=HELLO).status_code == 200
    assert client.get("/readyz").status_code == 200
    thread.join(5)
    assert (gateway.draining, gateway.closing) == (True, True)
    assert client.post("/v1/chat/completions", json=HELLO).status_code == 503


def test_a_drain_is_over_as_soon_as_the_last_run_is() -> None:
    langfast = app(drain_seconds=60).extensions["langfast"]
    gateway = langfast.gateway()
    gateway.in_flight = 1
    thread = threading.Thread(target=langfast.drain)
    thread.start()
    wait_for(lambda: gateway.draining)
    gateway.in_flight = 0
    thread.join(2)
    assert not thread.is_alive()
