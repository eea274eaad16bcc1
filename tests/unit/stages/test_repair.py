"""JSON from what a model wrote."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfast_wsgi.stages.repair import LONGEST_GUESS, dumps, guessed, mended


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('so: {"a": 1} and more', ('{"a": 1}', 12)),
        ('{"a": [1', ('{"a": [1]}', 8)),
        ('{"a": "x', None),
        ('{"a": 1 "b": 2}', None),
        ("words", None),
    ],
)
def test_a_document_is_mended_where_that_is_sure(
    text: str, expected: tuple[str, int] | None
) -> None:
    assert mended(text) == expected


def test_a_text_that_was_cut_gets_no_closing_brackets() -> None:
    assert mended('{"a": 12', cut=True) is None
    assert mended('{"a": 12}', cut=True) == ('{"a": 12}', 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
        ('{"a": "he said "hi" to me"} so', {"a": 'he said "hi" to me'}),
        ('{"a": 1, // one\n "b": 2}', {"a": 1, "b": 2}),
        ("{“a”: 1}", None),
        ('{"a": 1 "b": "\\ud83d"}', {"a": 1, "b": "�"}),
    ],
)
def test_a_broken_document_is_guessed_at(text: str, expected: object) -> None:
    found = guessed(text)
    assert (None if found is None else json.loads(found[0])) == expected


@pytest.mark.parametrize("text", ['{"a": 1}', '{"a": "x', "words", '{"a" x', "{" * 2000 + "x}"])
def test_there_is_no_guess_at_what_is_whole_or_cut_or_no_document(text: str) -> None:
    assert guessed(text) is None


def test_what_is_too_long_is_not_guessed_at() -> None:
    assert guessed('{"a" "' + "x" * LONGEST_GUESS + '"}') is None


@given(text=st.text("{}[]\"':, a1\n\\", max_size=60))
@settings(deadline=None, max_examples=500)
def test_what_comes_out_is_valid_json(text: str) -> None:
    for brackets in ("{", "[", "{["):
        for found in (mended(text, brackets), guessed(text, brackets)):
            if found is not None:
                assert isinstance(json.loads(found[0]), dict | list)
                assert 0 < found[1] <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        *('{"a" ' * 10_000 + "}", "{a b c " * 8_000 + "}", '{"a": "' + 'x" y "' * 8_000 + '"}'),
        *('{"a": [' + '."a"' * 740 + "]}", '{"a": [' + "1 {" * 990 + "}", "{'a' " * 590 + "}"),
    ],
    ids=lambda text: text[:8],
)
def test_the_worst_text_takes_a_second_at_the_most(text: str) -> None:
    begun = time.process_time()
    mended(text)
    guessed(text)
    assert time.process_time() - begun < 2


def test_json_is_written_compactly_and_never_with_what_is_no_json() -> None:
    assert dumps({"ä": [1, 2.5]}) == '{"ä":[1,2.5]}'
    with pytest.raises(ValueError):
        dumps(float("inf"))
