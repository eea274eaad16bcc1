"""Programs in this folder, run by the Python of the environment that has their client.

The environments are built by make, one for each lock file beside this module.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.node.program import Facts

FOLDER = Path(__file__).parent
ENVIRONMENTS = FOLDER.parents[2] / ".venv-clients"
_PROGRAM_SECONDS = 90

# What would make a client call home, or look for a developer's own settings.
_QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",  # or it reads the .env of whatever folder it is started in
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "PYTHONWARNINGS": "ignore",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def run_program(around: "Surroundings", name: str, *arguments: str) -> Facts:
    """The facts that a program prints. It may reach loopback only."""
    with around:
        done = around.run((str(around.bin / "python"), str(FOLDER / name), *arguments))
        assert done.returncode == 0, done.stdout + done.stderr
        return Facts(_facts(done.stdout.splitlines()))


def _facts(lines: Iterable[str]) -> Iterable[tuple[str, dict[str, Any]]]:
    # Whatever else a client prints is its own.
    told = [json.loads(line) for line in lines if line.startswith('{"fact"')]
    return ((one.pop("fact"), one) for one in told)


class Surroundings:
    """A home of its own for a client's process, in which nothing but loopback can be reached."""

    def __init__(self, environment: str, base_url: str = "", cut: str = "", key: str = "") -> None:
        self.bin = ENVIRONMENTS / _needed(environment) / "bin"
        self._folder = tempfile.TemporaryDirectory()
        self.home = Path(self._folder.name)
        self._refused = self.home / "refused"
        inherited = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
        self.variables = {
            **inherited,
            **_QUIET,
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "LLM_USER_PATH": str(self.home),
            "PYTHONPATH": str(FOLDER / "loopback"),
            "REFUSED": str(self._refused),
            "BASE_URL": base_url,
            "CUT_URL": cut,
            "KEY": key,
        }

    def __enter__(self) -> "Surroundings":
        return self

    def __exit__(self, *_: object) -> None:
        wanted = self._refused.read_text() if self._refused.exists() else ""
        self._folder.cleanup()
        assert not wanted, f"the client wanted to reach more than loopback: {wanted}"

    def run(self, command: Iterable[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        """A command, to its end."""
        options = {"timeout": _PROGRAM_SECONDS, "capture_output": True, "text": True, **options}
        return subprocess.run(tuple(command), cwd=self.home, env=self.variables, **options)

    def start(self, command: Iterable[str]) -> "subprocess.Popen[str]":
        """A command, to be stopped by the caller."""
        return subprocess.Popen(
            tuple(command),
            cwd=self.home,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _needed(environment: str) -> str:
    """Its name. Skip the test where it is not there, or fail it if everything is required."""
    lock, built = FOLDER / f"{environment}.txt", ENVIRONMENTS / environment / ".lock"
    if built.exists() and built.read_bytes() == lock.read_bytes():
        return environment
    reason = f"the environment {environment} is not built (make test does it)"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and REQUIRE_ALL=1 wants the Python clients")
    pytest.skip(f"{reason}: its clients are not tested")
