"""What is read as a JSON object, and what is a 400."""

import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfast_wsgi.dialects._json import MAX_DEPTH, read_object
from langfast_wsgi.errors import BadRequest


def nested(
    depth: int, opening: bytes = b'{"a":', closing: bytes = b"}", core: bytes = b"1"
) -> bytes:
    return opening * depth + core + closing * depth


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' \r\n\t{"a": [1, 2.5, null, true, "x"]} ', {"a": [1, 2.5, None, True, "x"]}),
        (b'{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
        ('{"a": "\u00e9 \U0001f600"}'.encode(), {"a": "\u00e9 \U0001f600"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "\\u0000"}', {"a": "\x00"}),
        (b'{"a": 18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a": 18446744073709551616}', {"a": float(2**64)}),
        (b'{"a": 1e-999}', {"a": 0.0}),
        (orjson.dumps({"a": "{[" * 1000}), {"a": "{[" * 1000}),
        (orjson.dumps({"a": [[] for _ in range(1000)]}), {"a": [[] for _ in range(1000)]}),
    ],
    ids=[
        "an empty object",
        "any whitespace around it",
        "of duplicate keys the last wins",
        "UTF-8",
        "a surrogate pair",
        "an escaped NUL",
        "the largest integer",
        "a larger integer becomes a float",
        "a number too small becomes zero",
        "braces within a text are not nesting",
        "many arrays side by side are not nesting",
    ],
)
def test_a_json_object_is_read(body: bytes, value: object) -> None:
    assert read_object(body) == value


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="an empty body"),
        pytest.param(b"  \n", id="whitespace"),
        pytest.param(b'{"a":', id="a cut body"),
        pytest.param(b'{"a": 1,}', id="a trailing comma"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b"{} {}", id="two documents"),
        pytest.param(b"{}\x00", id="a NUL behind"),
        pytest.param(b"a=1&b=2", id="a form"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'"text"', id="a string"),
        pytest.param(b"null", id="null"),
        pytest.param(b"1", id="a number"),
        pytest.param(b"true", id="a boolean"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": Infinity}', id="Infinity"),
        pytest.param(b'{"a": -Infinity}', id="minus Infinity"),
        pytest.param(b'{"a": 1e999}', id="a number too large"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="an integer of 5,000 digits"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param('{"a": 1}'.encode("utf-32"), id="UTF-32"),
        pytest.param(b'{"a": "\xff"}', id="a byte that is no UTF-8"),
        pytest.param(b'{"a": "\xed\xa0\xbd"}', id="a surrogate's bytes"),
        pytest.param(b'{"a": "\\ud83d"}', id="a lone high surrogate"),
        pytest.param(b'{"a": "\\ude00"}', id="a lone low surrogate"),
        pytest.param(b'{"\\ud83d": 1}', id="a lone surrogate in a key"),
        pytest.param(b'{"a": "\n"}', id="a raw control character"),
    ],
)
def test_anything_else_is_a_400(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read_object(body)
    assert caught.value.status == 400
    assert (caught.value.code, caught.value.param) == (None, None)
    assert caught.value.message.startswith(
        "We could not parse the JSON body of your request. (HINT: "
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested(MAX_DEPTH), id="objects"),
        pytest.param(
            b'{"a":' + nested(MAX_DEPTH - 1, b"[", b"]", b"") + b"}",
            id="arrays",
        ),
    ],
)
def test_nesting_up_to_the_limit_is_read(body: bytes) -> None:
    assert "a" in read_object(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested(MAX_DEPTH + 1), id="one level more"),
        pytest.param(b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", id="arrays"),
        pytest.param(b'{"b": [], "a": [1, ' + nested(MAX_DEPTH) + b"]}", id="somewhere inside"),
        pytest.param(nested(500), id="what orjson reads but would not write"),
        pytest.param(nested(100_000), id="100,000 objects"),
        pytest.param(b'{"a":' + nested(100_000, b"[", b"]") + b"}", id="100,000 arrays"),
        pytest.param(b'{"a":' * 100_000, id="100,000 objects, never closed"),
    ],
)
def test_deeper_nesting_is_a_400_that_says_so(body: bytes) -> None:
    with pytest.raises(BadRequest, match="nested 64 levels deep at the most"):
        read_object(body)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.text(), json_values))
def test_every_object_comes_back_as_it_was_written(value: dict[str, object]) -> None:
    assert read_object(orjson.dumps(value)) == value


@settings(max_examples=500, deadline=None)
@given(st.binary() | st.text(alphabet='{}[]",:0123456789.eE+-\\unulltrefas ').map(str.encode))
def test_any_bytes_give_an_object_or_a_400(body: bytes) -> None:
    try:
        value = read_object(body)
    except BadRequest:
        return
    assert isinstance(value, dict)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":[' + b",".join([b"1"] * 300_000) + b"]}", id="numbers"),
        pytest.param(b'{"a":[' + b",".join([b'"b"'] * 2_000_000) + b"]}", id="texts"),
        pytest.param(
            b"{" + b",".join(b'"%d":1' % number for number in range(300_000)) + b"}", id="fields"
        ),
    ],
)
def test_more_values_than_anybody_needs_are_a_400_that_says_so(body: bytes) -> None:
    with pytest.raises(BadRequest, match="hold 250000 values"):
        read_object(body)


@pytest.mark.parametrize("text", ["a, b", '{"a": [1, 2]}, ', "\\", '\\"', '\\\\",{[', "\n\t,{"])
def test_what_is_spelled_in_a_text_is_not_counted(text: str) -> None:
    value = {"a": text * 300_000, "b": [{"c": text}]}
    assert read_object(orjson.dumps(value)) == value


@pytest.mark.parametrize(
    "unit", [b'\\"', b"\\", b'"', b'\\\\"', b'"\\', b"[", b"{", b",", b'",'], ids=repr
)
@pytest.mark.parametrize("before", [b'{"a":"', b"[" * 60_000 + b'"', b"," * 300_000 + b'"'])
def test_no_bytes_are_looked_at_again_and_again(before: bytes, unit: bytes) -> None:
    """Four mebibytes of what might end a text and does not: days, if it took quadratic time."""
    body = before + unit * (4 * 1024 * 1024 // len(unit))
    began = time.process_time()
    with pytest.raises(BadRequest):
        read_object(body)
    assert time.process_time() - began < 2
