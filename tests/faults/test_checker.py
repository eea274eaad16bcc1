"""Each invariant can fail: good histories pass, and each made-up bad one is told for what it is."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.calls import Call, Order
from tests.faults.checker import INVARIANTS, History, Run, Start, check, mark
from tests.faults.orders import text_of

TEXT = text_of("n-1", 6)


def call(nonce: str = "n-1", began: float = 100.0, **changes: Any) -> Call:
    """A complete stream of a second, but for the changes."""
    streamed = changes.pop("streamed", True)
    text = text_of(nonce, 6)
    whole: dict[str, Any] = {"status": 200, "text": text, "reasons": ["stop"], "done": streamed}
    order = Order(nonce, text, streamed)
    return Call(order, began, **{"ended": began + 1.0, **whole, **changes})


def run(nonce: str = "n-1", began: float = 100.1, **changes: Any) -> Run:
    """A completed run of half a second, but for the changes."""
    text = text_of(nonce, 6)
    said = (mark(text[:9]), mark(text), mark(text))
    made = Run(f"run-{nonce}", "account-1", nonce, "completed", said, began, began + 0.5)
    return replace(made, **changes)


def history(**changes: Any) -> History:
    """One call and its run, but for the changes."""
    return replace(History(calls=[call()], runs=[run()], limit=2), **changes)


def starts(*statuses: int) -> list[Start]:
    """The same request's, answered so."""
    return [Start("n-1", "run-1", status) for status in statuses]


def broken(made: History) -> list[str]:
    """The numbers of the invariants that a history breaks."""
    return [name[0] for name, wrongs in check(made).items() if wrongs]


def failed(code: str = "upstream_error", status: int = 502, **changes: Any) -> Call:
    """A call that was answered with an error."""
    return call(text="", reasons=[], done=False, code=code, status=status, **changes)


def test_there_are_eight() -> None:
    assert [name[0] for name in INVARIANTS] == list("12345678")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(history(), id="complete"),
        pytest.param(history(calls=[call(streamed=False)]), id="unstreamed"),
        pytest.param(history(calls=[failed()], runs=[]), id="refused"),
        pytest.param(history(calls=[failed()]), id="failed, though it was started"),
        pytest.param(
            history(calls=[call(text=TEXT[:9], reasons=[], code="upstream_disconnected")]),
            id="half an answer and an error event",
        ),
        pytest.param(
            history(
                calls=[call(text=TEXT[:9], reasons=[], done=False, cut="IncompleteRead")],
                kills=[100.7],
            ),
            id="cut with its worker",
        ),
        pytest.param(
            history(calls=[call(text=TEXT[:9], reasons=[], done=False, left=True)]), id="left"
        ),
        pytest.param(
            history(
                calls=[call(text=TEXT[:12], reasons=[], code="x")],
                runs=[run(said=(mark(TEXT[:12]),), state="dropped")],
            ),
            id="a run that broke off",
        ),
        pytest.param(
            history(sign_ups=[1.0, 2.0, 3.0], called_for=3, budget=3),
            id="sign-ups up to the budget",
        ),
        pytest.param(
            history(sign_ups=[1.0, 3602.0], called_for=2, budget=1), id="sign-ups hours apart"
        ),
        pytest.param(
            history(token_uses=[1, 2, 1], answers_lost=1), id="a refresh whose answer was lost"
        ),
        pytest.param(history(left={"leases": 0.0}), id="nothing left"),
        pytest.param(history(starts=starts(500, 200)), id="started again once"),
        pytest.param(history(starts=starts(401, 200)), id="started again with another token"),
    ],
)
def test_a_good_history_breaks_nothing(made: History) -> None:
    assert check(made) == {name: [] for name in INVARIANTS}


