"""What the gateway makes of a provider's text: calls, JSON, shorter text, several choices."""

import weakref
from collections.abc import Generator
from typing import Any

import pytest

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Tool, ToolUse
from langfast_wsgi.conversation.events import Chosen, Event, Finished, Text, Usage
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import (
    BadRequest,
    TooManyRuns,
    UpstreamGarbled,
)
from tests.support.builders import PAUSE, AnyPause, run_request
from tests.unit.scripted import (
    HELLO,
    Answering,
    Reserving,
    Scripted,
    accounted,
    gateway,
)

CALL = '<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>'
SCHEMA = {"type": "object", "required": ["x"]}
TOOLS = ToolUse([Tool("f", parameters=SCHEMA)])


def text_of(events: list[Event]) -> str:
    return "".join(event.delta for event in events if isinstance(event, Text))


def test_text_ends_before_a_stop_sequence_and_is_counted_so() -> None:
    first = Answering("Hello world. Stop")
    with accounted() as found:
        events = list(gateway(first).run(run_request("Hello", stop=("Sto",)), count_usage=True))
    assert text_of(events) == "Hello world. "
    assert events[-2] == Finished("stop", "Sto")
    assert isinstance(events[-1], Usage)
    assert events[-1].completion_tokens == 4
    assert found == {"complete": 1}
    assert first.closed == 1


def test_text_ends_at_the_token_limit() -> None:
    first = Answering("Hello world again")
    events = list(gateway(first).run(run_request(max_completion_tokens=2)))
    assert (text_of(events), events[-1]) == ("Hello world", Finished("length"))
    assert first.closed == 1
    assert first.asked[0].max_completion_tokens == 2


def test_a_call_is_made_of_text_and_both_ends_are_counted() -> None:
    first = Answering(CALL)
    request = run_request("Hi", tools=TOOLS)
    begun, arguments, end, usage = (
        event for event in gateway(first).run(request, count_usage=True) if event != PAUSE
    )
    assert isinstance(begun, CallBegun)
    assert (begun.name, arguments) == ("f", CallArguments(0, '{"x":1}'))
    assert end == Finished("tool_calls")
    assert isinstance(usage, Usage)
    assert usage.prompt_tokens > 50, "as the model saw it"
    assert usage.completion_tokens > 3


def test_what_does_not_fit_is_asked_for_again_in_a_run_that_is_accounted_for_once() -> None:
    first = Answering('{"y": 1}', '{"x": 1}')
    gate = gateway(first)
    with accounted() as found:
        events = list(gate.run(run_request("Hi", json=True, json_schema=SCHEMA)))
    assert text_of(events) == '{"x": 1}'
    assert found == {"complete": 1}
    assert (first.begun, first.closed, gate.in_flight) == (2, 2, 0)
    assert [len(request.messages) for request in first.asked] == [2, 4]


@pytest.mark.parametrize("reasks", [0, 1, 3])
def test_it_is_asked_for_again_so_often_and_no_more(reasks: int) -> None:
    first = Answering('{"y": 1}')
    events = gateway(first).run(run_request("Hi", json=True, json_schema=SCHEMA), reasks=reasks)
    with accounted() as found, pytest.raises(UpstreamGarbled) as caught:
        list(events)
    assert caught.value.code == "upstream_invalid_json"
    assert found == {"upstream_invalid_json": 1}
    assert first.begun == first.closed == reasks + 1


def test_json_comes_bit_by_bit_only_where_it_is_streamed() -> None:
    for streamed, most in ((True, 20), (False, 1)):
        request = run_request("Hi", json=True)
        events = list(gateway(Answering('{"x": "some text"}')).run(request, streamed=streamed))
        assert text_of(events) == '{"x": "some text"}'
        assert 1 <= len([one for one in events if isinstance(one, Text)]) <= most
        assert (len(events) > 5) is streamed


def test_a_caller_that_leaves_while_the_model_is_asked_again_closes_that_run() -> None:
    first = Answering('{"y": 1}', '{"x": 1}')
    gate = gateway(first)
    with accounted() as found:
        events = gate.run(run_request("Hi", json=True, json_schema=SCHEMA))
        assert [next(events), next(events)] == [PAUSE, PAUSE]
        assert first.begun == 2
        events.close()
    assert found == {"client_gone": 1}
    assert (first.closed, gate.in_flight) == (2, 0)


def test_a_bad_schema_is_refused_before_anything_begins() -> None:
    first = Scripted()
    with pytest.raises(BadRequest) as caught:
        gateway(first).run(run_request(json=True, json_schema={"type": 7}))
    assert caught.value.code == "invalid_json_schema"
    assert first.begun == 0


class Prompt(dict[str, object]):
    """A message of which can be known whether anybody keeps it."""


def test_a_stream_that_goes_on_does_not_keep_its_prompt() -> None:
    class Forgetful(Scripted):
        def run(self, request: RunRequest) -> Generator[Event, None, None]:
            del request
            yield from HELLO

    prompt = Prompt(role="user", content="long")
    kept = weakref.ref(prompt)
    request = RunRequest("gpt-5", [prompt], stop=("never",), max_completion_tokens=9)
    events = gateway(Forgetful()).run(request)
    next(events)
    del request, prompt
    assert kept() is None
    events.close()


# --- several choices


def answers_of(events: list[Event], count: int) -> list[str]:
    return [
        text_of([one.event for one in events if isinstance(one, Chosen) and one.choice == index])
        for index in range(count)
    ]


