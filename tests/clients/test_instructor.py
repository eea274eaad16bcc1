"""instructor against a real gateway: its modes, its retries, parts of an answer."""

from typing import Any

import pytest

from tests.clients.conftest import Run
from tests.clients.node.program import Facts

YOUNG: dict[str, Any] = {"name": "Zoë", "age": 7}
OLD = {"name": "Zoë", "age": 70}


@pytest.fixture(scope="module")
def facts(run: Run) -> Facts:
    return run("openai2", "instructor_features.py")


@pytest.mark.parametrize("mode", ["tools", "tools_strict", "json_mode", "md_json", "json_schema"])
def test_each_mode_extracts_the_same(facts: Facts, mode: str) -> None:
    seen = facts.value(mode)
    assert seen["person"] == YOUNG
    assert seen["tokens"] > 20


def test_the_mode_of_responses_extracts_the_same(facts: Facts) -> None:
    assert facts.value("responses_tools") == YOUNG


def test_parallel_tools_give_each_call(facts: Facts) -> None:
    assert facts.value("parallel_tools") == [YOUNG]


def test_a_blocking_client_extracts_the_same(facts: Facts) -> None:
    assert facts.value("blocking") == YOUNG


def test_what_its_own_check_refuses_is_asked_for_again(facts: Facts) -> None:
    assert facts.value("asked_again") == OLD


def test_what_is_never_good_enough_raises(facts: Facts) -> None:
    thrown = facts.thrown("never_good_enough")
    assert thrown["kinds"][0] == "instructor.InstructorRetryException"
    assert "must be grown up" in thrown["message"]


def test_a_partial_answer_with_a_schema_comes_as_a_whole(facts: Facts) -> None:
    assert facts.value("parts")[-1] == YOUNG


def test_a_partial_answer_without_one_grows_to_the_whole(facts: Facts) -> None:
    parts = facts.value("parts_that_grow")
    names = [part["name"] or "" for part in parts]
    assert parts[-1] == YOUNG
    assert "" in names
    assert all(YOUNG["name"].startswith(name) for name in names)


def test_an_iterable_gives_one_after_the_other(facts: Facts) -> None:
    assert facts.value("several") == [YOUNG, OLD]


def test_a_failure_in_the_middle_of_a_partial_answer_raises(facts: Facts) -> None:
    seen = facts.value("parts_that_fail")
    assert seen["thrown"]["kinds"][0] == "openai.APIError"
    assert seen["last"] != YOUNG


def test_a_wrong_key_is_the_cause_of_its_exception(facts: Facts) -> None:
    thrown = facts.thrown("wrong_key")
    assert thrown["kinds"][0] == "instructor.InstructorRetryException"
    assert "openai.AuthenticationError" in thrown["cause"]
