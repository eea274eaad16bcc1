"""A real gateway for tests: gunicorn, started with the Procfile's own command on a free port."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import requests

from tests.support.canaries import Canaries, Watch, anon_key_of_embedded, new
from tests.support.emulator import EmulatorProcess

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


class GatewayProcess:
    """One running gateway. Callers show a key that nobody asked for, where none is asked for."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        port: int,
        log: IO[str],
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self._settings = settings or {}
        self.watch = Watch(Canaries(self._settings))
        self.http = self._client()
        if "API_MASTER_KEY" not in self._settings:
            key = new("callers-key")
            self.watch.canaries.plant("a caller's key", key)
            self.http.headers["Authorization"] = f"Bearer {key}"

    def __repr__(self) -> str:
        return f"<GatewayProcess {self.url} pid={self.process.pid}>"

    @property
    def api(self) -> str:
        """The base URL for an OpenAI client."""
        return f"{self.url}/v1"

    def chat(self, content: object = "hi", **fields: Any) -> requests.Response:
        """A chat completion of one user message, unstreamed unless ``stream`` says so."""
        headers = fields.pop("headers", {})
        body = {"messages": [{"role": "user", "content": content}], **fields}
        stream = bool(body.get("stream"))
        return self.http.post(
            f"{self.api}/chat/completions", json=body, headers=headers, stream=stream, timeout=60
        )

    def get(self, path: str, **options: Any) -> requests.Response:
        """Any GET."""
        return self.http.get(self.url + path, timeout=PATIENCE, **options)

    def metrics(self, **options: Any) -> dict[str, float]:
        """The series, by name and labels as they are written."""
        lines = self.get("/metrics", **options).text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def log(self) -> str:
        """What it has written to stdout and stderr."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def worker_pids(self) -> list[int]:
        """The workers, by gunicorn's own words."""
        return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", self.log())]

    def wait_until_ready(self) -> None:
        """Until ``/readyz`` says so."""
        wait_for(lambda: self._answers("/readyz"), "the gateway to be ready")

    def wait_until_alive(self) -> None:
        """Until it answers at all."""
        wait_for(lambda: self._answers("/healthz"), "the gateway to answer")

    def _answers(self, path: str) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the gateway ended: {self.log()}")
        try:
            return self.get(path).status_code == 200
        except requests.ConnectionError:
            return False

    def _client(self) -> requests.Session:
        client = requests.Session()
        client.trust_env = False
        client.hooks["response"].append(self.watch)
        return client

    def look_for_secrets(self) -> None:
        """At the end, while it runs: its last metrics, and what its own emulator's key is."""
        if self.process.poll() is not None:
            return
        if "SUPABASE_URL" not in self._settings:
            self.watch.canaries.plant("anon key", anon_key_of_embedded(self.process.pid))
        key = self._settings.get("API_MASTER_KEY", "").partition(",")[0]
        with self._client() as client:
            try:
                client.get(
                    f"{self.url}/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=2
                )
            except requests.RequestException:
                pass  # a test may leave it in any state

    def check_secrets(self) -> None:
        """When it has ended: none in its log, its last metrics, the errors that were heard."""
        self.watch.look("the log", self.log())
        self.watch.look("/metrics", self.watch.metrics)
        assert not self.watch.leaks, "\n".join(self.watch.leaks)

    def stop(self, how: signal.Signals = signal.SIGTERM, patience: float = PATIENCE) -> int:
        """Tell it to end; the exit code. By force if it takes too long. Twice is fine."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()


def wait_for(condition: Any, what: str, patience: float = PATIENCE) -> None:
    """Ask every 20 ms until the condition holds; fail with ``what`` we waited for."""
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited {patience} s for {what}")
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def procfile_command() -> list[str]:
    """What a platform runs, with the gunicorn beside this Python."""
    line = (ROOT / "Procfile").read_text().strip()
    program, *arguments = shlex.split(line.removeprefix("web: "))
    return [str(Path(sys.executable).parent / program), *arguments]


def environment(home: str, **settings: object) -> dict[str, str]:
    """Nothing of the developer's own settings but the path; what is None is left out."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    given = {name: str(value) for name, value in settings.items() if value is not None}
    return {**inherited, "HOME": home, "ENV_FILE": "", "PYTHONUNBUFFERED": "1", **given}


def towards(emulator: EmulatorProcess) -> dict[str, str]:
    """The settings that make an emulator the upstream, as an operator would write them."""
    return {
        "SUPABASE_URL": emulator.url,
        "SUPABASE_ANON_KEY": emulator.anon_key,
        "SOCKET_URL": emulator.url,
        "PROMPT_ID": emulator.prompt_id,
    }


@contextmanager
def running_gateway(
    emulator: EmulatorProcess | None = None, *, ready: bool | None = True, **settings: object
) -> Iterator[GatewayProcess]:
    """A gateway with these settings (by environment name): ready, just alive, or not waited for.

    Without an emulator of the test's own it starts its embedded one.
    """
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
    ):
        upstream = towards(emulator) if emulator else {}
        defaults = {"HOST": "127.0.0.1", "PORT": port, **upstream}
        env = environment(home, **{**defaults, **settings})
        process = subprocess.Popen(
            procfile_command(),
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        gateway = GatewayProcess(process, port, log, env)
        try:
            if ready:
                gateway.wait_until_ready()
            elif ready is False:
                gateway.wait_until_alive()
            yield gateway
        finally:
            gateway.look_for_secrets()
            gateway.stop(signal.SIGQUIT)  # a graceful end waits for idle connections
            gateway.check_secrets()
