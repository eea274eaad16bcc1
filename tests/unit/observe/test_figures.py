"""Files of figures, with room from the start."""

import errno
import logging
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from langfast_wsgi.observe import figures
from tests.support.builders import ROOT


def test_prometheus_client_still_opens_its_files_by_the_name_that_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(values, "MmapedDict", MmapedDict)
    figures.use()
    assert values.MmapedDict is figures.opened  # type: ignore[attr-defined]
    source = Path(values.__file__).read_text()
    assert "files[file_prefix] = MmapedDict(filename)" in source


def test_d17_the_room_for_figures_is_taken_when_their_file_is_made(tmp_path: Path) -> None:
    """A page without room on the disk would kill the process that writes to it (SIGBUS)."""
    kept = figures.opened(str(tmp_path / "counter_1.db"))
    assert isinstance(kept, MmapedDict)
    found = (tmp_path / "counter_1.db").stat()
    assert found.st_size >= figures.ROOM
    assert found.st_blocks * 512 >= found.st_size
    kept.write_value("one", 1.0, 0.0)
    kept.close()
    again = figures.opened(str(tmp_path / "counter_1.db"))
    assert again.read_value("one") == (1.0, 0.0)
    again.close()


def test_d17_without_room_figures_are_kept_in_memory_and_no_half_file_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with caplog.at_level(logging.WARNING, figures.log.name):
        kept = figures.opened(str(tmp_path / "counter_1.db"))
    assert "no file for metrics: No space left on device" in caplog.text
    assert list(tmp_path.iterdir()) == []
    assert kept.read_value("one") == (0.0, 0.0)
    kept.write_value("one", 2.0, 0.0)
    assert kept.read_value("one") == (2.0, 0.0)
    kept.close()


def test_d17_without_a_folder_figures_are_kept_in_memory(tmp_path: Path) -> None:
    assert isinstance(figures.opened(str(tmp_path / "gone" / "x.db")), figures.Unshown)


def test_d17_a_worker_counts_and_shows_what_it_can_where_no_file_may_be_written(
    tmp_path: Path,
) -> None:
    """Its own figures, that is, once the folder cannot be read either."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from langfast_wsgi.observe import metrics
metrics.RUNS.labels("complete").inc(2)
metrics.RUN_SECONDS.observe(1)
assert metrics.exposition() == b"", metrics.exposition()
import os
os.rmdir(os.environ["PROMETHEUS_MULTIPROC_DIR"])
assert b'langfast_runs_total{outcome="complete"} 2.0' in metrics.exposition()
"""
    folder = tmp_path / "figures"
    folder.mkdir()
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("File too large") >= 2
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0


def test_a_disk_that_fills_up_later_kills_no_process(tmp_path: Path) -> None:
    """The real thing, where a file system may be mounted: at the most every root may."""
    script = """
import os
from langfast_wsgi.observe import metrics
fill = os.open(os.environ["PROMETHEUS_MULTIPROC_DIR"] + "/fill", os.O_WRONLY | os.O_CREAT)
try:
    while True:
        os.write(fill, bytes(4096))
except OSError:
    pass
for number in range(120):
    metrics.RUNS.labels(f"outcome {number}").inc()
assert b"outcome 119" in metrics.exposition()
"""
    command = 'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$1" -c "$2"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, str(tmp_path), sys.executable, script],
        cwd=ROOT,
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
