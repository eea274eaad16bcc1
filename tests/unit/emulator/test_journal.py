"""The journal of runs."""

import pytest

from langfast_wsgi.emulator.runs import journal
from langfast_wsgi.emulator.runs.journal import Journal, Run


def _run(run_id: str, user_id: str = "u", size: int = 1) -> Run:
    return Run(run_id, "job-" + run_id, True, user_id, {"model": "echo"}, "abcdef", size)


def test_texts_are_shown_with_their_numbers_when_asked_for() -> None:
    run = _run("1")
    for text in ("ab", "~", "abcdef"):
        run.saw(text)
    assert run.as_json(texts=True)["texts"] == [
        {"sequence": 0, "text": "ab"},
        {"sequence": 1, "text": "~"},
        {"sequence": 2, "text": "abcdef"},
    ]
    assert "texts" not in run.as_json(texts=False)


def test_a_beginning_of_the_text_is_kept_as_a_number() -> None:
    run = _run("1")
    run.saw("abc")
    assert run.said == [3]


def test_runs_in_flight_are_counted_by_user() -> None:
    kept = Journal()
    first, second = _run("1"), _run("2")
    assert (kept.begin(first), kept.begin(second), kept.begin(_run("3", "other"))) == (1, 2, 1)
    kept.finish(first, "completed")
    assert kept.runs_active() == 2
    kept.finish(second, "failed")
    assert kept.active == {"other": 1}


def test_only_the_newest_runs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_MOST_RUNS", 2)
    kept = Journal()
    for run_id in ("1", "2", "3"):
        kept.begin(_run(run_id))
    assert [run["run_id"] for run in kept.as_json(texts=False)] == ["2", "3"]


def test_large_requests_push_older_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_MOST_BYTES", 10)
    kept = Journal()
    for run_id, size in (("1", 5), ("2", 5), ("3", 8)):
        kept.begin(_run(run_id, size=size))
    assert [run["run_id"] for run in kept.as_json(texts=False)] == ["3"]


def test_a_run_in_flight_still_counts_after_the_journal_was_cleared() -> None:
    kept = Journal()
    run = _run("1")
    kept.begin(run)
    kept.clear()
    assert (kept.get("1"), kept.runs_active()) == (None, 1)
    kept.finish(run, "completed")
    assert kept.runs_active() == 0
