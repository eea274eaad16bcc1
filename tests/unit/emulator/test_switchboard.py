"""Service faults: switching, counting down, serving."""

from typing import Any

import pytest

from langfast_wsgi.emulator.faults.serving import served
from langfast_wsgi.emulator.faults.switchboard import HttpFault, Switchboard
from langfast_wsgi.emulator.faults.turns import Turns, prompt_key
from langfast_wsgi.emulator.shapes import BadShape
from langfast_wsgi.emulator.web import Answer, AnswerLost, json_answer


def test_a_fault_is_met_until_it_is_switched_off() -> None:
    board = Switchboard()
    board.put({"sign_up": {"status": 500}})
    assert [board.http("sign_up") is not None for _ in range(3)] == [True] * 3
    board.put({"sign_up": None})
    assert board.http("sign_up") is None


def test_a_fault_with_times_switches_itself_off() -> None:
    board = Switchboard()
    board.put({"connect": {"refuse": True, "times": 2}})
    assert [board.connect() is not None for _ in range(3)] == [True, True, False]
    assert board.as_json() == {}


def test_only_the_named_services_are_changed() -> None:
    board = Switchboard()
    board.put({"refresh": {"status": 503, "times": 2}, "start": {"hang": 1}})
    board.put({"start": {"code": "BOOT_ERROR"}})
    assert board.as_json() == {
        "refresh": {"status": 503, "hang": 0.0, "times": 2},
        "start": {"code": "BOOT_ERROR", "hang": 0.0},
    }
    board.clear()
    assert board.as_json() == {}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "the body must be an object of services"),
        ({"signup": {}}, "'signup' is no service"),
        ({"sign_up": 5}, "sign_up must be an object"),
        ({"sign_up": {"status": 99}}, "sign_up: 'status' must be an HTTP status"),
        ({"sign_up": {"times": 0}}, "sign_up: 'times' must be a whole number from 1"),
        ({"sign_up": {"times": True}}, "sign_up: 'times' must be a whole number from 1"),
        ({"sign_up": {"hang": "long"}}, "sign_up: 'hang' must be a number of seconds"),
        ({"sign_up": {"body": "pdf"}}, "sign_up: 'body' must be one of html"),
        ({"sign_up": {"change": []}}, "sign_up: 'change' must be an object"),
        ({"connect": {"refuse": 1}}, "connect: 'refuse' must be true or false"),
        ({"connect": {"status": 500}}, "connect: 'status' is not known"),
    ],
)
def test_a_bad_fault_is_named_and_nothing_is_switched(given: Any, sentence: str) -> None:
    board = Switchboard()
    board.put({"refresh": {"status": 500}})
    with pytest.raises(BadShape) as caught:
        board.put({**given, "refresh": None} if isinstance(given, dict) else given)
    assert str(caught.value).startswith(sentence)
    assert "refresh" in board.as_json()


def _serve(**given: Any) -> tuple[Answer, list[float]]:
    slept: list[float] = []
    answer = served(
        HttpFault(**given),
        lambda: json_answer(200, {"a": 1, "b": 2}),
        lambda fault: Answer(fault.status or 418),
        slept.append,
    )
    return answer, slept


def test_a_hanging_service_waits_and_then_does_its_work() -> None:
    answer, slept = _serve(hang=2.5)
    assert (answer.status, slept) == (200, [2.5])


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        ({"status": 500}, 500, b""),
        ({"code": "captcha_failed"}, 418, b""),
        ({"body": "empty"}, 200, b"{}"),
        ({"body": "null"}, 200, b"null"),
        ({"body": "array"}, 200, b"[]"),
        ({"body": "truncated"}, 200, b'{"access_token":"eyJhbGciOi'),
        ({"body": "empty", "status": 503}, 503, b"{}"),
        ({"change": {"a": None, "c": -5}}, 200, b'{"b":2,"c":-5}'),
    ],
)
def test_a_fault_makes_another_answer(given: dict[str, Any], status: int, body: bytes) -> None:
    answer, _ = _serve(**given)
    assert (answer.status, answer.body) == (status, body)


def test_a_page_of_html_is_a_502_unless_told_otherwise() -> None:
    answer, _ = _serve(body="html")
    assert (answer.status, answer.type) == (502, "text/html")


def test_a_lost_answer_is_no_answer() -> None:
    with pytest.raises(AnswerLost):
        _serve(body="lost")


def test_a_prompt_meets_its_fault_so_often_and_then_passes_and_then_again() -> None:
    turns = Turns()
    assert [turns.strikes("k", 2) for _ in range(6)] == [True, True, False, True, True, False]
    assert all(turns.strikes("always", None) for _ in range(5))


def test_prompts_are_told_apart_by_fault_model_and_messages() -> None:
    meta = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 1}
    same = {**meta, "temperature": 0}
    assert prompt_key("f", meta) == prompt_key("f", same)
    assert len({prompt_key("f", meta), prompt_key("g", meta), prompt_key("f", {"model": "n"})}) == 3
