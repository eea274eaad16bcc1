"""The tools that a model may call."""

import pytest

from langfast_wsgi.conversation.calls import Tool, ToolUse
from langfast_wsgi.errors import BadRequest
from langfast_wsgi.stages.tool_calls.offer import Offer, alike
from tests.unit.stages.tool_calls.offers import WEATHER, offer


@pytest.mark.parametrize(
    ("use", "names", "required", "single"),
    [
        ({}, ["get_weather", "add_numbers", "ping"], False, False),
        ({"choice": "none"}, [], False, False),
        ({"choice": "required"}, ["get_weather", "add_numbers", "ping"], True, False),
        ({"choice": "required", "allowed": ["ping"]}, ["ping"], True, False),
        ({"allowed": ["ping", "get_weather", "unknown"]}, ["ping", "get_weather"], False, False),
        ({"parallel": False}, ["get_weather", "add_numbers", "ping"], False, True),
        ({"choice": "required", "allowed": []}, [], False, False),
    ],
    ids=repr,
)
def test_what_may_be_called_follows_from_the_choice(
    use: dict, names: list[str], required: bool, single: bool
) -> None:
    made = offer(**use)
    assert (made.names(), made.required, made.single) == (names, required, single)
    assert [tool.name for tool in made.tools()] == names
    assert bool(made) is bool(names)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("get_weather", "get_weather"),
        ("getWeather", "get_weather"),
        ("functions.get_weather", "get_weather"),
        ("tool:get-weather", "get_weather"),
        ("weather", None),
        ("", None),
        ("functions.", None),
        ("--", None),
    ],
)
def test_a_tool_is_found_by_what_models_keep_of_its_name(name: str, found: str | None) -> None:
    offered = offer().find(name)
    assert (offered and offered.tool.name) == found


def test_the_exact_name_comes_first() -> None:
    made = offer(Tool("get_weather"), Tool("getWeather"))
    assert [made.find(name).tool.name for name in ("get_weather", "getWeather")] == [
        "get_weather",
        "getWeather",
    ]


def test_a_tool_whose_name_has_no_letters_is_found_by_its_exact_name_only() -> None:
    made = offer(Tool("__"))
    assert made.find("__") is not None
    assert made.find("--") is None
    assert alike("__") == ""


def test_parameters_that_are_no_schema_are_the_callers_fault() -> None:
    with pytest.raises(BadRequest) as refused:
        offer(WEATHER, Tool("bad", None, {"type": "strin"}))
    fault = refused.value
    assert (fault.code, fault.param) == (
        "invalid_function_parameters",
        "tools[1].function.parameters",
    )
    assert fault.message.startswith("Invalid schema for function 'bad': ")


def test_another_dialect_names_the_place_otherwise() -> None:
    with pytest.raises(BadRequest) as refused:
        Offer(ToolUse([Tool("bad", None, {"type": 3})]), place="tools[{}].parameters")
    assert refused.value.param == "tools[0].parameters"


def test_a_tool_that_is_not_allowed_now_must_have_a_proper_schema_as_well() -> None:
    with pytest.raises(BadRequest):
        offer(WEATHER, Tool("bad", None, {"type": "strin"}), choice="none")
