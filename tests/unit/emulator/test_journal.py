"""The journal of runs."""

import hashlib

import pytest

from langfast_wsgi.emulator.runs import journal
from langfast_wsgi.emulator.runs import run as records
from langfast_wsgi.emulator.runs.journal import Journal
from langfast_wsgi.emulator.runs.run import Run, mark


def _run(run_id: str, user_id: str = "u", size: int = 1) -> Run:
    made = Run(run_id, "job-" + run_id, True, user_id, {"model": "echo"}, "abcdef", size)
    made.number = int(run_id)
    return made


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
    assert [run["run_id"] for run in kept.history(0)] == ["2", "3"]


def test_large_requests_are_forgotten_before_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_MOST_REQUEST_BYTES", 10)
    kept = Journal()
    for run_id, size in (("1", 5), ("2", 5), ("3", 8)):
        kept.begin(_run(run_id, size=size))
    assert [run["run_id"] for run in kept.as_json(texts=False)] == ["3"]
    assert [run["run_id"] for run in kept.history(0)] == ["1", "2", "3"]
    forgotten = kept.get("1")
    assert forgotten
    assert forgotten.prompt_meta is None


def test_large_texts_push_older_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_MOST_TEXT", 100)
    kept = Journal()
    odd, plain = _run("1"), _run("2")
    for run in (odd, plain):
        kept.begin(run)
    odd.saw("~" * 200)
    kept.finish(odd, "completed")
    kept.begin(_run("3"))
    assert [run["run_id"] for run in kept.history(0)] == ["2", "3"]
    assert [run["run_id"] for run in kept.as_json(texts=False)] == ["2", "3"]


def test_of_many_odd_texts_only_marks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_ODD_TEXT", 5)
    run = _run("1")
    for text in ("~abc", "~abcd"):
        run.saw(text)
    first, second = run.as_json(texts=True)["texts"]  # type: ignore[misc, attr-defined]
    assert first == {"sequence": 0, "text": "~abc"}
    assert second == {"sequence": 1, "length": 5, "hash": mark("~abcd").hash}


def test_the_history_has_length_and_hash_of_every_text() -> None:
    run = Run("1", "job", True, "u", {}, "aä🦊\ud83e", 1, number=7, label="nonce")
    said = ["a", "aä🦊", "aä", "~", "aä🦊\ud83e"]
    for text in said:
        run.saw(text)
    told = run.history()
    assert told["texts"] == [(mark(text).length, mark(text).hash) for text in said]
    assert (told["number"], told["label"], told["state"]) == (7, "nonce", "running")


def test_a_mark_is_the_length_and_the_beginning_of_the_sha_256() -> None:
    assert mark("abc").length == 3
    assert mark("abc").hash == hashlib.sha256(b"abc").hexdigest()[:16]


def test_the_history_may_begin_after_a_number() -> None:
    kept = Journal()
    for run_id in ("1", "2", "3"):
        kept.begin(_run(run_id))
    assert [run["number"] for run in kept.history(1)] == [2, 3]


def test_a_run_in_flight_still_counts_after_the_journal_was_cleared() -> None:
    kept = Journal()
    run = _run("1")
    kept.begin(run)
    kept.clear()
    assert (kept.get("1"), kept.runs_active()) == (None, 1)
    kept.finish(run, "completed")
    assert kept.runs_active() == 0
