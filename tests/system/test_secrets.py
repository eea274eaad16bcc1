"""Secrets stay inside, also where the upstream hands them back in whatever it says.

Every gateway of the suite is looked through when it ends (``tests/support/canaries.py``). Here the
upstream is as careless as can be: it refuses, and repeats key and token in the refusal.
"""

import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests

from tests.support.canaries import Canaries, Watch, new
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, towards, wait_for
from tests.support.stream import read_stream, steer

DEMO = {"UPSTREAM_EMAIL": "demo@example.com", "UPSTREAM_PASSWORD": "demo-password"}
ONE = {"MIN_CREDENTIALS": 1, "LOG_LEVEL": "debug", "QUEUE_TIMEOUT": 0.3}
KEY = new("api-key")
REFRESH = "rfsh" + "k3" * 4  # as the emulator makes them

Words = Callable[[str, str], bytes]


class Careless(ThreadingHTTPServer):
    """Stands before an emulator's auth service and functions. Knows every token that was given,
    and on demand answers with status and words of the test's own, made of token and key.
    """

    daemon_threads = True

    def __init__(self, emulator: EmulatorProcess) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.emulator = emulator
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.says: dict[str, Iterator[tuple[int, Words]]] = {}
        self.tokens: list[str] = []
        self.said = 0

    def settings(self) -> dict[str, str]:
        """For a gateway."""
        return {**towards(self.emulator), "SUPABASE_URL": self.url}

    def repeat(self, words: Words) -> str:
        """Its words of the key, and of the token that it gave first."""
        return words(self.emulator.anon_key, self.tokens[0]).decode()

    def give(self, content: bytes) -> None:
        """Remember the tokens in an answer."""
        try:
            found = json.loads(content)
        except ValueError:
            return
        if isinstance(found, dict) and "access_token" in found:
            self.tokens += [found["access_token"], found["refresh_token"]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Careless

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        says = next((one for part, one in self.server.says.items() if part in self.path), iter(()))
        careless = next(says, None)
        if careless is not None:
            status, words = careless
            secret = self.headers.get("Authorization", "").removeprefix("Bearer ")
            sent = json.loads(body)
            secret = secret or sent.get("refresh_token") or sent.get("password") or "none"
            content = words(self.headers["apikey"], secret)
            self._answer(status, {"x-sb-error-code": secret, "Location": f"/?{secret}"}, content)
            self.server.said += 1
            return
        names = ("apikey", "Authorization", "Content-Type", "X-Supabase-Api-Version")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        url = self.server.emulator.url + self.path
        with requests.Session() as client:
            client.trust_env = False
            answer = client.post(url, data=body, headers=headers, timeout=30)
        self.server.give(answer.content)
        self._answer(answer.status_code, {}, answer.content)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[Careless]:
    with running_emulator("--interval", "0") as emulator, Careless(emulator) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def careless(server: Careless) -> Careless:
    """As new."""
    server.emulator.clear_faults()
    server.says.clear()
    server.tokens.clear()
    server.said = 0
    return server


@contextmanager
def watched(careless: Careless, **settings: object) -> Iterator[GatewayProcess]:
    """A gateway; when it ends, also the tokens that were given are looked for."""
    given = {**ONE, **careless.settings(), "API_MASTER_KEY": KEY, **settings}
    with running_gateway(**given) as gateway:
        gateway.http.headers["Authorization"] = f"Bearer {KEY}"
        try:
            yield gateway
        finally:
            for number, token in enumerate(careless.tokens):
                gateway.watch.canaries.plant(("access token", "refresh token")[number % 2], token)


def named(key: str, token: str) -> bytes:
    """A name stands beside each secret, or it looks like a token; here it is shown in every way."""
    said = f"Bearer {token} with apikey={key} and token: {token} is not known"
    page = f"<p>authorization: Bearer {token}</p> <p>apikey: {key}</p> <p>token={token}</p>"
    sent = {"apikey": key, "refresh_token": token, "access_token": token, "password": token}
    inner = {"message": page, "request": json.dumps(sent)}
    return json.dumps({"code": "oops", "message": said, "error": inner, **sent}).encode()


def bare(key: str, token: str) -> bytes:
    """Nothing tells what they are."""
    return json.dumps({"code": "oops", "message": f"{token} of {key} is unknown"}).encode()


WORDS = [named, bare]


# --- the check itself


def test_a_gateway_that_writes_its_key_into_the_log_fails_its_test() -> None:
    shown = f"--print-config --env NOTHING={KEY}"  # past the logging, which may know how to mask it
    with (
        pytest.raises(AssertionError, match="the log shows API_MASTER_KEY"),
        running_gateway(API_MASTER_KEY=KEY, GUNICORN_CMD_ARGS=shown, ready=None) as gateway,
    ):
        assert gateway.process.wait(20) == 0


@pytest.mark.parametrize("stream", [True, False])
def test_an_error_that_holds_a_secret_is_a_leak(gateway: GatewayProcess, stream: bool) -> None:
    watch = Watch(Canaries({"API_MASTER_KEY": KEY}))
    with requests.Session() as client:
        client.hooks["response"].append(watch)
        client.headers["Authorization"] = str(gateway.http.headers["Authorization"])
        answer = client.get(f"{gateway.api}/models/{KEY}", stream=stream, timeout=10)
        assert KEY in answer.text
    assert watch.leaks[0].startswith("an answer 404 shows API_MASTER_KEY in ")
    assert KEY not in str(watch.leaks)


@pytest.mark.parametrize(
    ("kind", "token"),
    [("an access token", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"), ("a refresh token", REFRESH)],
)
def test_an_event_that_holds_a_token_is_a_leak(
    gateway: GatewayProcess, kind: str, token: str
) -> None:
    watch = Watch(Canaries({}))
    with requests.Session() as client:
        client.hooks["response"].append(watch)
        client.headers["Authorization"] = str(gateway.http.headers["Authorization"])
        body = {"messages": [{"role": "user", "content": token}], "stream": True}
        read_stream(client.post(f"{gateway.api}/chat/completions", json=body, stream=True))
        assert watch.leaks == []  # what a caller said himself
    hear = watch._events()
    for piece in ("data: {}\n\nda", 'ta: {"error":{"message":"no ', f'{token}"}}}}\n', "\n"):
        hear(piece)
    (leak,) = watch.leaks
    assert leak.startswith(f"an event shows {kind} in ")


def test_the_key_of_the_embedded_emulator_is_looked_for_as_well() -> None:
    with running_gateway(MIN_CREDENTIALS=1) as gateway:
        gateway.look_for_secrets()
        (emulator,) = psutil.Process(gateway.process.pid).children()[:1]
        (listener,) = [one for one in emulator.net_connections("tcp") if one.status == "LISTEN"]
        url = f"http://127.0.0.1:{listener.laddr.port}/emulator"
        key = requests.get(url, timeout=5).json()["anon_key"]
        assert list(gateway.watch.canaries.seen_in(f"x {key}")) == ["anon key in 'x <anon key>'"]
        assert "langfast_runs_in_flight" in gateway.watch.metrics


@pytest.mark.parametrize("form", [str, quote, lambda text: b64encode(text.encode()).decode()])
def test_a_secret_is_known_in_other_forms(form: Callable[[str], str]) -> None:
    secret = "p\u00e4ss word:1?"
    canaries = Canaries({"UPSTREAM_PASSWORD": secret, "API_MASTER_KEY": "short,1"})
    (seen,) = canaries.seen_in(f"a line with {form(secret)} in it")
    assert seen.startswith("UPSTREAM_PASSWORD in ")
    assert secret not in seen


# --- an upstream that hands them back


@pytest.mark.parametrize("words", WORDS)
def test_a_refused_sign_up_says_nothing(careless: Careless, words: Words) -> None:
    careless.says["/signup"] = iter([(422, words)])
    with watched(careless, ready=False) as gateway:
        wait_for(lambda: careless.said == 1, "the refusal")
        gateway.chat()


@pytest.mark.parametrize("words", WORDS)
def test_a_refused_start_says_nothing(careless: Careless, words: Words) -> None:
    statuses = (404, 502, 502, 302, 200, 403, 401, 401)  # two of them are tried twice
    with watched(careless, MIN_CREDENTIALS=3) as gateway:
        gateway.chat()
        wait_for(lambda: len(careless.tokens) == 2 * 3, "three accounts")
        careless.says["initiate-prompt-run"] = ((one, words) for one in statuses)
        for _ in range(6):
            assert gateway.chat().status_code == 502
        assert careless.said == len(statuses)


def test_a_refused_prompt_says_nothing(careless: Careless) -> None:
    careless.says["initiate-prompt-run"] = iter([(400, named), (422, named)])
    with watched(careless) as gateway:
        assert [gateway.chat().status_code for _ in range(3)] == [400, 400, 200]


@pytest.mark.parametrize("words", WORDS)
def test_a_refused_refresh_says_nothing(careless: Careless, words: Words) -> None:
    careless.says["refresh_token"] = iter([(400, words)])
    with watched(careless) as gateway:
        careless.emulator.expire_tokens()
        gateway.chat()
        wait_for(lambda: careless.said == 1, "the refusal")


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("password", named),
        ("refresh_token", named),
        ("password", bare),
    ],
)
def test_an_account_of_ones_own_that_is_refused_says_nothing(
    careless: Careless, by: str, words: Words
) -> None:
    own = DEMO if by == "password" else {"UPSTREAM_REFRESH_TOKEN": new("refresh-token")}
    careless.says[f"grant_type={by}"] = iter([(400, words)])
    with watched(careless, ready=False, **own) as gateway:
        wait_for(lambda: careless.said == 1, "the refusal")
        gateway.chat()


def test_a_refused_socket_says_nothing(careless: Careless) -> None:
    with watched(careless, MAX_CREDENTIALS=1) as gateway:
        said = careless.repeat(named)
        careless.emulator.faults(connect={"refuse": True, "shape": "text", "message": said})
        careless.emulator.drop_sockets()
        wait_for(lambda: "socket refused" in gateway.log(), "the refusal")
        gateway.chat()


def test_a_run_that_fails_says_nothing(careless: Careless) -> None:
    with watched(careless) as gateway:
        asked = {"chunks": 3, "fault": "fail", "message": careless.repeat(named)}
        assert gateway.chat(steer("a b c", at=0, **asked)).status_code == 502
        assert read_stream(gateway.chat(steer("a b c", at=2, **asked), stream=True)).error


def test_events_that_nobody_expects_say_nothing(careless: Careless) -> None:
    with watched(careless) as gateway:
        said = careless.repeat(named)
        gateway.chat(steer("x", fault="chunk-change", change={"status": said, "error": said}))
        gateway.chat(steer(said, fault=["unknown-event", "as-list"]))
        for words in ("chunk without meaning", "unknown event"):
            wait_for(lambda words=words: words in gateway.log(), words)  # type: ignore[misc]


# --- other ways out


def test_no_process_calls_itself_by_a_secret(gateway: GatewayProcess) -> None:
    titles = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == gateway.process.pid:
                titles.append(" ".join([process.name(), *process.cmdline()]))
    assert len(titles) >= 2
    assert all("gunicorn" in title for title in titles)
    assert list(gateway.watch.canaries.seen_in("\n".join(titles))) == []
