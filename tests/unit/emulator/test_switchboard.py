"""Service faults: switching, counting down, serving."""

import json
from typing import Any

import pytest

from langfast_wsgi.emulator.faults.serving import changed, served
from langfast_wsgi.emulator.faults.switchboard import ConnectFault, HttpFault, Switchboard
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
        ({"connect": {"shape": "round"}}, "connect: 'shape' must be one of object"),
        ({"open": {"status": 500}}, "open: 'status' is not known"),
        ({"handshake": {"change": {}}}, "handshake: 'change' is not known"),
        ({"start": {"location": "/a\r\nX: y"}}, "start: 'location' must be a text of one line"),
        ({"start": {"drip": -1}}, "start: 'drip' must be a number of seconds"),
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


def test_garbage_is_neither_json_nor_utf_8() -> None:
    answer, _ = _serve(body="garbage")
    with pytest.raises(UnicodeDecodeError):
        answer.body.decode()


def test_a_huge_answer_is_json_of_ten_megabytes() -> None:
    answer, _ = _serve(body="huge")
    assert len(answer.body) == 10_000_000
    assert set(json.loads(answer.body)) == {"x"}


def test_a_bad_key_is_what_the_gateway_in_front_says() -> None:
    answer, _ = _serve(body="bad-key")
    assert (answer.status, set(json.loads(answer.body))) == (401, {"message", "hint"})


def test_a_redirect_says_where_to() -> None:
    answer, _ = _serve(status=307, location="/there")
    assert (answer.status, answer.headers) == (307, {"Location": "/there"})


def test_a_dripping_answer_is_the_usual_one_with_its_pace() -> None:
    answer, slept = _serve(drip=0.5)
    assert (answer.status, answer.drip, slept) == (200, 0.5, [])


def test_a_changed_answer_keeps_its_other_fields_even_if_they_are_null() -> None:
    assert changed({"a": None, "b": 1}, {"b": None, "c": 2}) == {"a": None, "c": 2}


@pytest.mark.parametrize(
    ("given", "payload"),
    [
        ({"message": "no"}, {"message": "no"}),
        ({"message": "no", "data": {"code": 5}}, {"message": "no", "data": {"code": 5}}),
        ({"message": "no", "shape": "text"}, "no"),
        ({"shape": "empty"}, {}),
        ({"shape": "bare"}, None),
    ],
)
def test_a_refused_connect_has_one_of_several_payloads(
    given: dict[str, Any], payload: object
) -> None:
    assert ConnectFault(refuse=True, **given).payload() == payload


def test_the_open_packet_is_late_as_often_as_asked_for() -> None:
    board = Switchboard()
    board.put({"open": {"hang": 5, "times": 1}})
    assert [board.late(), board.late()] == [5, 0]


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
