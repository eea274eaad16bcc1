"""Who decides what is replied: conversation, models, steering, script."""

import json
from pathlib import Path
from typing import Any

import pytest

from langfast_wsgi.emulator.replies.choose import choose
from langfast_wsgi.emulator.replies.conversation import echo, text_of
from langfast_wsgi.emulator.replies.models import MODELS, model_list, reply_of
from langfast_wsgi.emulator.replies.reply import SAMPLE, Reply
from langfast_wsgi.emulator.replies.script import Script, read, rules_of
from langfast_wsgi.emulator.replies.steering import steered
from langfast_wsgi.emulator.shapes import BadShape

_NONE = Script([])


def _user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _steer(**given: object) -> Reply:
    return choose(_NONE, "echo", [_user(json.dumps(given))])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "one\ntwo"),
        (
            [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {}}],
            "see\n[image_url]",
        ),
        (["bare", 7], "bare\n"),
        (None, ""),
    ],
)
def test_the_text_of_a_message_joins_its_parts(content: object, text: str) -> None:
    assert text_of(_user(content)) == text


@pytest.mark.parametrize(
    ("messages", "word"),
    [
        ([], ""),
        ([_user("a"), {"role": "assistant", "content": "b"}], "a"),
        ([_user("a"), _user("b"), {"role": "system", "content": "c"}], "b"),
        ([_user("a"), {"role": "tool", "tool_call_id": "1", "content": "42 C"}], "42 C"),
    ],
)
def test_echo_is_the_users_last_word_or_the_tools(messages: list[Any], word: str) -> None:
    assert echo(messages) == word


def test_an_ordinary_model_name_behaves_like_echo() -> None:
    assert reply_of("gpt-4o-mini", [_user("Ä\n🦊 ")]).text == "Ä\n🦊 "


def test_every_listed_model_has_a_description() -> None:
    assert [model["id"] for model in model_list()] == list(MODELS)
    assert all(model["description"] for model in model_list())


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("error-400", "start-400"),
        ("error-429", "start-429"),
        ("error-500", "start-500"),
        ("flaky-429", "start-429"),
        ("error-midstream", "drop-for-good"),
    ],
)
def test_a_model_with_a_fault_in_its_name_has_that_fault(model: str, fault: str) -> None:
    assert reply_of(model, [_user("hi")]).faults == {fault}


def test_auto_leaves_the_answer_to_obedient(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def answer(messages: list[dict[str, Any]]) -> str:
        seen.extend(messages)
        return "as you wish"

    monkeypatch.setattr("langfast_wsgi.emulator.obedient.answer", answer)
    assert reply_of("auto", [_user("do it")]).text == "as you wish"
    assert seen == [_user("do it")]


def test_slow_is_silent_for_three_seconds_and_then_says_300_chunks() -> None:
    reply = reply_of("slow", [_user("hi")])
    assert (reply.delay, reply.interval, reply.chunks) == (3.0, 0.1, 300)
    assert len(reply.text) >= 300


def test_steering_names_text_pace_and_end() -> None:
    reply = _steer(text="said", chunks=2, interval=0, delay=0.5, finish_reason="length")
    assert reply == Reply("said", 2, 0, 0.5, "length")


def test_steering_names_one_fault_or_several_with_their_parameters() -> None:
    assert _steer(fault="drop", at=3).faults == {"drop"}
    both = _steer(fault=["start-429", "duplicate"], retry_after=2, times=1)
    assert both.faults == {"start-429", "duplicate"}
    assert (both.details.retry_after, both.details.times) == (2, 1)


def test_steering_without_a_text_gets_a_sample_with_an_emoji() -> None:
    assert _steer(chunks=4).text == SAMPLE
    assert any(ord(character) > 0xFFFF for character in SAMPLE)


def test_steering_leaves_a_model_its_own_words_and_faults() -> None:
    reply = choose(_NONE, "error-midstream", [_user('{"interval": 0}')])
    assert reply.faults == {"drop-for-good"}
    assert reply.text.startswith("One, two")


@pytest.mark.parametrize("said", ['{"a": 1}', "[1]", '"text"', "{not json", "text", '{"at": 1}'])
def test_what_does_not_steer_is_echoed(said: str) -> None:
    assert choose(_NONE, "echo", [_user(said)]).text == said


def test_the_turn_after_a_tool_call_is_not_steered_by_the_turn_before_it() -> None:
    messages = [_user('{"text": "steered"}'), {"role": "tool", "content": "result"}]
    assert choose(_NONE, "echo", messages).text == "result"


_SAID = {"role": "assistant", "content": "what was said"}
_TOOL = {"role": "tool", "tool_call_id": "c", "content": "17 C"}


@pytest.mark.parametrize(
    ("behind", "text"),
    [
        ([], "first"),
        ([_SAID], "first"),
        ([_SAID, _user("no, again")], "second"),
        ([_user("no, again")], "second"),
        ([_SAID, _TOOL], "second"),
        ([_SAID, _TOOL, _TOOL], "second"),
        ([_SAID, _user("more"), _SAID, _user("more")], "third"),
        ([_SAID, _TOOL, _SAID, _user("more"), _SAID, _user("more")], "third"),
        ([_SAID, _user('{"text": "anew"}')], "anew"),
        ([_SAID, _user('{"text": "anew"}'), _user("more")], "more"),
        ([_SAID, _user('{"a": 1}')], "second"),
    ],
    ids=str,
)
def test_a_list_of_texts_is_said_turn_by_turn(behind: list[Any], text: str) -> None:
    steering = _user(json.dumps({"text": ["first", "second", "third"]}))
    assert choose(_NONE, "echo", [steering, *behind]).text == text


@pytest.mark.parametrize(
    ("behind", "text"),
    [
        ([_SAID, _TOOL], "It is 17 C."),
        ([_SAID, _TOOL, {**_TOOL, "content": "Rain"}], "It is 17 C\nRain."),
        ([_SAID, _user("<tool_response>\n17 C\n</tool_response>")], "It is 17 C."),
        (
            [
                _user(
                    '<tool_response name="a">\n1\n</tool_response> <tool_response>2</tool_response>'
                )
            ],
            "It is 1\n2.",
        ),
        ([_SAID, _user("no tool")], "It is {result}."),
    ],
    ids=str,
)
def test_a_scripted_text_may_hold_the_result_of_the_last_tool(behind: list[Any], text: str) -> None:
    steering = _user(json.dumps({"text": ["call it", "It is {result}."]}))
    assert choose(_NONE, "echo", [steering, *behind]).text == text
    rules = rules_of([{"reply": "It is {result}."}])
    assert choose(rules, "echo", [_user("hi"), *behind]).text == text


def test_what_nobody_scripted_is_not_filled() -> None:
    assert choose(_NONE, "echo", [_user("{result}"), _TOOL]).text == "17 C"
    assert choose(_NONE, "echo", [_user("{result}")]).text == "{result}"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"chunks": 0}, "steering: 'chunks' must be a whole number from 1"),
        ({"text": 5}, "steering: 'text' must be a text or a list of texts"),
        ({"text": []}, "steering: 'text' must be a text or a list of texts"),
        ({"delay": -1}, "steering: 'delay' must be a number of seconds"),
        ({"fault": "explode"}, "steering: 'fault' must be one or more of start-400"),
        ({"text": "a", "speed": 1}, "steering: 'speed' is not known"),
    ],
)
def test_steering_of_no_use_is_named(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadShape) as caught:
        steered(Reply(""), [_user(json.dumps(given))])
    assert str(caught.value).startswith(sentence)