@pytest.mark.parametrize(
    ("made", "numbers"),
    [
        pytest.param(history(calls=[call(reasons=[])]), "1", id="no end"),
        pytest.param(history(calls=[call(code="upstream_error")]), "1", id="two ends"),
        pytest.param(history(calls=[call(reasons=["stop", "stop"])]), "1", id="two reasons"),
        pytest.param(history(calls=[call(done=False)]), "1", id="no [DONE]"),
        pytest.param(history(calls=[call(after_the_end=True)]), "1", id="text behind the end"),
        pytest.param(
            history(calls=[call(text=TEXT[:9], reasons=[], done=False, cut="IncompleteRead")]),
            "1",
            id="cut for no reason",
        ),
        pytest.param(
            history(calls=[call(cut="IncompleteRead")], kills=[99.0, 102.0]),
            "1",
            id="cut, another time than the kill",
        ),
        pytest.param(history(calls=[failed("internal_error", 500)]), "1", id="a 500"),
        pytest.param(history(calls=[failed("", 502)]), "1", id="an error without a code"),
        pytest.param(history(calls=[call(ended=161.0)]), "1", id="stuck"),
        pytest.param(
            history(calls=[call(status=0, text="", reasons=[], cut="TimeoutError")]),
            "1",
            id="never answered",
        ),
        pytest.param(history(calls=[call(text=TEXT[:9])]), "2", id="truncated without a word"),
        pytest.param(history(calls=[call(text=TEXT + "n-1.6")]), "2", id="more than was said"),
        pytest.param(history(calls=[call(text=TEXT[4:9], reasons=[], code="x")]), "2", id="a gap"),
        pytest.param(history(runs=[]), "2", id="text out of nowhere"),
        pytest.param(
            history(runs=[run(said=(mark(TEXT[:9]),))]), "2", id="text before it was said"
        ),
        pytest.param(
            history(runs=[run(said=(mark("another"), mark(TEXT)))]), "2", id="a mix-up upstream"
        ),
        pytest.param(
            history(calls=[call(text=text_of("n-2", 6))]), "23", id="the answer of another"
        ),
        pytest.param(
            history(calls=[call(text=TEXT[:12] + " n-2.3 n-1.4", reasons=[], code="x")]),
            "23",
            id="a word of another",
        ),
        pytest.param(history(runs=[run(), run(run_id="other")]), "4", id="two runs"),
        pytest.param(history(runs=[run(), run("n-2")]), "4", id="a run that nobody asked for"),
        pytest.param(history(starts=starts(401, 500, 200)), "4", id="three starts"),
        pytest.param(history(starts=starts(200, 200)), "4", id="started behind the start"),
        pytest.param(
            history(sign_ups=[1.0, 2.0], called_for=1, budget=9), "5", id="a needless sign-up"
        ),
        pytest.param(
            history(sign_ups=[1.0, 2.0, 3.0], called_for=3, budget=2), "5", id="over the budget"
        ),
        pytest.param(history(token_uses=[1, 2]), "6", id="a token used again"),
        pytest.param(
            history(token_uses=[3], answers_lost=2), "6", id="a token used again and again"
        ),
        pytest.param(
            history(
                calls=[call(f"n-{number}") for number in range(3)],
                runs=[run(f"n-{number}") for number in range(3)],
            ),
            "7",
            id="three runs on an account that takes two",
        ),
        pytest.param(history(left={"leases": 1.0}), "8", id="a lease left"),
    ],
)
def test_a_bad_history_breaks_its_invariant(made: History, numbers: str) -> None:
    assert "".join(broken(made)) == numbers


def test_runs_one_after_the_other_are_within_the_limit() -> None:
    numbers = range(6)
    made = history(
        calls=[call(f"n-{number}", 100.0 + number) for number in numbers],
        runs=[run(f"n-{number}", 100.1 + number) for number in numbers],
        limit=1,
    )
    assert broken(made) == []


def test_a_run_whose_caller_left_takes_no_place() -> None:
    made = history(
        calls=[call("n-1", left=True, reasons=[]), call("n-2"), call("n-3")],
        runs=[run("n-1", ended=200.0), run("n-2"), run("n-3")],
    )
    assert broken(made) == []
