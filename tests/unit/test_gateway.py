"""The one use case: each run is accounted for exactly once."""

from types import SimpleNamespace
from typing import Any

import pytest

from langfast_wsgi import gateway as gateway_module
from langfast_wsgi.conversation.events import Event, Finished, Text, Usage
from langfast_wsgi.errors import (
    BadRequest,
    GatewayError,
    RunFailed,
    ShuttingDown,
    TooManyRuns,
    UnknownModel,
    UpstreamGarbled,
    UpstreamSilent,
)
from tests.support.builders import PAUSE, run_request, series
from tests.support.clock import FakeClock
from tests.unit.scripted import (
    HELLO,
    Scripted,
    accounted,
    gateway,
)

# --- a run


@pytest.mark.parametrize(
    ("fields", "streamed", "whole"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"stop": ["x"]}, False, False),
        ({"max_completion_tokens": 9}, False, False),
        ({"json": True}, False, False),
    ],
    ids=["plain", "streamed", "stop", "limit", "JSON"],
)
def test_only_where_nobody_looks_at_the_text_before_its_end_need_it_not_be_told_bit_by_bit(
    fields: dict[str, Any], streamed: bool, whole: bool
) -> None:
    first = Scripted("first", Text("{}", last=True), Finished("stop"))
    list(gateway(first).run(run_request(**fields), streamed=streamed))
    assert [request.whole for request in first.asked] == [whole]


def test_a_complete_run_yields_its_events_and_counts_as_complete() -> None:
    first = Scripted()
    gate = gateway(first)
    seconds = series("langfast_run_seconds_count")
    first_events = series("langfast_first_event_seconds_count")
    with accounted() as found:
        assert list(gate.run(run_request())) == HELLO
    assert found == {"complete": 1}
    assert (first.begun, first.closed, gate.in_flight) == (1, 1, 0)
    assert series("langfast_run_seconds_count") == seconds + 1
    assert series("langfast_first_event_seconds_count") == first_events + 1


def test_a_run_is_in_flight_from_its_first_event_to_its_end() -> None:
    gate = gateway()
    before = series("langfast_runs_in_flight")
    events = gate.run(run_request())
    assert gate.in_flight == 0
    next(events)
    assert gate.in_flight == 1
    assert repr(gate) == "<Gateway 1 runs>"
    assert series("langfast_runs_in_flight") == before + 1
    list(events)
    assert gate.in_flight == 0
    assert series("langfast_runs_in_flight") == before


def test_usage_is_counted_where_it_is_asked_for() -> None:
    with accounted() as found:
        events = list(gateway().run(run_request("Hello"), count_usage=True))
    assert events == [*HELLO, Usage(8, 1)]
    assert found == {"complete": 1}


def test_a_prompt_that_was_counted_is_not_counted_again() -> None:
    run = gateway().run(run_request("Hello"), count_usage=True, prompt_tokens=99)
    assert list(run)[-1] == Usage(99, 1)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (RunFailed("no"), "upstream_run_failed"),
        (BadRequest("bad prompt"), "refused_prompt"),
        (BadRequest("bad", code="bad_thing"), "bad_thing"),
    ],
)
@pytest.mark.parametrize("before", [[], [PAUSE], [Text("Hel")]], ids=["first", "quiet", "later"])
def test_a_failed_run_counts_as_its_faults_code_word(
    fault: GatewayError, outcome: str, before: list[Event]
) -> None:
    gate = gateway(Scripted("p", *before, fault))
    with accounted() as found, pytest.raises(GatewayError) as caught:
        list(gate.run(run_request()))
    assert caught.value is fault
    assert found == {outcome: 1}
    assert gate.in_flight == 0


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_a_caller_that_leaves_is_counted_and_its_run_closed(taken: int) -> None:
    first = Scripted()
    gate = gateway(first)
    with accounted() as found:
        events = gate.run(run_request())
        for _ in range(taken):
            next(events)
        events.close()
        events.close()
    assert found == {"client_gone": 1}
    assert (first.closed, gate.in_flight) == (1, 0)


def test_a_run_that_is_closed_before_its_first_event_costs_nothing() -> None:
    first = Scripted()
    with accounted() as found:
        gateway(first).run(run_request()).close()
    assert found == {}
    assert first.begun == 0


def test_a_fault_of_the_writer_is_the_runs_outcome() -> None:
    first = Scripted()
    gate = gateway(first)
    with accounted() as found:
        events = gate.run(run_request())
        next(events)
        with pytest.raises(UpstreamGarbled):
            events.throw(UpstreamGarbled("rewritten", code="upstream_inconsistent"))
    assert found == {"upstream_inconsistent": 1}
    assert (first.closed, gate.in_flight) == (1, 0)


