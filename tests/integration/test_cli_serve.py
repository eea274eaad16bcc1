"""``langfast serve`` and ``langfast emulate`` as processes."""

import json
import signal
import subprocess
from pathlib import Path

import requests

from tests.support.gateway import free_port, running_gateway, wait_for
from tests.unit.cli.command import langfast, started


def answers(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=5).status_code == 200
        except requests.ConnectionError:
            return False


def test_serve_starts_the_gateway_and_sigterm_ends_it() -> None:
    port = free_port()
    with started("serve", "--port", str(port), "--workers", "2", "--", "--threads", "1") as process:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the gateway")
        asked = langfast("chat", "hello", PORT=port, HOST="127.0.0.1")
        assert (asked.returncode, asked.stdout) == (0, b"hello")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=15)
    assert process.returncode == 0
    assert log.count(b"Booting worker") == 2
    assert b"Listening at: http://127.0.0.1:" in log


def test_serve_needs_settings_that_fit() -> None:
    done = langfast("serve", SUPABASE_URL="http://upstream.test")
    assert done.returncode == 2
    assert done.stderr.startswith(b"langfast: Settings do not fit: an upstream")


def test_serve_finds_its_configuration_from_anywhere(tmp_path: Path) -> None:
    done = langfast("serve", "--", "--check-config", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


def test_serve_refuses_a_port_that_is_none() -> None:
    done = langfast("serve", "--port", "70000")
    assert done.returncode == 2
    assert b"--port" in done.stderr


def emulator_lines(process: "subprocess.Popen[bytes]") -> dict[str, str]:
    """The settings that it prints for a person."""
    assert process.stderr
    lines = [process.stderr.readline().decode().strip() for _ in range(5)]
    assert lines[0].startswith("# The emulator listens at http://127.0.0.1:")
    return dict(line.split("=", 1) for line in lines[1:])


def test_emulate_serves_and_its_lines_point_a_gateway_at_it() -> None:
    with started("emulate", "--port", "0", "--interval", "0") as process:
        settings = emulator_lines(process)
        assert process.stdout
        info = json.loads(process.stdout.readline())
        assert (info["url"], info["anon_key"], info["prompt_id"]) == (
            settings["SUPABASE_URL"],
            settings["SUPABASE_ANON_KEY"],
            settings["PROMPT_ID"],
        )
        with running_gateway(**settings) as gateway:
            answer = gateway.chat("hello from afar", model="echo").json()
            assert answer["choices"][0]["message"]["content"] == "hello from afar"
            assert answer["system_fingerprint"] == "emulator"
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
        assert process.stderr
        assert process.stderr.read() == b""


def test_emulate_listens_where_its_help_says() -> None:
    done = langfast("emulate", "--help")
    assert done.returncode == 0
    assert b"listens on port 8100" in b" ".join(done.stdout.split())


def test_emulate_keeps_a_given_key() -> None:
    with started("emulate", "--port", "0", "--anon-key", "a-key") as process:
        assert emulator_lines(process)["SUPABASE_ANON_KEY"] == "a-key"


def test_emulate_says_what_it_cannot_do(tmp_path: Path) -> None:
    done = langfast("emulate", "--replies", str(tmp_path / "none.json"))
    assert done.returncode == 2
    assert b"none.json" in done.stderr
    assert langfast("emulate", "--no-such-option").returncode == 2
