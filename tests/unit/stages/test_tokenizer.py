"""Counting tokens offline, with o200k_base."""

import sys

import pytest

from langfast_wsgi.stages import tokenizer


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("Hello", 1),
        ("hello world", 2),
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("😀", 1),
        # these four stand in OpenAI's cookbook
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("2 + 2 = 4", 7),
        ("お誕生日おめでとう", 8),
    ],
)
def test_known_texts_have_the_tokens_of_o200k_base(text: str, tokens: int) -> None:
    assert tokenizer.count(text) == tokens


def test_the_table_is_loaded_once() -> None:
    assert tokenizer.load() is tokenizer.load()


def test_where_there_is_no_tokenizer_four_bytes_are_a_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "rs_bpe", None)
    tokenizer.load.cache_clear()
    try:
        assert [tokenizer.count(text) for text in ("", "a", "abcd", "abcde", "éé😀")] == [
            0,
            1,
            1,
            2,
            2,
        ]
    finally:
        tokenizer.load.cache_clear()
    assert caplog.messages == [
        "no tokenizer for this Python: usage is estimated, four bytes to a token"
    ]
