"""A real nginx for tests: deploy/nginx.conf itself, an ordinary process in a temporary folder."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.gateway import ROOT, free_port, wait_for

CONFIGURATION = ROOT / "deploy" / "nginx.conf"
_PATIENCE = 10.0


class NginxProcess:
    """One running nginx."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self.http = requests.Session()
        self.http.trust_env = False

    def __repr__(self) -> str:
        return f"<NginxProcess {self.url} pid={self.process.pid}>"

    @property
    def api(self) -> str:
        """The base URL for an OpenAI client."""
        return f"{self.url}/v1"

    def access_log(self) -> str:
        """Its access log."""
        return (self._folder / "access.log").read_text()

    def error_log(self) -> str:
        """Its error log, and what it said before it had one."""
        return (self._folder / "error.log").read_text()

    def answers(self) -> bool:
        """Whether it serves; its own 502 counts."""
        if self.process.poll() is not None:
            raise RuntimeError(f"nginx ended: {self.error_log()}")
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
    """Where nginx is; distributions keep it off an ordinary user's path."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def needs_nginx() -> None:
    """Skip the test where nginx is absent; fail it there if everything is required."""
    if program():
        return
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail("nginx is not installed, and REQUIRE_ALL=1 wants the tests that need it")
    pytest.skip("nginx is not installed: deploy/nginx.conf is not tested")


def configuration(folder: Path, port: int, upstream: int) -> str:
    """The file as it is delivered, with this machine's addresses and paths in it."""
    text = CONFIGURATION.read_text()
    for delivered, here in (
        (" /tmp/", f" {folder}/"),  # first: the folder itself may be there
        ("server app:8000;", f"server 127.0.0.1:{upstream};"),
        (
            "\n        listen 80 default_server;",
            f"\n        listen 127.0.0.1:{port} default_server;",
        ),
        (" stderr ", f" {folder}/error.log "),
        (" /dev/stdout ", f" {folder}/access.log "),
    ):
        assert delivered in text, f"deploy/nginx.conf has no {delivered!r} any more"
        text = text.replace(delivered, here)
    return text


@contextmanager
def running_nginx(upstream: int) -> Iterator[NginxProcess]:
    """An nginx in front of whatever listens, now or later, on this port of the loopback."""
    needs_nginx()
    path = program()
    assert path
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # its workers are nobody's where root runs the tests
        (folder / "nginx.conf").write_text(configuration(folder, port, upstream))
        log = folder / "error.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [path, "-e", str(log), "-p", name, "-c", "nginx.conf", "-g", "daemon off;"],
                stderr=errors,
                start_new_session=True,
            )
        nginx = NginxProcess(process, port, folder)
        try:
            wait_for(nginx.answers, f"nginx to answer: {log.read_text()}", _PATIENCE)
            yield nginx
        finally:
            nginx.stop()
