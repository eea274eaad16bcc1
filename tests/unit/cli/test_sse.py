"""The reader of Server-Sent Events."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langfast_wsgi.cli.sse import ServerSentEvent, SseReader


def read(*pieces: bytes) -> list[ServerSentEvent]:
    reader = SseReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.finish()


def message(data: str) -> ServerSentEvent:
    return ServerSentEvent("message", data)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"data: a\n\n", [message("a")], id="one event"),
        pytest.param(b"data: a\n\ndata: b\n\n", [message("a"), message("b")], id="two"),
        pytest.param(b"data:a\n\n", [message("a")], id="no space"),
        pytest.param(b"data:  a \n\n", [message(" a ")], id="only one space is taken off"),
        pytest.param(b"data: a\ndata: b\n\n", [message("a\nb")], id="two lines of data"),
        pytest.param(b"data\ndata\n\n", [message("\n")], id="a field without a colon is empty"),
        pytest.param(b"data:\n\n", [message("")], id="empty data"),
        pytest.param(b"data: a:b\n\n", [message("a:b")], id="a colon in the data"),
        pytest.param(b": ping\n\ndata: a\n\n", [message("a")], id="a comment between events"),
        pytest.param(b"data: a\n: ping\ndata: b\n\n", [message("a\nb")], id="a comment within"),
        pytest.param(b"event: e\ndata: a\n\n", [ServerSentEvent("e", "a")], id="a named event"),
        pytest.param(
            b"event: e\n\ndata: a\n\n", [message("a")], id="a name without data names nothing"
        ),
        pytest.param(b"id: 7\nretry: 10\nother: x\ndata: a\n\n", [message("a")], id="other fields"),
        pytest.param(b"Data: a\n\n", [], id="names of fields are written small"),
        pytest.param(b"data: a\r\n\r\n", [message("a")], id="CR LF"),
        pytest.param(b"data: a\r\r", [message("a")], id="CR"),
        pytest.param(b"data: a\r\n\rdata: b\n\r\n", [message("a"), message("b")], id="mixed ends"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [message("a")], id="a byte order mark"),
        pytest.param(b"\n\n\ndata: a\n\n\n\n", [message("a")], id="too many empty lines"),
        pytest.param(b"data: a\n\ndata: b\n", [message("a"), message("b")], id="no empty line"),
        pytest.param(b"data: a", [message("a")], id="no end of the line"),
        pytest.param("data: 你好 🦊\n\n".encode(), [message("你好 🦊")], id="other alphabets"),
        pytest.param(b"data: \xff\n\n", [message("\ufffd")], id="bytes that are no text"),
        pytest.param(
            "data: a\u2028b\u0085c\n\n".encode(),
            [message("a\u2028b\u0085c")],
            id="Unicode's line ends end nothing",
        ),
    ],
)
def test_a_stream_means_the_same_whole_and_byte_by_byte(
    stream: bytes, events: list[ServerSentEvent]
) -> None:
    assert read(stream) == events
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == events


def test_an_event_is_handed_over_with_the_cr_that_ends_it() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\r\n\r") == [message("a")]
    assert reader.feed(b"\ndata: b\r\n\r\n") == [message("b")]


def test_an_empty_piece_does_not_part_cr_from_lf() -> None:
    assert read(b"data: a\r", b"", b"\ndata: b\n\n") == [message("a\nb")]


LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=12)
EVENTS = st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=5)
NOISE = st.sampled_from([b"", b": ping", b":", b"id: 1", b"retry: 5"])


@given(st.data(), EVENTS, st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_whatever_was_written_is_read_however_the_network_cuts_it(
    data: st.DataObject, events: list[list[str]], end: bytes
) -> None:
    stream = b""
    for lines in events:
        noise = data.draw(NOISE)
        stream += noise + end if noise else b""
        stream += b"".join(b"data: " + line.encode() + end for line in lines) + end
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert read(*pieces) == [message("\n".join(lines)) for lines in events]


@given(st.lists(st.text(), max_size=8), st.integers(1, 9))
def test_json_in_events_survives_any_size_of_piece(texts: list[str], size: int) -> None:
    stream = b"".join(f"data: {json.dumps(text)}\n\n".encode() for text in texts)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [json.loads(event.data) for event in read(*pieces)] == texts


@given(st.binary(), st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_mean_the_same_in_any_pieces(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(edges))) == read(stream)
