"""Only valid calls pass."""

from typing import Any

import pytest

from langfast_wsgi.stages.tool_calls.checking import Call, NotValid, checked, correction
from langfast_wsgi.stages.tool_calls.reading import Found
from tests.unit.stages.tool_calls.offers import offer


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("get_weather", {"city": "Zürich"}, Call("get_weather", '{"city":"Zürich"}')),
        ("functions.getWeather", {"city": "Rome"}, Call("get_weather", '{"city":"Rome"}')),
        ("get_weather", '{"city": "Rome"}', Call("get_weather", '{"city":"Rome"}')),
        ("get_weather", " {'city': 'Rome',} ", Call("get_weather", '{"city":"Rome"}')),
        ("add_numbers", {"a": 1.0, "b": 2}, Call("add_numbers", '{"a":1.0,"b":2}')),
        ("ping", None, Call("ping", "{}")),
        ("ping", "", Call("ping", "{}")),
        ("ping", {"any": ["thing"]}, Call("ping", '{"any":["thing"]}')),
    ],
)
def test_a_valid_call_passes(name: str, arguments: Any, expected: Call) -> None:
    assert checked([Found(name, arguments)], offer()) == [expected]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([], "it is not in the form of a tool call."),
        (
            [Found("get_wether", {"city": "x"})],
            'no tool "get_wether" can be called now. What can be called:'
            " get_weather, add_numbers, ping.",
        ),
        (
            [Found("get_weather", {"town": "x"})],
            "the arguments of get_weather do not fit its parameters: ",
        ),
        (
            [Found("add_numbers", {"a": "1", "b": 2})],
            'the arguments of add_numbers do not fit its parameters: at /a: "1" is not of type'
            ' "integer".',
        ),
        (
            [Found("get_weather", ["Paris"])],
            "the arguments of get_weather must be one JSON object.",
        ),
        ([Found("get_weather", "Paris")], "the arguments of get_weather must be one JSON object."),
        ([Found("ping", 'so: {"a": 1}')], "the arguments of ping must be one JSON object."),
        ([Found("ping", {"a": float("inf")})], "the arguments of ping hold a number that is too"),
        ([Found("ping", {}), Found("x" * 200, {})], f'no tool "{"x" * 64}" can be called'),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_what_is_wrong_is_told_in_a_sentence(found: list[Found], sentence: str) -> None:
    with pytest.raises(NotValid) as problem:
        checked(found, offer())
    assert str(problem.value).startswith(sentence)
    told = correction(problem.value)
    assert str(problem.value) in told
    assert "<tool_call>\n{" in told


def test_a_tool_that_may_not_be_called_now_is_as_good_as_unknown() -> None:
    with pytest.raises(NotValid, match="What can be called: ping"):
        checked([Found("get_weather", {"city": "x"})], offer(allowed=["ping"]))


def test_where_no_second_call_counts_the_first_is_all() -> None:
    calls = [Found("ping", {}), Found("unknown", 3)]
    assert checked(calls, offer(parallel=False)) == [Call("ping", "{}")]
