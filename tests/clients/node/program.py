"""Programs in this folder, run by Node: their clients installed once for each state of the lock."""

import fcntl
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent
_INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
_INSTALL_SECONDS = 110
_PROGRAM_SECONDS = 90
_OLDEST_NODE = 18


class Facts(dict[str, dict[str, Any]]):
    """What a program found out, by the fact's name: a value, or what the client threw."""

    def value(self, name: str) -> Any:
        """What came of it; nothing may have been thrown."""
        assert "thrown" not in self[name], f"{name}: {self[name]['thrown']}"
        return self[name]["value"]

    def thrown(self, name: str) -> dict[str, Any]:
        """What was thrown: something must have been."""
        assert "thrown" in self[name], f"{name} gave {self[name]['value']}"
        return dict(self[name]["thrown"])


def run_program(name: str, *arguments: str) -> Facts:
    """The facts that a program prints. It may reach loopback only."""
    needs_clients(FOLDER)
    done = subprocess.run(
        ("node", "--import", "./loopback_only.mjs", name, *arguments),
        cwd=FOLDER,
        env=quiet(),
        capture_output=True,
        encoding="utf-8",
        timeout=_PROGRAM_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return told(done.stdout)


def told(output: str) -> Facts:
    """The facts in a program's output, one a line."""
    # JSON may hold U+2028, which splitlines() takes for the end of a line.
    lines = [json.loads(line) for line in output.split("\n") if line]
    return Facts((line.pop("fact"), line) for line in lines)


def quiet() -> dict[str, str]:
    """The environment of a client: no developer's settings, no telemetry, no check for updates."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**inherited, "DO_NOT_TRACK": "1", "OPENAI_AGENTS_DISABLE_TRACING": "1"}


def needs_clients(folder: Path) -> None:
    """Install what the folder's lock file names. Without Node skip, or fail if all is required."""
    reason = _missing(folder)
    if not reason:
        return
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and REQUIRE_ALL=1 wants the JavaScript clients")
    pytest.skip(f"{reason}: the JavaScript clients are not tested")


@cache
def _missing(folder: Path) -> str:
    """Why the programs cannot be run, or the empty string."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    version = subprocess.run(("node", "--version"), capture_output=True, text=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        return f"Node {version.strip()} is older than {_OLDEST_NODE}"
    # Tests run side by side: one installs, the others wait for it.
    with (folder / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _install(folder, lock.read())


def _install(folder: Path, lock: bytes) -> str:
    """As ``make`` does; the stamp is a copy of the lock, and goes when the packages go."""
    stamp = folder / "node_modules" / ".lock"
    if stamp.exists() and stamp.read_bytes() == lock:
        return ""
    try:
        done = subprocess.run(
            _INSTALL, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "npm ci took too long"
    if done.returncode:
        return f"npm ci failed: {done.stderr.strip()[-500:]}"
    stamp.write_bytes(lock)
    return ""
