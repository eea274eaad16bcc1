"""What openai and @anthropic-ai/sdk, the makers' own for JavaScript, offer above a plain call."""

import json

import pytest

from tests.clients.conftest import KEY
from tests.clients.node.program import Facts, run_program
from tests.support.gateway import GatewayProcess

TRIP = {"city": "Köln", "days": 3}
REPORT = "I hear: Sunny for 3 days in Köln."


def is_trip(value: object) -> bool:
    """What the emulator made up, in the form that was asked for."""
    return isinstance(value, dict) and {name: type(one) for name, one in value.items()} == {
        "city": str,
        "days": int,
    }


# --- openai over chat completions ----------------------------------------------------------------


@pytest.fixture(scope="module")
def openai(gateway: GatewayProcess) -> Facts:
    return run_program("openai_sdk_facts.mjs", gateway.api, KEY)


def test_openais_run_tools_calls_the_function_and_reports(openai: Facts) -> None:
    seen = openai.value("runTools")
    assert seen["final"] == REPORT
    assert seen["asked"] == [TRIP]
    assert seen["roles"] == ["user", "assistant", "tool", "assistant"]
    usage = seen["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 100


def test_openais_run_tools_streams_the_report(openai: Facts) -> None:
    seen = openai.value("runTools, streamed")
    assert (seen["final"], seen["asked"]) == (REPORT, [TRIP])
    assert "".join(seen["pieces"]) == REPORT
    assert len(seen["pieces"]) > 1


def test_openai_gets_calls_side_by_side_with_ids_of_their_own(openai: Facts) -> None:
    seen = openai.value("calls side by side")
    bonn = {**TRIP, "city": "Bonn"}
    assert seen["calls"] == [["get_weather", TRIP], ["get_weather", bonn]]
    assert (seen["finish"], seen["content"], seen["ids"]) == ("tool_calls", None, 2)


def test_openais_parse_fills_a_zod_schema(openai: Facts) -> None:
    assert is_trip(openai.value("parse"))


@pytest.mark.parametrize("what", ["parse, tool", "parse, streamed"])
def test_openais_parse_gives_what_the_model_said(openai: Facts, what: str) -> None:
    assert openai.value(what) == TRIP


def test_openais_stream_helper_tells_a_finished_call(openai: Facts) -> None:
    assert openai.value("events") == {"done": [["get_weather", TRIP]], "finish": "tool_calls"}


def test_openais_parse_refuses_json_that_was_cut_short(openai: Facts) -> None:
    assert openai.thrown("cut short")["name"] == "LengthFinishReasonError"


def test_openai_knows_the_request_id(openai: Facts) -> None:
    seen = openai.value("raw")
    assert seen["id"] == seen["header"]
    assert seen["id"].startswith("req_")


def test_openai_lists_and_retrieves_models(openai: Facts) -> None:
    seen = openai.value("models")
    assert {"gpt-4o-mini", "echo", "auto"} <= set(seen["ids"])
    assert seen["one"] == "echo"


def test_openai_times_out_by_its_own_clock(openai: Facts) -> None:
    assert openai.thrown("too slow")["name"] == "APIConnectionTimeoutError"


# --- openai over responses -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def responses(gateway: GatewayProcess) -> Facts:
    return run_program("openai_responses_facts.mjs", gateway.api, KEY)


def test_openais_responses_take_a_tools_result_by_the_former_response(responses: Facts) -> None:
    seen = responses.value("tool")
    assert seen == {"type": "function_call", "given": TRIP, "final": "I hear: Sunny."}


def test_openais_responses_take_a_conversation_that_the_caller_keeps(responses: Facts) -> None:
    assert responses.value("tool, by hand") == "I hear: Sunny."


def test_openais_responses_parse_fills_a_zod_schema(responses: Facts) -> None:
    assert responses.value("parse") == TRIP


def test_openais_responses_stream_tells_each_event_in_order(responses: Facts) -> None:
    seen = responses.value("events")
    types = seen["types"]
    assert types[:2] == ["response.created", "response.in_progress"]
    assert types[-1] == "response.completed"
    assert "response.output_text.delta" in types
    assert seen["numbers"] == list(range(len(types)))
    assert seen["text"] == "Hello there"


def test_openais_responses_tell_a_refusal(responses: Facts) -> None:
    assert responses.value("refused") == {"type": "refusal", "refusal": "I will not."}


def test_openais_responses_are_kept_and_followed(responses: Facts) -> None:
    seen = responses.value("conversation")
    assert (seen["text"], seen["again"], seen["items"]) == ("two", "one", ["one"])
    assert seen["before"]
    assert seen["more"], "the former turn counts as prompt"


def test_openais_responses_can_be_deleted(responses: Facts) -> None:
    assert responses.thrown("deleted")["status"] == 404


def test_openais_responses_are_counted_beforehand(responses: Facts) -> None:
    seen = responses.value("counted")
    assert seen["counted"] == seen["used"] > 2


def test_openais_responses_refuse_a_hosted_tool_by_its_place(responses: Facts) -> None:
    thrown = responses.thrown("hosted tool")
    assert (thrown["status"], thrown["param"]) == (400, "tools[0].type")


# --- anthropic -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def anthropic(gateway: GatewayProcess) -> Facts:
    return run_program("anthropic_sdk_facts.mjs", gateway.api, KEY)


def test_anthropics_tool_runner_calls_the_tool_and_reports(anthropic: Facts) -> None:
    seen = anthropic.value("tool runner")
    assert seen == {"text": REPORT, "called": [TRIP], "stop": "end_turn"}


def test_anthropics_tool_runner_streams_the_report(anthropic: Facts) -> None:
    seen = anthropic.value("tool runner, streamed")
    assert seen == {"text": REPORT, "called": [TRIP], "stops": ["tool_use", "end_turn"]}


def test_anthropics_stream_tells_a_call_piece_by_piece(anthropic: Facts) -> None:
    seen = anthropic.value("call, streamed")
    assert json.loads(seen["json"]) == seen["block"]["input"] == TRIP
    assert seen["block"]["type"] == seen["stop"] == "tool_use"
    assert seen["types"][0] == "message_start"
    assert seen["types"][-2:] == ["message_delta", "message_stop"]


def test_anthropics_parse_fills_a_zod_schema(anthropic: Facts) -> None:
    assert anthropic.value("parse") == TRIP


def test_anthropic_is_told_which_sequence_stopped_the_text(anthropic: Facts) -> None:
    stopped = {"text": "one two ", "stop": "stop_sequence", "sequence": "STOP"}
    assert anthropic.value("system and stop") == stopped


def test_anthropic_counts_beforehand_what_is_used(anthropic: Facts) -> None:
    seen = anthropic.value("counted")
    assert seen["counted"] == seen["used"] > 2


def test_anthropic_lists_models(anthropic: Facts) -> None:
    assert {"gpt-4o-mini", "echo", "auto"} <= set(anthropic.value("models"))


def test_anthropic_may_show_its_key_as_a_token(anthropic: Facts) -> None:
    assert anthropic.value("bearer") == "by token"
