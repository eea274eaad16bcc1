"""Counting tokens offline, with o200k_base."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfast_wsgi.stages import tokenizer

# One or two of each kind that the table's rules tell apart.
SIGNS = [
    *("a", "B", "z", "é", "ǅ", "ʰ", "日", "ー", "क", "ि", "\u0301"),
    *("1", "0", "²", "Ⅷ", "٣"),
    *(
        "'s",
        "'RE",
        "'",
        "’",
        "_",
        "-",
        ".",
        "/",
        "//",
        "{",
        '"',
        "~",
        "`",
        "。",
        "！",
        "😀",
        "\u200d",
    ),
    *(" ", "  ", "\n", "\r", "\t", "\u00a0", "\u2028", "\u3000", "\x1c", "\ufeff"),
]


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


@given(st.lists(st.sampled_from(SIGNS), min_size=2, max_size=30).map("".join))
@settings(max_examples=500)
def test_a_text_has_as_many_tokens_as_its_slices_wherever_it_may_be_cut(text: str) -> None:
    counter = tokenizer.load()
    for place in tokenizer._BORDER.finditer(text):
        begin, end = text[: place.start()], text[place.start() :]
        assert counter(begin) + counter(end) == counter(text), (begin, end)


@pytest.mark.parametrize(
    "text",
    ["word " * 100_000, '{"key":12,"other":"x"},' * 20_000, "日本語、" * 100_000, "0af3" * 100_000],
)
def test_a_long_text_is_counted_in_slices_and_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    turns: list[int] = []
    monkeypatch.setattr(tokenizer, "let_others", lambda: turns.append(1))
    assert tokenizer.count(text) == tokenizer.load()(text)
    pieces = list(tokenizer.slices(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) < 1.1 * tokenizer.SLICE
    assert len(turns) >= len(text) // tokenizer.SLICE - 1


def test_a_word_without_end_is_cut_anywhere_and_about_right() -> None:
    text = "x" * 200_000
    exact = tokenizer.load()(text)
    assert abs(tokenizer.count(text) - exact) <= len(text) // tokenizer.SLICE


def test_many_short_texts_let_others_have_their_turn_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns: list[int] = []
    monkeypatch.setattr(tokenizer, "let_others", lambda: turns.append(1))
    for _ in range(100):
        tokenizer.count("word " * 1000)
    assert 10 <= len(turns) <= 16


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
