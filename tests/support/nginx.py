"""A real nginx for tests: deploy/nginx.conf itself, an ordinary process in a temporary folder."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.front import PATIENCE, FrontProcess, needs, program
from tests.support.gateway import ROOT, free_port, wait_for

CONFIGURATION = ROOT / "deploy" / "nginx.conf"


class NginxProcess(FrontProcess):
    """One running nginx."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
        super().__init__(process, port)
        self._folder = folder

    def access_log(self) -> str:
        """Its access log."""
        return (self._folder / "access.log").read_text()

    def complaints(self) -> str:
        """Its error log, and what it said before it had one."""
        return (self._folder / "error.log").read_text()


def needs_nginx() -> None:
    """See ``needs``."""
    needs("nginx", "nginx.conf")


def configuration(folder: Path, port: int, *upstreams: int) -> str:
    """The file as it is delivered, with this machine's addresses and paths in it."""
    servers = " ".join(f"server 127.0.0.1:{upstream};" for upstream in upstreams)
    text = CONFIGURATION.read_text()
    for delivered, here in (
        (" /tmp/", f" {folder}/"),  # first: the folder itself may be there
        ("server app:8000;", servers),
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
def running_nginx(*upstreams: int) -> Iterator[NginxProcess]:
    """An nginx in front of whatever listens, now or later, on these ports of the loopback."""
    needs_nginx()
    path = program("nginx")
    assert path
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # its workers are nobody's where root runs the tests
        (folder / "nginx.conf").write_text(configuration(folder, port, *upstreams))
        log = folder / "error.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [path, "-e", str(log), "-p", name, "-c", "nginx.conf", "-g", "daemon off;"],
                stderr=errors,
                start_new_session=True,
            )
        nginx = NginxProcess(process, port, folder)
        try:
            wait_for(nginx.answers, f"nginx to answer: {log.read_text()}", PATIENCE)
            yield nginx
        finally:
            nginx.stop()