@pytest.mark.parametrize(
    "script",
    [[Text("a")], [PAUSE], [Finished("stop"), Text("a")], [Usage(1, 1)]],
    ids=["no end", "nothing", "text behind the end", "usage before it"],
)
def test_events_out_of_order_are_the_upstreams_fault(
    script: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    gate = gateway(Scripted("p", *script))
    with accounted() as found, pytest.raises(UpstreamGarbled) as caught:
        list(gate.run(run_request()))
    assert caught.value.code == "upstream_bad_response"
    assert found == {"upstream_bad_response": 1}
    assert "events out of order" in caplog.text
    assert gate.in_flight == 0


def test_an_unforeseen_failure_does_not_pass_for_a_caller_that_left() -> None:
    gate = gateway(Scripted("p", Text("a"), ValueError("what?")))
    with accounted() as found, pytest.raises(ValueError, match="what"):
        list(gate.run(run_request()))
    assert gate.in_flight == 0
    assert sum(found.values()) == 1
    assert "client_gone" not in found


# --- limits


def test_no_more_runs_are_in_flight_than_the_limit() -> None:
    first = Scripted()
    gate = gateway(first, most=1)
    events = gate.run(run_request())
    next(events)
    with accounted() as found, pytest.raises(TooManyRuns) as caught:
        next(gate.run(run_request()))
    assert caught.value.retry_after == 1
    assert found == {"too_many_runs": 1}
    assert (first.begun, gate.in_flight) == (1, 1)
    events.close()
    assert list(gate.run(run_request())) == HELLO


def test_a_draining_gateway_takes_no_new_runs_and_lets_open_ones_end() -> None:
    gate = gateway()
    events = gate.run(run_request())
    next(events)
    gate.draining = True
    with accounted() as found, pytest.raises(ShuttingDown) as caught:
        next(gate.run(run_request()))
    assert caught.value.retry_after == 1
    assert found == {"shutting_down": 1}
    assert list(events) == HELLO[1:]


def test_a_closing_gateway_ends_open_runs_with_an_error() -> None:
    gate = gateway()
    events = gate.run(run_request())
    next(events)
    gate.closing = True
    with accounted() as found, pytest.raises(ShuttingDown):
        list(events)
    assert found == {"shutting_down": 1}


def test_a_run_that_has_said_its_end_is_complete_also_in_a_closing_gateway() -> None:
    gate = gateway(Scripted("p", Finished("stop")))
    events = gate.run(run_request(), count_usage=True)
    assert next(events) == Finished("stop")
    gate.closing = True
    with accounted() as found:
        assert len(list(events)) == 1
    assert found == {"complete": 1}


def test_a_run_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(gateway_module, "time", SimpleNamespace(monotonic=clock))
    first = Scripted()
    first.between = lambda: clock.advance(301.0)
    with accounted() as found, pytest.raises(UpstreamSilent, match="longer than the gateway"):
        list(gateway(first).run(run_request()))
    assert found == {"upstream_timeout": 1}
    assert first.closed == 1


def test_a_run_that_ends_in_its_last_moment_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(gateway_module, "time", SimpleNamespace(monotonic=clock))
    first = Scripted("p", Text("a"), Finished("stop"))
    first.between = lambda: clock.advance(600.0)
    with accounted() as found:
        list(gateway(first).run(run_request()))
    assert found == {"complete": 1}


# --- how many more runs would be taken


def test_all_room_is_there_while_nothing_runs() -> None:
    assert gateway(most=3).room() == (3, 3, 0)


def test_room_shrinks_with_each_run_and_grows_with_its_end() -> None:
    gate = gateway(most=3)
    events = gate.run(run_request())
    next(events)
    assert gate.room()[:2] == (3, 2)
    events.close()
    assert gate.room() == (3, 3, 0)


def test_there_is_no_room_in_a_gateway_that_drains() -> None:
    gate = gateway(most=3)
    gate.draining = True
    assert gate.room() == (3, 0, 0)


def test_room_is_back_as_fast_as_runs_ended_lately_and_for_sure_after_the_longest_run() -> None:
    gate = gateway(most=10)
    first = gate.run(run_request())
    next(first)
    assert gate.room()[2] == 600.0, "nobody knows better yet"
    for _ in range(50):
        list(gate.run(run_request()))
    assert 0 < gate.room()[2] <= 1
    gate.in_flight = 10_000
    assert gate.room() == (10, 0, 600.0)


# --- models and providers


def test_known_models_are_the_first_providers() -> None:
    first, second = Scripted("first"), Scripted("second", models=("gpt-5", "own"))
    gate = gateway(first, second)
    assert gate.provider_of("gpt-5") is first
    assert gate.provider_of("own") is second
    assert gate.models() == {"gpt-4o-mini": "first", "gpt-5": "first", "own": "second"}


def test_an_emulators_models_bear_its_mark() -> None:
    gate = gateway(Scripted("first", models=("echo",), fingerprint="emulator"))
    assert gate.models()["echo"] == "emulator"
    assert gate.fingerprint("echo") == "emulator"
    assert gateway().fingerprint("gpt-5") is None


def test_an_unknown_model_is_refused_before_anything_begins() -> None:
    first = Scripted()
    with accounted() as found, pytest.raises(UnknownModel) as caught:
        gateway(first).run(run_request(model="nope" * 100))
    assert found == {}
    assert caught.value.param == "model"
    assert len(caught.value.message) < 200
    assert first.begun == 0


def test_an_unknown_model_is_passed_on_to_the_first_provider_where_that_is_allowed() -> None:
    first, second = Scripted(), Scripted("second")
    gate = gateway(first, second, unknown=True)
    list(gate.run(run_request(model="nope")))
    assert (first.begun, second.begun) == (1, 0)


# --- around the runs


def test_it_is_ready_while_all_providers_are_and_it_does_not_drain() -> None:
    gate = gateway(Scripted("a"), Scripted("b"))
    assert gate.readiness() == (
        True,
        {"draining": False, "runs_in_flight": 0, "a": {"figure": 1}, "b": {"figure": 1}},
    )
    gate.draining = True
    assert gate.readiness()[0] is False
    assert gateway(Scripted("a"), Scripted("b", ready=False)).readiness()[0] is False


def test_stopping_it_stops_the_providers() -> None:
    providers = [Scripted("a"), Scripted("b")]
    gateway(*providers).stop()
    assert [provider.stopped for provider in providers] == [True, True]
