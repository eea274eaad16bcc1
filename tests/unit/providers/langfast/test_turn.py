"""Turns and leases: both may be closed twice."""

import threading
import time

import pytest

from langfast_wsgi.errors import NoCredentials
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.turn import Lease, Turn
from tests.support.builders import StubSocket, grant, patched_python


def lease(given_back: list[Lease]) -> Lease:
    return Lease(given_back.append, Credential("c1", grant(), 0.0), StubSocket())


def test_a_lease_is_given_back_once_however_often_it_is_closed() -> None:
    given_back: list[Lease] = []
    with lease(given_back) as one:
        assert repr(one) == "<Lease on c1>"
        one.close()
    one.close()
    assert given_back == [one]
    assert repr(one) == "<Lease on c1 (closed)>"


def test_a_turn_that_nothing_came_to_leaves_the_line_when_its_time_is_over() -> None:
    left: list[Turn] = []
    with Turn(left.append) as turn:
        assert repr(turn) == "<Turn waiting>"
        begun = time.monotonic()
        assert turn.wait(0.02) is None
        assert time.monotonic() - begun < 1.0
    assert left == [turn]


def test_a_waiting_caller_is_woken_by_its_lease_and_finds_it_again() -> None:
    given_back: list[Lease] = []
    one = lease(given_back)
    with Turn(lambda _: None) as turn:
        timer = threading.Timer(0.01, turn.settle, [one, None])
        timer.start()
        assert turn.wait(5.0) is one
        assert turn.wait(0) is one
        assert repr(turn) == "<Turn <Lease on c1>>"
        timer.join()
    assert given_back == [one]


def test_the_event_loop_may_look_whether_there_is_a_lease() -> None:
    script = """
import gevent
from langfast_wsgi.providers.langfast.turn import Turn
turn, found = Turn(lambda _: None), []
gevent.get_hub().loop.run_callback(lambda: found.append(turn.wait(0)))
gevent.sleep(0.01)
print(found)
"""
    assert patched_python(script).strip() == "[None]"


def test_a_lease_that_was_taken_stays_with_its_taker() -> None:
    given_back: list[Lease] = []
    with Turn(lambda _: None) as turn:
        turn.settle(lease(given_back), None)
        taken = turn.take()
    assert given_back == []
    taken.close()
    assert given_back == [taken]


def test_a_fault_is_raised_each_time_a_caller_waits() -> None:
    turn = Turn(lambda _: None)
    turn.settle(None, NoCredentials("none"))
    for _ in range(2):
        with pytest.raises(NoCredentials):
            turn.wait(0)
    assert repr(turn) == "<Turn none>"
