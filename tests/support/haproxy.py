"""A real HAProxy for tests: deploy/haproxy.cfg itself, an ordinary process on a free port."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.support.front import PATIENCE, FrontProcess, needs, program
from tests.support.gateway import ROOT, free_port, wait_for

CONFIGURATION = ROOT / "deploy" / "haproxy.cfg"


class HaproxyProcess(FrontProcess):
    """One running HAProxy."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: IO[str]) -> None:
        super().__init__(process, port)
        self._log = log

    def complaints(self) -> str:
        """See FrontProcess."""
        return self.log()

    def log(self) -> str:
        """What it has written: its access log, and what it has to say about its configuration."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read()


def needs_haproxy() -> None:
    """See ``needs``."""
    needs("haproxy", "haproxy.cfg")


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
    path = program("haproxy")
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
            wait_for(haproxy.answers, f"HAProxy to answer: {haproxy.complaints()}", PATIENCE)
            yield haproxy
        finally:
            haproxy.stop()
