"""Plans of runs, with and without faults, as tables of what is said."""

from typing import Any

import pytest

from langfast_wsgi.emulator.faults.names import RUN_FAULTS
from langfast_wsgi.emulator.replies.reply import Details, Reply
from langfast_wsgi.emulator.runs.hazards import TRANSFORMATIONS, hazarded
from langfast_wsgi.emulator.runs.rendering import SHAPE_FAULTS
from langfast_wsgi.emulator.runs.steps import Cut, End, Raw, Say, Step, plain

_REPLY = Reply("abcdef", chunks=3, interval=0.5, delay=2.0)
_PLAIN = Details()
_END = "=abcdef"
_HALF = "\ud83e"


def _shown(step: Step) -> str:
    if isinstance(step, Cut):
        return f"<{step.how}>"
    if isinstance(step, Raw):
        return "<raw>"
    if isinstance(step, End):
        return f"<{step.state}>"
    signs = {"in_progress": "", "completed": "="}
    return signs.get(step.status, step.status + ":") + step.text


def _plan(*faults: str, reply: Reply = _REPLY, details: Details = _PLAIN) -> list[Step]:
    return list(hazarded(plain(reply, 0.1), frozenset(faults), details))


def _said(*faults: str, **details: Any) -> list[str]:
    return [_shown(step) for step in _plan(*faults, details=Details(**details))]


def test_a_plain_run_says_growing_texts_and_then_the_whole() -> None:
    assert _said() == ["ab", "abcd", "abcdef", _END]


def test_the_waits_are_the_delay_and_then_the_intervals() -> None:
    assert [step.after for step in _plan()] == [2.0, 0.5, 0.5, 0.0]


def test_a_reply_without_a_pace_of_its_own_has_the_given_interval() -> None:
    waits = [step.after for step in plain(Reply("abc"), 0.1)]
    assert waits == [0.0, 0.1, 0.1, 0.0]


def test_an_empty_text_is_only_completed_after_its_delay() -> None:
    assert list(plain(Reply("", delay=1.0), 0.1)) == [Say(1.0, "", 0, "completed", "stop")]


@pytest.mark.parametrize(
    ("fault", "details", "said"),
    [
        ("fail", {}, ["ab", "failed:ab", "<failed>"]),
        ("fail", {"at": 0, "status": "cancelled"}, ["cancelled:", "<failed>"]),
        ("fail", {"at": 3}, ["ab", "abcd", "abcdef", "failed:abcdef", "<failed>"]),
        ("silent", {"at": 0}, ["<silent>"]),
        ("silent", {"at": 2}, ["ab", "abcd", "<silent>"]),
        ("silent", {"at": 99}, ["ab", "abcd", "abcdef", "<silent>"]),
        ("drop", {}, ["ab", "<abort>", "abcd", "abcdef", _END]),
        ("drop", {"at": 3}, ["ab", "abcd", "abcdef", "<abort>", _END]),
        ("drop-for-good", {"at": 2}, ["ab", "abcd", "<abort>", "<dropped>"]),
        ("kick", {"at": 0}, ["<kick>", "ab", "abcd", "abcdef", _END]),
        ("close", {"at": 1}, ["ab", "<close>", "abcd", "abcdef", _END]),
        ("no-pings", {"at": 0}, ["<no-pings>", "ab", "abcd", "abcdef", _END]),
        ("freeze", {"at": 2}, ["ab", "abcd", "<freeze>", "abcdef", _END]),
        ("bad-text", {"at": 2}, ["ab", "abcd", "<raw>", "abcdef", _END]),
        ("bad-frame", {"at": 0}, ["<raw>", "ab", "abcd", "abcdef", _END]),
        ("huge-frame", {"at": 1}, ["ab", "<raw>", "abcd", "abcdef", _END]),
        ("bad-packet", {"at": 1}, ["ab", "<raw>", "abcd", "abcdef", _END]),
        ("noop", {"at": 1}, ["ab", "<raw>", "abcd", "abcdef", _END]),
        ("lone-surrogate", {}, [f"a{_HALF}b", f"a{_HALF}bcd", f"a{_HALF}bcdef", f"=a{_HALF}bcdef"]),
        ("duplicate", {}, ["ab", "ab", "abcd", "abcd", "abcdef", "abcdef", _END]),
        ("reorder", {}, ["abcd", "ab", "abcdef", _END]),
        ("rewrite", {"at": 1}, ["ab", "~abcd", "~abcdef", "=~abcdef"]),
        ("delta", {}, ["ab", "cd", "ef", _END]),
        ("no-completed-content", {}, ["ab", "abcd", "abcdef", "="]),
        ("no-completed-event", {}, ["ab", "abcd", "abcdef", "<silent>"]),
        ("unknown-status", {}, ["thinking:ab", "thinking:abcd", "thinking:abcdef", _END]),
        ("late", {}, ["ab", "abcd", "abcdef", _END, "abcdef (late)", "=abcdef (late)"]),
    ],
)
def test_a_fault_changes_what_is_said(
    fault: str, details: dict[str, object], said: list[str]
) -> None:
    assert _said(fault, **details) == said


def test_an_endless_run_says_its_text_again_until_it_is_large_enough() -> None:
    said = _said("endless", size=24)
    assert said == ["ab", "abcd", "abcdef", *("abcdef" * times for times in (2, 3, 4)), "<silent>"]


def test_an_endless_run_keeps_its_pace_and_ends_after_its_seconds() -> None:
    plan = _plan("endless", details=Details(seconds=2.0))
    assert [step.after for step in plan] == [2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0]


def test_an_endless_run_without_waits_still_lets_others_in() -> None:
    reply = Reply("abcdef", chunks=1, interval=0.0)
    plan = _plan("endless", reply=reply, details=Details(size=600))
    assert all(step.after > 0 for step in plan[1:-1])
    assert len(plan) == 101


def test_an_endless_run_without_a_text_ends_at_once() -> None:
    assert [_shown(step) for step in _plan("endless", reply=Reply(""))] == ["<silent>"]


def test_faults_can_be_combined() -> None:
    said = _said("duplicate", "drop", "no-completed-content", at=1)
    assert said == ["ab", "ab", "<abort>", "abcd", "abcd", "abcdef", "abcdef", "="]


def test_split_surrogate_ends_a_chunk_inside_each_character_beyond_the_first_plane() -> None:
    reply = Reply("a🦊b🚀", chunks=2, interval=0.5)
    plan = _plan("split-surrogate", reply=reply)
    texts = [step.text for step in plan if isinstance(step, Say)]
    assert texts == ["a\ud83e", "a🦊", "a🦊b\ud83d", "a🦊b🚀", "a🦊b🚀"]
    assert [step.after for step in plan] == [0.0, 0.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("fault", ["drop", "duplicate", "reorder", "rewrite", "delta", "late"])
def test_a_fault_keeps_the_whole_duration(fault: str) -> None:
    assert sum(step.after for step in _plan(fault)) == pytest.approx(3.0)


def test_every_fault_of_a_run_is_made_somewhere() -> None:
    elsewhere = {"big", "to-everyone"}
    assert set(TRANSFORMATIONS) | SHAPE_FAULTS | elsewhere == set(RUN_FAULTS) | {"other-jobs"}
