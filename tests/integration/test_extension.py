"""The API mounted in a Flask application of one's own: no gunicorn hooks, plain threads."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server

from langfast_wsgi.app import Langfast, create_app
from langfast_wsgi.settings import Settings, load
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import ROOT, environment, free_port, towards, wait_for
from tests.support.stream import read_stream, steer


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.01") as process:
        yield process


@pytest.fixture(scope="module")
def settings(emulator: EmulatorProcess) -> Settings:
    upstream = {name.lower(): value for name, value in towards(emulator).items()}
    return load(**upstream, api_master_key="mine", min_credentials=1)


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[tuple[str, Langfast]]:
    """A host application with a route of its own, on a threaded server."""
    app = Flask("host")

    @app.get("/own")
    def own() -> str:
        return "the host's own"

    langfast = Langfast(settings=settings)
    langfast.init_app(app)
    server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}", langfast
    finally:
        langfast.stop()
        server.shutdown()
        thread.join()
        server.server_close()


def ask(url: str, content: str, stream: bool = False, key: str = "mine") -> requests.Response:
    body = {"messages": [{"role": "user", "content": content}], "stream": stream}
    headers = {"Authorization": f"Bearer {key}"}
    path = f"{url}/v1/chat/completions"
    return requests.post(path, json=body, headers=headers, stream=stream, timeout=20)


def test_nothing_starts_before_the_first_request(settings: Settings) -> None:
    before = threading.active_count()
    langfast = Langfast(Flask("host"), settings)
    assert "not started" in repr(langfast)
    assert threading.active_count() == before


def test_the_api_is_served_beside_the_hosts_own_routes(served: tuple[str, Langfast]) -> None:
    url, _ = served
    assert requests.get(f"{url}/own", timeout=5).text == "the host's own"
    assert ask(url, "hello").json()["choices"][0]["message"]["content"] == "hello"
    assert read_stream(ask(url, "hello there you", stream=True)).text == "hello there you"


def test_threads_serve_as_well_as_greenlets(served: tuple[str, Langfast]) -> None:
    url, _ = served
    texts = [f"thread {number} " * 5 for number in range(16)]
    answers: dict[int, str] = {}

    def one(number: int) -> None:
        content = steer(texts[number], interval=0.02, chunks=8)
        answers[number] = read_stream(ask(url, content, stream=True)).text

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[number] for number in range(16)] == texts


def test_errors_have_their_envelope_and_headers_there_too(served: tuple[str, Langfast]) -> None:
    url, _ = served
    response = ask(url, "x", key="wrong")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["openai-version"]


def test_the_hosts_own_pages_are_left_alone(served: tuple[str, Langfast]) -> None:
    url, _ = served
    for path in ("/own", "/nowhere"):
        response = requests.get(url + path, timeout=5)
        assert "x-request-id" not in response.headers
        assert "application/json" not in response.headers["content-type"]


def test_a_host_may_mount_the_api_twice_over_two_applications(settings: Settings) -> None:
    first, second = create_app(settings), create_app(settings)
    assert first.extensions["langfast"] is not second.extensions["langfast"]


def test_an_open_api_serves_its_own_machine_only(emulator: EmulatorProcess) -> None:
    upstream = {name.lower(): value for name, value in towards(emulator).items()}
    app = create_app(load(**upstream))
    with app.test_client() as client:
        near = client.get("/v1/models", environ_base={"REMOTE_ADDR": "127.0.0.1"})
        far = client.get("/v1/models", environ_base={"REMOTE_ADDR": "203.0.113.7"})
    app.extensions["langfast"].stop()
    assert (near.status_code, far.status_code) == (200, 401)


@pytest.mark.parametrize(
    "worker", [("-k", "gthread", "--threads", "4"), ()], ids=["threads", "sync"]
)
def test_a_plain_gunicorn_serves_answers_that_pause(
    emulator: EmulatorProcess, tmp_path: Path, worker: tuple[str, ...]
) -> None:
    """No hooks, no greenlets: a run that is quiet for seconds is followed to its end."""
    (tmp_path / "host.py").write_text(
        "from flask import Flask\nfrom langfast_wsgi.app import Langfast\n"
        "app = Flask('host')\nLangfast(app)\n"
    )
    port = free_port()
    command = [str(Path(sys.executable).parent / "gunicorn"), *worker, "host:app"]
    command += ["--chdir", str(tmp_path), "--bind", f"127.0.0.1:{port}", "--timeout", "20"]
    settings = environment(str(tmp_path), PYTHONPATH=ROOT, MIN_CREDENTIALS=1, **towards(emulator))
    process = subprocess.Popen(command, cwd=tmp_path, env=settings, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(url), "the host to answer")
        content = steer("one two three", chunks=3, interval=0.6, delay=1.5)
        answer = ask(url, content).json()
        assert answer["choices"][0]["message"]["content"] == "one two three"
        assert read_stream(ask(url, content, stream=True)).text == "one two three"
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
