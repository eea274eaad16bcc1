"""The pacer against a clock that the test turns."""

import logging
from collections.abc import Iterator

import pytest

from langfast_wsgi.emulator.runs.pacer import Pacer


def _task(name: str, waits: list[float], log: list[str]) -> Iterator[float]:
    for number, wait in enumerate(waits):
        yield wait
        log.append(f"{name}{number}")


def test_a_step_is_made_when_it_is_due_and_not_before() -> None:
    pacer, log = Pacer(), list[str]()
    pacer.add(_task("a", [1.0, 2.0], log), 10.0)
    assert pacer.run_due(10.0) == pytest.approx(1.0)
    assert log == []
    assert pacer.run_due(11.0) == pytest.approx(2.0)
    assert log == ["a0"]
    assert pacer.run_due(13.0) is None
    assert log == ["a0", "a1"]


def test_steps_without_a_wait_are_made_in_one_go() -> None:
    pacer, log = Pacer(), list[str]()
    pacer.add(_task("a", [0.0, 0.0, 0.0], log), 0.0)
    assert pacer.run_due(0.0) is None
    assert log == ["a0", "a1", "a2"]


def test_many_steps_without_a_wait_let_the_others_in() -> None:
    pacer, log = Pacer(), list[str]()
    pacer.add(_task("a", [0.0] * 100, log), 0.0)
    pacer.add(_task("b", [0.0], log), 0.0)
    assert pacer.run_due(0.0) == 0.0
    assert log[-1] == "b0"
    assert len(log) < 100


def test_a_late_step_does_not_shift_the_ones_after_it() -> None:
    pacer, log = Pacer(), list[str]()
    pacer.add(_task("a", [1.0, 1.0, 1.0], log), 0.0)
    pacer.run_due(0.0)
    assert pacer.run_due(1.7) == pytest.approx(0.3)


def test_tasks_are_stepped_in_the_order_in_which_they_are_due() -> None:
    pacer, log = Pacer(), list[str]()
    pacer.add(_task("slow", [3.0], log), 0.0)
    pacer.add(_task("fast", [1.0], log), 0.0)
    pacer.run_due(0.0)
    pacer.run_due(5.0)
    assert log == ["fast0", "slow0"]
    assert len(pacer) == 0


def test_a_task_that_fails_is_logged_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def failing() -> Iterator[float]:
        yield 0.0
        raise RuntimeError("broken")

    pacer, log = Pacer(), list[str]()
    pacer.add(failing(), 0.0)
    pacer.add(_task("a", [0.0], log), 0.0)
    with caplog.at_level(logging.ERROR):
        pacer.run_due(0.0)
    assert log == ["a0"]
    assert "broken" in caplog.text
