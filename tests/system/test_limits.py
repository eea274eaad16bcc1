"""Stop sequences, the token limit and media, against a real gunicorn.

Numbers are those of docs/openai-wire.md.
"""

import time
from typing import Any

import pytest
from openai import OpenAI

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import read_stream, steer

TEXT = "One, two, three and four. STOP here, or here: END of all."


def both(gateway: GatewayProcess, content: str, **fields: Any) -> tuple[str, str]:
    """The text and the finish reason; streamed and unstreamed they must be the same."""
    choice = gateway.chat(content, **fields).json()["choices"][0]
    stream = read_stream(gateway.chat(content, stream=True, **fields))
    assert stream.text == choice["message"]["content"]
    assert stream.finish_reasons == [choice["finish_reason"]]
    assert stream.done
    return stream.text, choice["finish_reason"]


@pytest.mark.parametrize("chunks", [1, 7, len(TEXT)])
@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ("STOP", TEXT.partition("STOP")[0]),
        (["END", "STOP", "x", "y"], TEXT.partition("STOP")[0]),
        ("END of all!", TEXT),
        ("One", ""),
        ("all.", TEXT[:-4]),
        ("", TEXT),
    ],
)
def test_17_the_text_ends_before_the_first_stop_sequence_however_it_was_cut(
    gateway: GatewayProcess, chunks: int, stop: Any, text: str
) -> None:
    content = steer(TEXT, chunks=chunks)
    assert both(gateway, content, stop=stop) == (text, "stop")


def test_17_what_may_begin_a_stop_sequence_is_all_that_is_held_back(
    gateway: GatewayProcess,
) -> None:
    content = steer("some words and then ST" + "ep by step " * 20, chunks=40, interval=0.02)
    stream = read_stream(gateway.chat(content, stream=True, stop="STOP"))
    assert len(stream.chunks) > 20


def test_a_stop_sequence_ends_the_run_and_frees_its_place(gateway: GatewayProcess) -> None:
    content = steer("a b c STOP" + " word" * 400, chunks=400, interval=0.05)
    began = time.monotonic()
    assert both(gateway, content, stop="STOP") == ("a b c ", "stop")
    assert time.monotonic() - began < 10, "the rest was not waited for: it takes 20 s"
    wait_for(lambda: gateway.metrics()["langfast_leases"] == 0, "the lease to be given back", 3)
    assert gateway.metrics()["langfast_runs_in_flight"] == 0


def test_18_a_limit_that_the_upstream_overruns_is_enforced_here(gateway: GatewayProcess) -> None:
    content = steer("one two three four five six seven", chunks=9)
    for field in ("max_tokens", "max_completion_tokens"):
        assert both(gateway, content, **{field: 3}) == ("one two three", "length")
    body = gateway.chat(content, max_tokens=3).json()
    assert body["usage"]["completion_tokens"] == 3


def test_18_a_limit_that_is_not_reached_changes_nothing(gateway: GatewayProcess) -> None:
    text = "one two three four five six seven"
    assert both(gateway, steer(text, chunks=9), max_completion_tokens=7) == (text, "stop")


def test_a_limit_ends_the_run_and_frees_its_place(gateway: GatewayProcess) -> None:
    content = steer("word " * 400, chunks=400, interval=0.05)
    began = time.monotonic()
    assert both(gateway, content, max_tokens=5) == ("word word word word word", "length")
    assert time.monotonic() - began < 10, "the rest was not waited for: it takes 20 s"
    wait_for(lambda: gateway.metrics()["langfast_leases"] == 0, "the lease to be given back", 3)


def test_a_stop_sequence_and_a_limit_hold_together(gateway: GatewayProcess) -> None:
    content = steer("one two three four", chunks=9)
    assert both(gateway, content, max_tokens=3, stop="four") == ("one two three", "length")
    assert both(gateway, content, max_tokens=3, stop="two") == ("one ", "stop")


def test_the_sdk_takes_an_answer_that_a_limit_has_cut(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": TEXT}]
    choice = client.chat.completions.create(
        model="gpt-4o", messages=messages, max_completion_tokens=2, stop=["never"]
    ).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("One,", "length")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "mp3"}}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": "s" * 1001}, "stop"),
    ],
)
def test_what_cannot_be_done_is_a_400_that_names_it(
    gateway: GatewayProcess, fields: dict[str, Any], param: str
) -> None:
    response = gateway.chat("hi", **fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_63_64_what_has_no_effect_is_named_in_a_header(gateway: GatewayProcess) -> None:
    response = gateway.chat("hi", store=True, seed=1, stop="x", tools=[], n=1, top_k=3)
    assert response.headers["x-langfast-ignored-params"] == "seed, store, top_k"


def test_unsupported_parameters_are_refused_where_the_operator_wants_that(
    emulator: EmulatorProcess,
) -> None:
    settings = {"MIN_CREDENTIALS": 1, "UNSUPPORTED_PARAMS": "reject", "MEDIA_MODELS": "gpt-4o*"}
    with running_gateway(emulator, **settings) as strict:  # type: ignore[arg-type]
        response = strict.chat("hi", seed=1)
        assert response.status_code == 400
        assert response.json()["error"]["param"] == "seed"
        fields = {"stop": "x", "response_format": {"type": "text"}, "max_tokens": 9}
        assert strict.chat("hi", **fields).status_code == 200
        # The same gateway passes pictures on, to some models alone.
        image = {"type": "image_url", "image_url": {"url": "data:,"}}
        content = [{"type": "text", "text": "Look: "}, image]
        answer = strict.chat(content, model="gpt-4o").json()
        assert answer["choices"][0]["message"]["content"] == "Look: \n[image_url]"
        assert emulator.runs()[-1]["prompt_meta"]["messages"][0]["content"] == content
        assert strict.chat(content, model="gpt-4").status_code == 400
        parts = strict.get("/v1/models/gpt-4o").json()["langfast"]["chat_completions"]
        assert parts["content_parts"] == ["text", "image_url", "input_audio", "file"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
    ],
    ids=lambda part: part["type"],
)
def test_53_a_part_that_the_model_does_not_take_is_named(
    gateway: GatewayProcess, part: dict[str, Any]
) -> None:
    response = gateway.chat([{"type": "text", "text": "Look: "}, part])
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == "messages.[0].content.[1].type"
    assert part["type"] in error["message"]
