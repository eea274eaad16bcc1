"""A reverse proxy for tests: one of the delivered configurations, run by the real program."""

import os
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod

import pytest
import requests

PATIENCE = 10.0

FOREIGN = {
    "Forwarded": "for=198.51.100.7;proto=https;host=elsewhere.example",
    "Via": "1.1 elsewhere.example",
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Host": "elsewhere.example",
    "X-Forwarded-Port": "4711",
    "X-Forwarded-Prefix": "/elsewhere",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Ssl": "on",
    "X-Real-IP": "198.51.100.7",
}
"""What a caller may claim about itself."""


class FrontProcess(ABC):
    """One running proxy."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = requests.Session()
        self.http.trust_env = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} pid={self.process.pid}>"

    @property
    def api(self) -> str:
        """The base URL for an OpenAI client."""
        return f"{self.url}/v1"

    @abstractmethod
    def complaints(self) -> str:
        """What it says of itself and its configuration."""

    def answers(self) -> bool:
        """Whether it serves; its own error for an upstream that is away counts."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self!r} ended: {self.complaints()}")
        try:
            self.http.get(f"{self.url}/healthz", timeout=PATIENCE)
        except requests.ConnectionError:
            return False
        return True

    def stop(self) -> None:
        """End it, open connections and all."""
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def program(name: str) -> str | None:
    """Where it is; distributions keep such programs off an ordinary user's path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def needs(name: str, configuration: str) -> None:
    """Skip the test where the program is absent; fail it there if everything is required."""
    if program(name):
        return
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{name} is not installed, and REQUIRE_ALL=1 wants the tests that need it")
    pytest.skip(f"{name} is not installed: deploy/{configuration} is not tested")
