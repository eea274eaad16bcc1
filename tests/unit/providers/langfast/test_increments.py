"""What is not decoded again, against decoding all of it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.providers.langfast.increments import Told, told
from langfast_wsgi.providers.langfast.translate import loads


def event(text: str, *, ascii_only: bool = False, **others: object) -> bytes:
    """The JSON of a run's event, as upstreams write it: their last field may well be another."""
    said = {"executionId": "j", "status": "in_progress", "finish_reason": None, "content": text}
    return json.dumps(
        ["execution:chunk", {**said, **others}],
        ensure_ascii=ascii_only,
        separators=(",", ":"),
    ).encode(errors="surrogatepass")


def begun(first: bytes) -> Told | None:
    content = loads(first)[1].get("content")
    return told(first, content) if isinstance(content, str) else None


def more(last: Told, following: bytes) -> str | None:
    """What it makes of an event that lies somewhere in a buffer."""
    buffer = bytearray(b"before" + following + b"behind")
    return last.more(buffer, 6, 6 + len(following))


def test_an_event_that_goes_on_is_known_without_its_beginning() -> None:
    last = begun(event("Hel"))
    assert last is not None
    assert more(last, event("Hello")) == "Hello"
    assert more(last, event("Hello")) == "Hello", "nothing new"
    assert more(last, event('Hello,\n"you" \u00e9 \U0001f600')) == 'Hello,\n"you" \u00e9 \U0001f600'


@pytest.mark.parametrize(
    "following",
    [
        event("Hel"),
        event("Help"),
        event("Jello, you"),
        event("Hello, you", status="completed"),
        event("Hello, you", finish_reason="stop"),
        event("Hello, you", executionId="k"),
        event("Hello, you", more=1),
        event("Hello, you", content=None),
        event("Hello")[:-1] + b"!",
        event("Hello")[:-4] + b'","content":"another"}]',
        event("Hello")[:-4] + b'","status":"completed"}]',
        event("Hello")[:-4] + b'\\"}]',
        event("Hello")[:-4] + b'\\u12"}]',
        event("Hello")[:-4] + b'\n"}]',
        event("Hello")[:-4] + b'\xff"}]',
    ],
)
def test_whatever_else_has_changed_is_to_be_decoded_as_a_whole(following: bytes) -> None:
    last = begun(event("Hello"))
    assert last is not None
    assert more(last, following) is None
    assert more(last, event("Hello, you")) == "Hello, you", "it was looked at, and nothing else"


TWO = b'["execution:chunk",{"content":"a","content":"b"}]'
NESTED = b'["execution:chunk",{"usage":{"content":"a"},"content":"a"}]'
HIDDEN = b'["execution:chunk",{"content":"a","\\u0063ontent":"a"}]'
IN_A_KEY = b'["execution:chunk",{"x\\"content":"a","\\u0063ontent":"a"}]'
BEHIND = b'["execution:chunk",{"\\u0063ontent":"a"},{"content":"a"}]'
NONE = b'["execution:chunk",{"content":null}]'
ESCAPED = b'["execution:chunk",{"c\\u006fntent":"a"}]'


@pytest.mark.parametrize(
    "first",
    [TWO, NESTED, HIDDEN, IN_A_KEY, BEHIND, NONE, ESCAPED, b'["execution:chunk",{}]'],
)
def test_where_the_text_has_no_place_of_its_own_nothing_is_gone_on_from(first: bytes) -> None:
    assert begun(first) is None


def test_an_event_that_is_cut_off_is_none_though_it_ends_alike() -> None:
    last = begun(event('a"}]'))
    assert last is not None
    assert more(last, event('a"}]')[:-3]) is None


def test_a_text_may_look_like_json() -> None:
    text = '{"content": "x", "content":"y"} \\"content":"'
    last = begun(event(text))
    assert last is not None
    assert more(last, event(text + text)) == text + text


def test_spaces_and_other_fields_behind_the_text_are_no_matter() -> None:
    first = b'["execution:chunk", {"executionId": "j", "content" : "a", "status": "in_progress"}]'
    last = begun(first)
    assert last is not None
    assert more(last, first.replace(b'"a"', b'"ab"')) == "ab"


CHARACTERS = st.sampled_from(
    [*'ab"\\/{}[],: \n\u00e9\u2028\U0001f600\ud83d\ude00', '"content":"', '"}]', "\\u0041", "\\"]
)
TEXTS = st.lists(CHARACTERS, max_size=8).map("".join)
OTHERS: st.SearchStrategy[Mapping[str, Any]] = st.sampled_from(
    [{}, {}, {}, {"status": "completed"}, {"z": "behind"}, {"executionId": "k"}, {"z": [1]}]
)


@given(
    st.lists(st.tuples(TEXTS, st.booleans(), OTHERS), min_size=1, max_size=8),
    st.booleans(),
)
@settings(max_examples=500, deadline=None)
@example([("\ud83d", True, {}), ("\ude00", True, {}), ("x", True, {})], True)
@example([("a\\", True, {}), ('"', True, {}), ("b", True, {})], True)
def test_what_is_known_is_what_decoding_would_have_found(
    steps: list[tuple[str, bool, Mapping[str, Any]]], ascii_only: bool
) -> None:
    """Texts that go on, or begin anew, in any words; other fields change in between."""
    last, text, known = None, "", None
    for piece, goes_on, others in steps:
        text = text + piece if goes_on else piece
        following = event(text, ascii_only=ascii_only, **others)
        said = loads(following)[1]
        found = more(last, following) if last is not None else None
        if found is None:
            last, known = told(following, said["content"]), said
            continue
        assert found == said["content"]
        assert known is not None
        assert {**said, "content": ""} == {**known, "content": ""}, "all else was the same"


def test_it_costs_what_is_new_and_not_what_was_said() -> None:
    """The texts of an answer of 2,000 chunks have 60 MB; decoding would be seen here."""
    import orjson

    from langfast_wsgi.providers.langfast import increments

    decoded = 0

    class Counting:
        @staticmethod
        def loads(data: bytes) -> Any:
            nonlocal decoded
            decoded += len(data)
            return orjson.loads(data)

    text = "0123456789" * 3
    last = begun(event(text))
    assert last is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(increments, "orjson", Counting)
        for _ in range(2_000):
            text += "0123456789" * 3
            assert more(last, event(text)) == text
    assert decoded == 2_000 * 32
