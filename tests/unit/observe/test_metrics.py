"""Every series is declared once, and shown for the whole instance."""

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from langfast_wsgi.observe import metrics
from tests.support.builders import ROOT


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_the_exposition_holds_every_series_with_its_meaning() -> None:
    found = families(metrics.exposition().decode())
    declared = [one for one in vars(metrics).values() if hasattr(one, "_documentation")]
    ours = [one._name for one in declared]
    assert len(ours) > 10
    assert all(found[name].documentation for name in ours)


def test_the_content_type_is_prometheus_own() -> None:
    assert metrics.CONTENT_TYPE.startswith("text/plain; version=")


def test_with_several_workers_their_values_are_summed(tmp_path: Path) -> None:
    script = """
from langfast_wsgi.observe import metrics
metrics.RUNS.labels("complete").inc(2)
metrics.RUNS_IN_FLIGHT.set(3)
print(metrics.exposition().decode())
"""
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
    found = families(done.stdout)
    (sample,) = found["langfast_runs"].samples
    assert (sample.labels, sample.value) == ({"outcome": "complete"}, 4.0)


def test_a_folder_decides_whether_there_are_several_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert metrics.exposition() == b""