def test_choices_are_runs_side_by_side_on_places_that_were_there_before() -> None:
    first = Reserving("Hello", "Hi", "Hey")
    gate = gateway(first)
    with accounted() as found:
        events = gate.run(run_request("Hello"), choices=3, count_usage=True)
        assert next(events) == PAUSE
        assert (first.begun, gate.in_flight) == (0, 3)
        rest = list(events)
    assert answers_of(rest, 3) == ["Hello", "Hi", "Hey"]
    assert rest[-2:] == [Finished("stop"), Usage(8, 3)]
    assert found == {"complete": 1}
    assert (first.begun, first.closed, gate.in_flight) == (3, 3, 0)
    assert [(one.count, one.closed) for one in first.reserved] == [(3, 1)]


def test_without_a_place_for_each_none_begins() -> None:
    first = Reserving("Hello", places=2)
    with accounted() as found, pytest.raises(TooManyRuns):
        list(gateway(first).run(run_request(), choices=3))
    assert found == {"too_many_runs": 1}
    assert (first.begun, first.reserved[0].closed) == (0, 1)


def test_all_choices_count_against_the_limit_of_runs() -> None:
    first = Reserving("Hello")
    gate = gateway(first, most=3)
    events = gate.run(run_request(), choices=2)
    next(events)
    with pytest.raises(TooManyRuns):
        next(gate.run(run_request(), choices=2))
    list(gate.run(run_request(), choices=1))
    events.close()
    assert gate.in_flight == 0


def test_every_choice_is_made_what_the_request_asks_for() -> None:
    first = Reserving('{"y": 1}', '{"x": 1}', '{"x": 2} Stop', '{"x": 3}')
    request = run_request("Hi", json=True, json_schema=SCHEMA, stop=("3",))
    events = list(gateway(first).run(request, choices=3))
    assert answers_of(events, 3) == ['{"x": ', '{"x": 1}', '{"x": 2}']
    assert first.begun == first.closed == 4


def test_one_choice_that_fails_ends_them_all() -> None:
    first = Reserving('{"x": 1}', "no", "no")
    gate = gateway(first)
    with accounted() as found, pytest.raises(UpstreamGarbled):
        list(gate.run(run_request("Hi", json=True), choices=2))
    assert found == {"upstream_invalid_json": 1}
    assert (first.closed, gate.in_flight) == (first.begun, 0)
    assert first.reserved[0].closed == 1


def test_a_caller_that_leaves_ends_all_choices() -> None:
    first = Reserving("Hello")
    gate = gateway(first)
    with accounted() as found:
        events = gate.run(run_request(), choices=3)
        assert [next(events) for _ in range(2)] == [PAUSE, AnyPause()]
        assert first.begun == 3
        events.close()
    assert found == {"client_gone": 1}
    assert (first.closed, gate.in_flight, first.reserved[0].closed) == (3, 0, 1)


def test_several_requests_are_answered_side_by_side_and_numbered_on() -> None:
    first = Reserving("one", "uno", "two", "due")
    gate = gateway(first)
    requests = [run_request("Hello", caller="c"), run_request("Hello again", caller="c")]
    with accounted() as found:
        events = list(gate.run(requests[0], beside=requests[1:], choices=2, count_usage=True))
    assert answers_of(events, 4) == ["one", "uno", "two", "due"]
    assert first.asked == [requests[0]] * 2 + [requests[1]] * 2
    assert [one.count for one in first.reserved] == [4]
    assert found == {"complete": 1}
    assert (first.closed, gate.in_flight) == (4, 0)


def test_each_prompt_counts_once_however_many_answers_it_has() -> None:
    requests = [run_request("Hello"), run_request("Hello Hello Hello")]
    alone = [list(gateway(Answering("x")).run(one, count_usage=True))[-1] for one in requests]
    prompt = sum(one.prompt_tokens for one in alone if isinstance(one, Usage))
    gate = gateway(Reserving("x"))
    events = list(gate.run(requests[0], beside=requests[1:], choices=3, count_usage=True))
    assert events[-1] == Usage(prompt, 6)
    assert prompt > 16


def test_each_request_keeps_its_own_stop_words_and_limits() -> None:
    first = Reserving("Hello world again", "Hello world again")
    requests = [run_request(stop=("world",)), run_request(max_completion_tokens=2)]
    events = list(gateway(first).run(requests[0], beside=requests[1:]))
    assert answers_of(events, 2) == ["Hello ", "Hello world"]
    ends = [one.event for one in events if isinstance(one, Chosen)]
    reasons = [one.reason for one in ends if isinstance(one, Finished)]
    assert reasons == ["stop", "length"]


def test_a_caller_that_leaves_ends_all_requests() -> None:
    first = Reserving("Hello")
    gate = gateway(first)
    with accounted() as found:
        events = gate.run(run_request(), beside=[run_request()])
        assert [next(events) for _ in range(2)] == [PAUSE, AnyPause()]
        assert (first.begun, gate.in_flight) == (2, 2)
        events.close()
    assert found == {"client_gone": 1}
    assert (first.closed, gate.in_flight, first.reserved[0].closed) == (2, 0, 1)


def test_a_bad_schema_beside_a_good_request_is_refused_before_anything_begins() -> None:
    first = Reserving("{}")
    with pytest.raises(BadRequest):
        gateway(first).run(run_request(), beside=[run_request(json=True, json_schema={"type": 7})])
    assert first.begun == 0


@pytest.mark.parametrize(
    "more", [{"choices": 2}, {"beside": [run_request()]}], ids=["n", "prompts"]
)
def test_a_provider_that_reserves_no_places_gives_one_answer(more: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        gateway(Scripted()).run(run_request(), **more)
    assert (caught.value.code, caught.value.param) == ("unsupported_value", "n")
