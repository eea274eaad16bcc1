"""The processes of a measurement: each started with a clean environment, ended for certain."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.client import KEY

ROOT = Path(__file__).parents[1]
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """Something that stands in for the upstream. ``url`` may be a proxy's in front of it."""

    pid: int
    url: str
    anon_key: str
    prompt_id: str
    #: A certificate that only who is told to trusts, where it speaks TLS.
    certificate: Path | None = None

    def settings(self) -> dict[str, str]:
        """As the gateway's environment."""
        trust = {"SSL_CERT_FILE": str(self.certificate)} if self.certificate else {}
        return {
            "SUPABASE_URL": self.url,
            "SUPABASE_ANON_KEY": self.anon_key,
            "SOCKET_URL": self.url,
            "PROMPT_ID": self.prompt_id,
            **trust,
        }


class Server:
    """A gateway or a reference, listening on a port of ours."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self.port = port
        self.pid = process.pid

    def __repr__(self) -> str:
        return f"<Server {self.pid} on port {self.port}>"

    def get(self, path: str) -> bytes:
        """The body of an answer; raises OSError where there is none, or an error."""
        address = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {KEY}"})
        with _opener.open(request, timeout=PATIENCE) as answer:
            return bytes(answer.read())

    def wait(self, ready: "Ready") -> None:
        """Until it serves. Raises RuntimeError with its log where it does not."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if ready(self):
                    return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self!r} does not serve: {self.log()}")
            time.sleep(0.02)

    def log(self) -> str:
        """The end of what it wrote, without requests that went well."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        return "\n".join(line for line in lines if '" 200 ' not in line)[-4000:]

    def stop(self) -> None:
        """End it and what it started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Ready:
    """Whether a server serves."""

    def __call__(self, server: Server) -> bool:
        """It accepts connections."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=1):
            return True


class Accounts(Ready):
    """Whether a gateway has so many accounts ready, all workers together."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __call__(self, server: Server) -> bool:
        """By its metrics."""
        wanted = 'langfast_credentials{state="ready"}'
        lines = server.get("/metrics").decode().splitlines()
        found = [line.rsplit(" ", 1)[1] for line in lines if line.startswith(wanted)]
        return bool(found) and float(found[0]) >= self._count


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def upstream(module: str = "benchmarks.upstream", *arguments: str) -> Iterator[Upstream]:
    """A process that says on its first line where it is, and ends with its stdin."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        said = json.loads(process.stdout.readline())
        names = ("url", "anon_key", "prompt_id")
        yield Upstream(process.pid, *(said.get(name, "") for name in names))
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


@contextmanager
def serving(
    command: Sequence[str],
    settings: Mapping[str, str],
    *,
    ready: Ready | None,
    tree: Path = ROOT,
) -> Iterator[Server]:
    """A server in a folder and with a log of its own."""
    port = free_port()
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    listen = {"HOST": "127.0.0.1", "PORT": str(port), "BENCH_PORT": str(port)}
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [part.replace("$PORT", str(port)) for part in command],
            cwd=tree,
            env={**inherited, "HOME": home, "ENV_FILE": "", **listen, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(process, port, log)
        try:
            if ready is not None:
                server.wait(ready)
            yield server
        finally:
            server.stop()


def gunicorn() -> str:
    """The one beside this Python."""
    return str(Path(sys.executable).parent / "gunicorn")


def production() -> list[str]:
    """The Procfile's command."""
    line = (ROOT / "Procfile").read_text().strip()
    return [gunicorn(), *shlex.split(line.removeprefix("web: "))[1:]]


def reference(name: str) -> list[str]:
    """The command of a reference."""
    config = "python:benchmarks.references.server"
    return [gunicorn(), "-c", config, "-b", "127.0.0.1:$PORT", f"benchmarks.references.{name}:app"]


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
