"""Scripts in tests/js, run by Node: installed once if need be, skipped where there is no Node."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.clients.node.program import needs_clients

_FOLDER = Path(__file__).resolve().parent.parent / "js"
_SCRIPT_SECONDS = 60


def run_script(name: str, *arguments: str) -> Any:
    """What a script prints, read as JSON."""
    needs_clients(_FOLDER)
    done = subprocess.run(
        ("node", name, *arguments),
        cwd=_FOLDER,
        capture_output=True,
        text=True,
        timeout=_SCRIPT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
