"""The fault programmes in their short settings; the long ones are run by `make faults` and `soak`.

What each of them measures, and what is promised: docs/faults.md.
"""

import pytest

from tests.faults import history, kills, leavers, overload, restart, soak
from tests.faults.forms import FORMS
from tests.faults.fronts import FRONTS
from tests.faults.report import Report
from tests.support.haproxy import needs_haproxy
from tests.support.nginx import needs_nginx

SEED = 11


def judge(report: Report) -> None:
    assert report.kept, str(report)


@pytest.mark.timeout(300)
def test_a_killed_socket_never_shortens_an_answer_without_a_word() -> None:
    needs_nginx()
    needs_haproxy()
    judge(kills.run(kills.SHORT, SEED))


def test_each_index_form_and_front_is_killed() -> None:
    plan = kills.plan(kills.SHORT, SEED)
    assert {kill.at for kill in plan} == set(range(51))
    assert {kill.front for kill in plan} == set(FRONTS)
    assert {(kill.fault, kill.form) for kill in plan} == {
        (fault, form) for fault in kills.FAULTS for form in FORMS
    }
    assert len(kills.plan(kills.LONG, SEED)) >= 5000


@pytest.mark.timeout(300)
def test_a_history_under_a_nemesis_breaks_no_invariant() -> None:
    judge(history.run(history.SHORT, SEED))


def test_callers_that_leave_give_their_places_back() -> None:
    judge(leavers.run(leavers.SHORT))


@pytest.mark.timeout(300)
def test_a_restart_behind_a_proxy_loses_no_stream_without_a_word() -> None:
    needs_nginx()
    judge(restart.run(restart.SHORT))


def test_under_overload_who_is_let_in_is_served_and_the_rest_is_told() -> None:
    judge(overload.run(overload.SHORT))


@pytest.mark.timeout(300)
def test_a_load_over_short_lived_tokens_and_sockets_fails_nothing() -> None:
    judge(soak.run(soak.SHORT, SEED))
