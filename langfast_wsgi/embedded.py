"""Starts the embedded emulator: a process of its own, once per instance.

The gunicorn master starts it, so it is shared by the workers and alive over a reload; it reads
end-of-file on a pipe and is gone with its parent. It is spawned without the ``subprocess`` module,
whose gevent version would fight with the master over its children.
"""

import json
import os
import sys
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Emulator:
    """The running emulator. ``lifeline`` is our end of the pipe that keeps it alive."""

    url: str
    anon_key: str = field(repr=False)
    prompt_id: str
    models: tuple[str, ...]
    pid: int
    lifeline: int


class EmulatorFailed(Exception):
    """The emulator did not start; it said why on stderr."""


_running: Emulator | None = None


def start() -> Emulator:
    """The emulator of this instance, started if it is not running. Blocks until it listens."""
    global _running
    if _running is None or not _is_alive(_running.pid):
        _running = _launch()
    return _running


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's by now
    return True


def release() -> None:
    """In a worker: our copy of the pipe must not keep the emulator alive without the master."""
    if _running is not None and _running.lifeline >= 0:
        try:
            os.close(_running.lifeline)
        except OSError:
            pass  # closed in an earlier life of this process


def stop() -> None:
    """End it now rather than with this process."""
    global _running
    release()
    _running = None


def _launch() -> Emulator:
    stdin, lifeline = os.pipe()
    answers, stdout = os.pipe()
    command = [sys.executable, "-m", "langfast_wsgi.emulator"]
    command += ["--host", "127.0.0.1", "--port", "0", "--watch-stdin"]
    pid = os.posix_spawn(
        sys.executable,
        command,
        _environment(),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
        ],
        setpgroup=0,  # Ctrl-C in a terminal is for us: open answers are still drained
    )
    os.close(stdin)
    os.close(stdout)
    with os.fdopen(answers, "rb", buffering=0) as pipe:
        line = _line(pipe.fileno())
    try:
        info = json.loads(line)
        models = tuple(model["id"] for model in info["models"])
        return Emulator(info["url"], info["anon_key"], info["prompt_id"], models, pid, lifeline)
    except (ValueError, KeyError, TypeError) as error:
        os.close(lifeline)
        raise EmulatorFailed("The embedded emulator did not start.") from error


def _line(pipe: int) -> bytes:
    """One line, or what came before the end. Read unbuffered: no greenlet may be needed here."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(pipe, 65536)
        if not piece:
            break
        line += piece
    return line


def _environment() -> dict[str, str]:
    """Ours, with this package on the path wherever the process was started from."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    environment = dict(os.environ)
    paths = [root, environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment
