"""A real HAProxy for tests: deploy/haproxy.cfg itself, an ordinary process on a free port."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import requests

from tests.support.gateway import ROOT, free_port, wait_for

CONFIGURATION = ROOT / "deploy" / "haproxy.cfg"
_PATIENCE = 10.0


class HaproxyProcess:
    """One running HAProxy."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: IO[str]) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self.http = requests.Session()
        self.http.trust_env = False

    def __repr__(self) -> str:
        return f"<HaproxyProcess {self.url} pid={self.process.pid}>"

    @property
    def api(self) -> str:
        """The base URL for an OpenAI client."""
        return f"{self.url}/v1"

    def log(self) -> str:
        """What it has written: its access log, and what it has to say about its configuration."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def answers(self) -> bool:
        """Whether it serves; its own 503 counts."""
        if self.process.poll() is not None:
            raise RuntimeError(f"HAProxy ended: {self.log()}")
        try:
            self.http.get(f"{self.url}/healthz", timeout=_PATIENCE)
        except requests.ConnectionError:
            return False
        return True

    def stop(self) -> None:
        """End it, open connections and all."""
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def program() -> str | None:
    """Where HAProxy is; distributions keep it off an ordinary user's path."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def needs_haproxy() -> None:
    """Skip the test where HAProxy is absent; fail it there if everything is required."""
    if program():
        return
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail("haproxy is not installed, and REQUIRE_ALL=1 wants the tests that need it")
    pytest.skip("haproxy is not installed: deploy/haproxy.cfg is not tested")


def configuration(port: int, *upstreams: int) -> str:
    """The file as it is delivered, with this machine's addresses in it."""
    servers = "".join(
        f"\n    server app{number} 127.0.0.1:{upstream}"
        for number, upstream in enumerate(upstreams, 1)
    )
    text = CONFIGURATION.read_text()
    for delivered, here in (
        ("\n    bind :80\n", f"\n    bind 127.0.0.1:{port}\n"),
        ("\n    server app1 app:8000", servers),
    ):
        assert delivered in text, f"deploy/haproxy.cfg has no {delivered!r} any more"
        text = text.replace(delivered, here)
    return text


@contextmanager
def running_haproxy(*upstreams: int) -> Iterator[HaproxyProcess]:
    """A HAProxy in front of whatever listens, now or later, on these ports of the loopback."""
    needs_haproxy()
    path = program()
    assert path
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
    ):
        file = Path(folder) / "haproxy.cfg"
        file.write_text(configuration(port, *upstreams))
        process = subprocess.Popen(
            [path, "-db", "-f", str(file)],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        haproxy = HaproxyProcess(process, port, log)
        try:
            wait_for(haproxy.answers, f"HAProxy to answer: {haproxy.log()}", _PATIENCE)
            yield haproxy
        finally:
            haproxy.stop()
