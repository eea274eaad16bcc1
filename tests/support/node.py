"""Scripts in tests/js, run by Node: installed once if need be, skipped where there is no Node."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).resolve().parent.parent / "js"
_INSTALL = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
_INSTALL_SECONDS = 300
_SCRIPT_SECONDS = 60


@cache
def _missing() -> str:
    """Why the scripts cannot be run, or the empty string; installs what they need."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if (_FOLDER / "node_modules" / ".package-lock.json").exists():
        return ""
    try:
        done = subprocess.run(
            _INSTALL, cwd=_FOLDER, capture_output=True, text=True, timeout=_INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "npm ci took too long"
    return f"npm ci failed: {done.stderr.strip()[-500:]}" if done.returncode else ""


def needs_node() -> None:
    """Skip the test where Node is absent; fail it there if everything is required."""
    reason = _missing()
    if not reason:
        return
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and REQUIRE_ALL=1 wants the JavaScript tests")
    pytest.skip(f"{reason}: the JavaScript clients are not tested")


def run_script(name: str, *arguments: str) -> Any:
    """What a script prints, read as JSON."""
    needs_node()
    done = subprocess.run(
        ("node", name, *arguments),
        cwd=_FOLDER,
        capture_output=True,
        text=True,
        timeout=_SCRIPT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
