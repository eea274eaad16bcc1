"""Starting the embedded emulator: here a small program that says what the test wants."""

import json
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from langfast_wsgi import embedded
from langfast_wsgi.embedded import EmulatorFailed
from tests.support.builders import ROOT, wait_for

INFO = {
    "url": "http://127.0.0.1:5",
    "anon_key": "anon-secret",
    "prompt_id": "p",
    "models": [{"id": "echo"}, {"id": "count"}],
}
PYTHON = sys.executable
Program = Callable[[str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Stands in for this Python; ends like the emulator when its stdin does."""
    file = tmp_path / "python"

    def say(words: str) -> None:
        file.write_text(
            f"#!{PYTHON}\nimport os, sys\n"
            f"open({str(tmp_path / 'seen')!r}, 'w').write(repr([sys.argv[1:],"
            f" os.environ['PYTHONPATH'], os.getpgid(0) == os.getpid()]))\n"
            f"sys.stdout.write({words!r})\nsys.stdout.close()\nos.close(1)\nsys.stdin.read()\n"
        )
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setattr(embedded.sys, "executable", str(file))
    monkeypatch.setattr(embedded, "_running", None)
    yield say
    embedded.stop()


def ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def test_the_emulator_is_started_once_and_ends_with_its_lifeline(
    program: Program, tmp_path: Path
) -> None:
    program(json.dumps(INFO) + "\n")
    emulator = embedded.start()
    assert embedded.start() is emulator
    assert (emulator.url, emulator.prompt_id) == ("http://127.0.0.1:5", "p")
    assert emulator.models == ("echo", "count")
    assert "anon-secret" not in repr(emulator)
    arguments, path, own_group = eval((tmp_path / "seen").read_text())
    assert arguments[:2] == ["-m", "langfast_wsgi.emulator"]
    assert arguments[2:] == ["--host", "127.0.0.1", "--port", "0", "--watch-stdin"]
    assert path.split(os.pathsep)[0] == str(ROOT)
    assert own_group
    embedded.stop()
    wait_for(lambda: ended(emulator.pid))
    assert embedded._running is None


def test_a_worker_lets_go_of_the_lifeline_and_may_do_so_twice(program: Program) -> None:
    program(json.dumps(INFO) + "\n")
    emulator = embedded.start()
    embedded.release()
    embedded.release()
    wait_for(lambda: ended(emulator.pid))
    with pytest.raises(OSError):
        os.fstat(emulator.lifeline)


def test_letting_go_without_an_emulator_does_nothing(program: Program) -> None:
    embedded.release()
    embedded.stop()


@pytest.mark.parametrize(
    "words",
    ["", "no JSON\n", "null\n", "{}\n", '{"url": "x"}\n', json.dumps({**INFO, "models": [1]})],
)
def test_an_emulator_that_does_not_say_where_it_is_has_failed(program: Program, words: str) -> None:
    program(words)
    others = children()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(EmulatorFailed):
        embedded.start()
    assert embedded._running is None
    assert len(os.listdir("/proc/self/fd")) == before, "a file descriptor leaked"
    wait_for(lambda: children() == others)


def test_a_path_that_was_given_is_kept(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert embedded._environment()["PYTHONPATH"] == f"{ROOT}{os.pathsep}/somewhere"
    monkeypatch.delenv("PYTHONPATH")
    assert embedded._environment()["PYTHONPATH"] == str(ROOT)


def children() -> set[int]:
    """Processes of ours that still run; the tests before this one may have some as well."""
    mine = psutil.Process().children()
    return {one.pid for one in mine if one.status() != psutil.STATUS_ZOMBIE}


def test_the_lifeline_is_not_inherited_by_other_children(program: Program) -> None:
    program(json.dumps(INFO) + "\n")
    emulator = embedded.start()
    assert not os.get_inheritable(emulator.lifeline)
    os.kill(emulator.pid, signal.SIGKILL)
    wait_for(lambda: ended(emulator.pid))
