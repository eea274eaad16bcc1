"""One JSON document in a model's text, mended as it comes."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.stages.mending import DEEPEST, LONGEST_WORD, Document, State
from tests.unit.stages.streams import cuts, pieces

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=5), values, max_size=4)
shapes = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def read(text: str, places: Any = (), brackets: str = "{") -> tuple[str, State]:
    document = Document(brackets)
    found = "".join(document.feed(piece) for piece in pieces(text, places))
    return found + document.finish(), document.state


@given(value=objects, shape=shapes, places=cuts)
@settings(deadline=None, max_examples=300)
def test_a_valid_document_comes_out_as_it_was(value: Any, shape: Any, places: list[int]) -> None:
    text = json.dumps(value, **shape)
    assert read(text, places) == (text, State.WHOLE)


@given(value=values, shape=shapes, places=cuts, before=st.text("a\n`'{[ ", max_size=6))
@settings(deadline=None)
def test_what_stands_around_a_document_is_dropped(
    value: Any, shape: Any, places: list[int], before: str
) -> None:
    text = json.dumps({"key": value}, **shape)
    document = Document()
    for piece in pieces(f"{before}x {text}\n```\nThat is {{all}}.", places):
        document.feed(piece)
    if "{" not in before:
        assert document.state is State.WHOLE
        assert document.length == len(f"{before}x {text}")


def could_become_valid(text: str) -> bool:
    """The standard's decoder fails only at the end, of the text or of the string it is in."""
    for whole in (text, text + '"'):
        try:
            json.loads(whole)
        except json.JSONDecodeError as error:
            if error.pos < len(whole.rstrip()):
                continue
        return True
    return False


noise = st.lists(
    st.sampled_from(
        [
            *"{}[]:,\"'\\ \n1-.eE",
            *('"a"', "'b'", "true", "True", "None", "null", "key", '{"a":', "\\u00e9", "\\ud83d"),
            *("\\ude00", "\\d", "\\'", "\t", "\x01", "NaN", "12", "é", "//", ",}", ",]"),
        ]
    ),
    max_size=25,
).map("".join)


@given(text=noise, places=cuts)
@example(text="{'a':\"", places=[])
@example(text='{"a":"\\ud83d\\u00e9"}', places=[8])
@example(text='{"a" "b"', places=[5])
@settings(deadline=None, max_examples=1500)
def test_whatever_comes_what_is_written_can_always_become_valid(
    text: str, places: list[int]
) -> None:
    document = Document()
    written = ""
    for piece in pieces(text, places):
        written += document.feed(piece)
        assert could_become_valid(written), written
    written += document.finish()
    assert document.state in (State.WHOLE, State.BROKEN)
    if document.state is State.WHOLE:
        assert isinstance(json.loads(written), dict)
        written.encode()


@given(text=noise, places=cuts)
@settings(deadline=None, max_examples=500)
def test_how_a_text_is_cut_changes_nothing(text: str, places: list[int]) -> None:
    assert read(text, places) == read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('Here is {it}: {"a": 1} or {"b": 2}', '{"a": 1}'),
        ("{'a': 'it\\'s \"x\"'}", '{"a": "it\'s \\"x\\""}'),
        ("{a: 1, $b_c: 2}", '{"a": 1, "$b_c": 2}'),
        ('{"a": [1, 2, ], "b": {"c": 1,},\n}', '{"a": [1, 2 ], "b": {"c": 1}\n}'),
        ('{"a": True, "b": False, "c": None}', '{"a": true, "b": false, "c": null}'),
        ('{"a": "x\ny\tz\x01"}', '{"a": "x\\ny\\tz\\u0001"}'),
        ('{"re": "\\d+\\.\\w"}', '{"re": "\\\\d+\\\\.\\\\w"}'),
        ('{"a": "\\u12"}', '{"a": "\\\\u12"}'),
        ('{"a": "\\ud83d\\ude00"}', '{"a": "\\ud83d\\ude00"}'),
        ('{"a": "\\ud83d!"}', '{"a": "\\ufffd!"}'),
        ('{"a": "\\ude00"}', '{"a": "\\ufffd"}'),
        ('{"a": {"b": [1', '{"a": {"b": [1]}}'),
        ('{"a": 1,', '{"a": 1}'),
        ('{"a": 1e5, "b": -0.5E+3}', '{"a": 1e5, "b": -0.5E+3}'),
        ("{}", "{}"),
    ],
    ids=repr,
)
def test_what_can_only_mean_one_thing_is_mended(text: str, expected: str) -> None:
    assert read(text) == (expected, State.WHOLE)
    json.loads(expected)


@pytest.mark.parametrize(
    "text",
    [
        *("", "words", "{", "{x}", '{"a"', '{"a":', '{"a": "b', '{"a": tru', '{"a": {', '{"a": ['),
        *('{"a": 1 "b": 2}', '{"a" 1}', '{"a": "he said "hi" to me"}', '{"a": NaN}', '{"a": 01}'),
        *('{"a": 1]', '{"a": }', '{, "a": 1}', '{"a": 1,, "b": 2}', '{"a": +1}', "{1: 2}"),
        *('{"a": // no\n1}', '{"a": ' + "[" * DEEPEST + "]" * DEEPEST + "}"),
        '{"a": ' + "1" * (LONGEST_WORD + 1) + "}",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_anything_else_breaks_it(text: str) -> None:
    assert read(text)[1] is State.BROKEN


@pytest.mark.parametrize(
    ("text", "expected"),
    [('Sure: [{"a": 1}]', '[{"a": 1}]'), ("[1, 2,]", "[1, 2]"), ('{"a": [1]}', "[1]")],
)
def test_an_array_is_found_where_one_is_looked_for(text: str, expected: str) -> None:
    assert read(text, brackets="[") == (expected, State.WHOLE)


def test_whichever_bracket_comes_first_opens_it_where_both_may() -> None:
    assert read('see {"a": [1]}', brackets="{[")[0] == '{"a": [1]}'
    assert read('see [{"a": 1}]', brackets="{[")[0] == '[{"a": 1}]'


def test_text_of_a_string_is_written_at_once() -> None:
    document = Document()
    assert [document.feed(piece) for piece in ('{"a": "x', "y", "z\\", 'n"', ",", '"b"')] == [
        '{"a": "x',
        "y",
        "z",
        '\\n"',
        "",
        ',"b"',
    ]