def test_big_makes_a_text_of_just_so_many_bytes_in_few_chunks() -> None:
    reply = _steer(fault="big", size=12_345)
    assert (len(reply.text.encode()), reply.chunks) == (12_345, 4)
    assert len(_steer(fault="big").text) == 1_000_000


def test_the_first_rule_that_fits_wins() -> None:
    script = rules_of(
        [
            {"model": "gpt-*", "match": "weather", "reply": "sunny"},
            {"match": "(?i)weather", "reply": "rainy"},
        ]
    )
    replies = [
        choose(script, model, [_user(said)]).text
        for model, said in [
            ("gpt-4o", "the weather?"),
            ("gpt-4o", "WEATHER?"),
            ("echo", "the weather?"),
            ("echo", "the time?"),
        ]
    ]
    assert replies == ["sunny", "rainy", "rainy", "the time?"]


def test_a_list_of_replies_is_said_in_turn() -> None:
    script = rules_of([{"reply": ["one", "two"]}])
    assert [choose(script, "m", [_user("?")]).text for _ in range(3)] == ["one", "two", "one"]


def test_a_rule_has_pace_and_faults_like_steering() -> None:
    script = rules_of([{"reply": "a", "chunks": 1, "delay": 2, "fault": "fail", "at": 0}])
    reply = choose(script, "m", [_user("?")])
    assert (reply.chunks, reply.delay, reply.details.at) == (1, 2.0, 0)
    assert reply.faults == {"fail"}


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({}, "the file must hold a list of rules"),
        ([1], "rule 0 must be an object"),
        ([{"reply": "a"}, {"reply": 5}], "rule 1: 'reply' must be a text or a list of texts"),
        ([{"reply": []}], "rule 0: 'reply' must be"),
        ([{"reply": "a", "match": "("}], "rule 0: 'match' must be a regular expression"),
        ([{"reply": "a", "modell": "x"}], "rule 0: 'modell' is not known"),
        ([{"model": "x"}], "rule 0: needs a 'reply' or a 'fault'"),
    ],
)
def test_a_bad_rule_is_named_by_index_and_key(rules: object, sentence: str) -> None:
    with pytest.raises(BadShape) as caught:
        rules_of(rules)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.json", '[{"reply": "hi"}]'),
        ("named.json", '{"replies": [{"reply": "hi"}]}'),
        ("rules.toml", '[[replies]]\nreply = "hi"\n'),
    ],
)
def test_a_script_is_read_from_json_or_toml(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    reply = read(str(path)).reply("m", "?")
    assert reply is not None
    assert reply.text == "hi"


@pytest.mark.parametrize(("name", "text"), [("a.json", "{"), ("a.toml", "= 1"), ("b.json", None)])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str | None) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadShape, match=name):
        read(str(path))
