"""A folder that an instance has to itself, in memory."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from langfast_wsgi import memory_folder
from tests.support.builders import ROOT, wait_for


@pytest.fixture(autouse=True)
def none_yet() -> Iterator[None]:
    assert memory_folder.shared() is None
    yield
    memory_folder.remove()


def folders(root: Path) -> list[Path]:
    return sorted(root.glob("langfast-memory-*"))


def test_there_is_none_until_a_master_makes_it_and_one_from_then_on(tmp_path: Path) -> None:
    memory_folder.make(tmp_path)
    memory_folder.make(tmp_path)
    assert [memory_folder.shared()] == folders(tmp_path)


def test_nobody_else_can_look_into_it(tmp_path: Path) -> None:
    memory_folder.make(tmp_path)
    (folder,) = folders(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_it_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    memory_folder.make(tmp_path)
    (folders(tmp_path)[0] / "responses").write_text("secret")
    memory_folder.remove()
    memory_folder.remove()
    assert folders(tmp_path) == []
    assert memory_folder.shared() is None


def test_without_such_memory_it_is_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    memory_folder.make(tmp_path / "nowhere")
    assert [memory_folder.shared()] == folders(tmp_path)


MASTER = """
import os, sys, time
from pathlib import Path
from langfast_wsgi import memory_folder

memory_folder.make(Path(sys.argv[1]))
worker = os.fork()
if worker == 0:
    sys.stdin.read()  # a worker that lives as long as it is wanted
    os._exit(0)
print(worker, flush=True)
time.sleep(60)
"""


def master(root: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", MASTER, str(root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline()
    return process


def test_what_a_killed_instance_left_is_removed_and_no_live_one_loses_anything(
    tmp_path: Path,
) -> None:
    with master(tmp_path) as killed, master(tmp_path) as alive:
        dead, living = (
            next(one for one in folders(tmp_path) if held_by(process.pid, one))
            for process in (killed, alive)
        )
        try:
            (dead / "responses").write_text("secret")
            killed.kill()
            killed.wait()
            memory_folder.make(tmp_path)  # its worker still lives
            assert dead in folders(tmp_path)
            killed.communicate(timeout=10)  # until that has ended, too

            def swept() -> bool:
                memory_folder.remove()
                memory_folder.make(tmp_path)
                return dead not in folders(tmp_path)

            wait_for(swept)
            assert living in folders(tmp_path)
        finally:
            alive.kill()


def held_by(pid: int, folder: Path) -> bool:
    held = (os.path.realpath(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd"))
    return str(folder / "lock") in held


def test_a_folder_without_a_lock_is_just_being_made_and_stays(tmp_path: Path) -> None:
    (tmp_path / "langfast-memory-begun").mkdir()
    memory_folder.make(tmp_path)
    assert len(folders(tmp_path)) == 2


def test_its_repr_is_one_line(tmp_path: Path) -> None:
    folder = memory_folder.MemoryFolder(tmp_path)
    assert repr(folder) == f"<MemoryFolder {folder.path}>"
    folder.close()
