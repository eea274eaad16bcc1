"""A real emulator process for tests: started on a free port, looked at and steered over HTTP."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import requests

_PATIENCE = 10.0


class EmulatorProcess:
    """One running emulator."""

    def __init__(
        self, process: "subprocess.Popen[str]", info: dict[str, Any], log: IO[str]
    ) -> None:
        self.process = process
        self.info = info
        self._log = log
        self._http = requests.Session()
        # A developer's proxy settings are none of the loopback's business.
        self._http.trust_env = False

    def __repr__(self) -> str:
        return f"<EmulatorProcess {self.url} pid={self.process.pid}>"

    @property
    def url(self) -> str:
        """Where it listens; auth, function and sockets alike."""
        return str(self.info["url"])

    @property
    def anon_key(self) -> str:
        """The key that auth and function want."""
        return str(self.info["anon_key"])

    @property
    def prompt_id(self) -> str:
        """A prompt id that it accepts."""
        return str(self.info["prompt_id"])

    def stats(self) -> dict[str, int]:
        """Counters, and what is open at this moment."""
        return dict(self._call("GET", "/emulator/stats"))

    def started(self) -> int:
        """How many runs it has begun, also those that it has forgotten since."""
        return self.stats()["starts_accepted"]

    def runs(self, texts: bool = False) -> list[dict[str, Any]]:
        """The newest 2,000 runs, oldest first: their number says nothing of how many there were."""
        return list(self._call("GET", f"/emulator/runs?texts={int(texts)}")["runs"])

    def forget(self) -> None:
        """Clear runs and counters."""
        self._call("DELETE", "/emulator/runs")

    def faults(self, **services: Mapping[str, Any] | None) -> dict[str, Any]:
        """Switch service faults on (or off, with None); gives those that are on."""
        return dict(self._call("PUT", "/emulator/faults", services))

    def clear_faults(self) -> None:
        """Switch all service faults off."""
        self._call("DELETE", "/emulator/faults")

    def drop_sockets(self, mode: str = "abort") -> int:
        """Cut (abort) or disconnect (kick) all sockets; gives how many."""
        return int(self._call("POST", "/emulator/sockets/drop", {"mode": mode})["sockets"])

    def expire_tokens(self) -> None:
        """Access tokens issued so far are refused from now on."""
        self._call("POST", "/emulator/tokens/expire")

    def revoke_tokens(self) -> None:
        """Refresh tokens issued so far are unknown, too."""
        self._call("POST", "/emulator/tokens/revoke")

    def log(self) -> str:
        """What it has written to stderr."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def stop(self) -> None:
        """End it by the end of its stdin, or by force; twice is fine."""
        self._http.close()
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def _call(self, method: str, path: str, body: object = None) -> Any:
        answer = self._http.request(method, self.url + path, json=body, timeout=_PATIENCE)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def command(*arguments: str) -> list[str]:
    """The command line of an emulator."""
    return [sys.executable, "-m", "langfast_wsgi.emulator", *arguments]


@contextmanager
def running_emulator(*arguments: str) -> Iterator[EmulatorProcess]:
    """An emulator with these command-line arguments, on a free port unless they name one."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command("--watch-stdin", *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout
        line = process.stdout.readline()
        emulator = EmulatorProcess(process, json.loads(line) if line else {}, log)
        try:
            if not line:
                process.wait(_PATIENCE)
                raise RuntimeError(f"the emulator did not start: {emulator.log()}")
            yield emulator
        finally:
            emulator.stop()
