"""The emulator as a process: announcing itself, ending, failing to start."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.emulator import EmulatorProcess, command, running_emulator
from tests.support.gateway import wait_for

_PATIENCE = 10.0


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator() as running:
        yield running


def _failing(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=_PATIENCE)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_it_announces_itself_with_one_line_that_is_also_served() -> None:
    with running_emulator("--anon-key", "a-key") as emulator:
        served = requests.get(emulator.url + "/emulator", timeout=_PATIENCE)
        assert served.json() == emulator.info
        assert emulator.info["emulator"] is True
        assert emulator.info["version"] == "1"
        assert emulator.anon_key == "a-key"
        assert {"echo", "auto", "slow"} <= {model["id"] for model in emulator.info["models"]}


def test_the_anon_key_is_random_unless_given() -> None:
    with running_emulator() as one, running_emulator() as other:
        assert one.anon_key != other.anon_key


def test_it_is_quiet() -> None:
    with running_emulator() as emulator:
        requests.get(emulator.url + "/nothing", timeout=_PATIENCE)
        requests.get(emulator.url + "/socket.io/?EIO=3", timeout=_PATIENCE)
        assert emulator.log() == ""


def test_it_logs_each_request_when_asked_to() -> None:
    with running_emulator("--verbose") as emulator:
        emulator.stats()
        wait_for(lambda: "GET /emulator/stats" in emulator.log(), "the line in its log")


def test_it_ends_with_its_stdin() -> None:
    with running_emulator() as emulator:
        assert emulator.process.stdin
        emulator.process.stdin.close()
        assert emulator.process.wait(1.0) == 0


def test_without_watching_it_outlives_its_stdin_and_ends_with_code_0_by_a_signal() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert json.loads(process.stdout.readline())["emulator"]
            process.send_signal(number)
            started = time.monotonic()
            assert process.wait(_PATIENCE) == 0
            assert time.monotonic() - started < 1.0


def test_a_taken_port_is_one_sentence_and_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = _failing("--port", port)
    assert code == 2
    assert said == f"emulator: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_bad_replies_file_is_one_sentence_and_code_2(tmp_path: Path) -> None:
    path = tmp_path / "replies.json"
    path.write_text('[{"reply": "a"}, {"reply": 1}]')
    code, said = _failing("--replies", str(path))
    assert code == 2
    assert said.startswith(f"emulator: replies file {path}: rule 1: 'reply' must be a text")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/emulator", 200),
        ("GET", "/nothing", 404),
        ("PATCH", "/emulator/stats", 405),
        ("OPTIONS", "/auth/v1/signup", 204),
        ("POST", "/auth/v1/signup", 401),
        ("POST", "/functions/v1/initiate-prompt-run", 401),
        ("GET", "/socket.io/?EIO=3&transport=polling", 400),
        ("GET", "/socket.io/?EIO=4&transport=websocket", 400),
    ],
)
def test_every_answer_is_marked(
    emulator: EmulatorProcess, method: str, path: str, status: int
) -> None:
    answer = requests.request(method, emulator.url + path, timeout=_PATIENCE)
    assert (answer.status_code, answer.headers["x-langfast-emulator"]) == (status, "1")


def test_one_connection_carries_many_requests(emulator: EmulatorProcess) -> None:
    with requests.Session() as session:
        ports = set()
        for _ in range(3):
            with session.get(emulator.url + "/emulator", stream=True, timeout=_PATIENCE) as answer:
                assert answer.raw.connection
                ports.add(answer.raw.connection.sock.getsockname()[1])
                assert answer.headers["content-length"]
                answer.content  # noqa: B018 - read, so that the connection is given back
        assert len(ports) == 1
