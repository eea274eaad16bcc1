"""One coding agent, over a gateway and an emulator of its own, where nothing else can be reached.

    python -m tests.clients.node.agent_run NAME

Started anew in a network without anything but loopback, and as the first of its processes: what an
agent leaves behind ends with it. Where a machine does not allow that, it runs as it is, and its
first fact says so. Prints one fact a line, like the programs for Node.
"""

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from string import Template
from typing import Any

from tests.clients.node.coding_agents import AGENTS, HEAVY, CodingAgent
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway

KEY = "test-key-1"
_APART = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
_ALREADY = "--already-apart"
_SECONDS = 60
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def may_be_apart() -> bool:
    """Whether this machine lets us have a network of our own."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run((*_APART, "true"), capture_output=True).returncode == 0


def raise_loopback() -> None:
    """In a new network even loopback is down."""
    with socket.socket() as any_socket:
        flags = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        up = struct.unpack("16sh14x", flags)[1] | _IFF_UP
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", up))


def play(
    agent: CodingAgent, gateway: GatewayProcess, emulator: EmulatorProcess, key: str
) -> dict[str, Any]:
    """Start it once; what it said, made and asked for."""
    words = {"api": gateway.api, "url": gateway.url, "key": key}
    emulator.forget()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        work = Path(home) / "work"
        work.mkdir()
        for name, text in agent.files.items():
            file = Path(home) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template(text).substitute(words))
        given = {name: Template(text).substitute(words) for name, text in agent.environment.items()}
        quiet = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "DO_NOT_TRACK": "1"}
        began = time.monotonic()
        output, errors = Path(home) / "output", Path(home) / "errors"
        # Into files: what an agent leaves running would hold a pipe open.
        with output.open("w") as out, errors.open("w") as err:
            done = subprocess.run(
                agent.command,
                cwd=work,
                env={**quiet, "HOME": home, **given},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=_SECONDS,
            )
        made = work / "made.txt"
        return {
            "code": done.returncode,
            "output": output.read_text(),
            "errors": errors.read_text()[-3000:],
            "made": made.read_text() if made.exists() else None,
            "seconds": round(time.monotonic() - began, 1),
            "runs": [run["state"] for run in emulator.runs()],
            "in_flight": gateway.metrics()["langfast_runs_in_flight"],
        }


def tell(fact: str, value: object) -> None:
    """One line for the test."""
    sys.stdout.write(json.dumps({"fact": fact, "value": value}) + "\n")
    sys.stdout.flush()


def main(agent: CodingAgent) -> None:
    """Once with the right key, once with a wrong one."""
    with ExitStack() as stack:
        replies = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".json"))
        replies.write(agent.replies)
        replies.flush()
        interval = ("--interval", "0.005")
        emulator = stack.enter_context(running_emulator(*interval, "--replies", replies.name))
        gateway = stack.enter_context(running_gateway(emulator, API_MASTER_KEY=KEY))
        gateway.http.headers["Authorization"] = f"Bearer {KEY}"
        tell("played", play(agent, gateway, emulator, KEY))
        tell("wrong key", play(agent, gateway, emulator, "wrong"))


if __name__ == "__main__":
    name, *told = sys.argv[1:]
    if _ALREADY in told:
        raise_loopback()
    elif may_be_apart():
        python = (sys.executable, "-m", "tests.clients.node.agent_run", name, _ALREADY)
        os.execvp(_APART[0], (*_APART, *python))
    elif AGENTS[name] in HEAVY:
        sys.exit(f"{name} could reach anything: this machine gives it no network of its own")
    tell("apart", _ALREADY in told)
    main(AGENTS[name])
