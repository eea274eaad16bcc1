"""The fast path for text, against the unmodified library: nothing may get lost or out of order."""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import pytest
import websocket
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langfast_wsgi.providers.base import Look
from langfast_wsgi.providers.langfast.frames import CHUNK, FRAME_BYTES, ChunkTap
from langfast_wsgi.runtime import PIECE, Receiver

TEXT, BINARY, CLOSE, PING, CONTINUATION = 1, 2, 8, 9, 0


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """A frame as a server sends it: unmasked."""
    head = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65536:
        return head + bytes([126]) + size.to_bytes(2, "big") + payload
    return head + bytes([127]) + size.to_bytes(8, "big") + payload


def chunk(length: int, word: bytes = b"a") -> bytes:
    return CHUNK + b'"' + word * length + b'"]'


class Wire:
    """A socket from which bytes come in the pieces that the test wants."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self._data = data
        self._sizes = list(sizes)
        self.sent = b""

    def recv(self, most: int) -> bytes:
        size = min(most, self._sizes.pop(0) if self._sizes else most)
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def close(self) -> None:
        pass

    def gettimeout(self) -> float:
        return 1.0


def connected(data: bytes, sizes: Sequence[int] = ()) -> websocket.WebSocket:
    library = websocket.WebSocket(skip_utf8_validation=True)
    library.sock, library.connected = Wire(data, sizes), True
    return library


@dataclass
class Taker:
    """Takes what it likes, where it lies or as JSON."""

    take: Callable[[bytes], bool]
    goes_on: Callable[[bytes], bool] = lambda _: False

    def go_on(self, buffer: bytes | bytearray, begin: int, end: int) -> bool:
        return self.goes_on(bytes(buffer[begin:end]))


def tapped(library: websocket.WebSocket, take: Callable[[bytes], bool]) -> ChunkTap:
    return ChunkTap(library, Receiver(library.sock), Taker(take))


class Pieces:
    """A receiver from which these come, one after the other, and shown first where that is done."""

    def __init__(self, *pieces: Iterable[bytes], shows: bool = False) -> None:
        self._pieces = chain(*pieces)
        self._shows = shows
        self.read = 0

    def __call__(self, look: Look | None = None, /) -> bytes:
        for piece in self._pieces:
            self.read += len(piece)
            used = 0
            if self._shows and look is not None:
                used = look(bytearray(piece + b"what was here before"), len(piece))
            if used < len(piece):
                return piece[used:]
        return b""

    def close(self) -> None:
        pass


def cut(data: bytes, sizes: Sequence[int] = ()) -> Iterator[bytes]:
    """The data in pieces of these sizes, the rest as it would be read."""
    at = 0
    for size in chain(sizes, repeat(PIECE)):
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size


Message = str | bytes


def by_the_library(data: bytes) -> list[Message]:
    library, found = connected(data), list[Message]()
    while True:
        try:
            message = library.recv()
        except websocket.WebSocketException:
            return found
        found.append(message)


def by_the_tap(
    data: bytes,
    sizes: Sequence[int] = (),
    refuse: bytes = b"never",
    shown: Callable[[bytes], bool] | None = None,
) -> tuple[list[Message], int]:
    """The same messages, whoever took them; and how many went past the library.

    ``shown``: whatever comes is shown first, and of the chunks those are used that it likes.
    """
    found: list[Message] = []
    taken: list[bytes] = []

    def take(event: bytes) -> bool:
        if refuse in event:
            return False
        taken.append(event)
        found.append(f"42{event.decode()}")
        return True

    def go_on(payload: bytes) -> bool:
        return payload.startswith(CHUNK) and bool(shown and shown(payload)) and take(payload[2:])

    receive = Pieces(cut(data, sizes), shows=shown is not None)
    tap = ChunkTap(connected(b""), receive, Taker(take, go_on))
    while True:
        try:
            message = tap.recv()
        except websocket.WebSocketException:
            return found, len(taken)
        found.append(message)


FRAMES = st.one_of(
    st.sampled_from([0, 1, 50, 101, 102, 103, 104, 105, 200, 1000, 65_500]).map(
        lambda length: frame(chunk(length))
    ),
    st.sampled_from([b"2", b"3", b'42["other"]', b"", CHUNK[:-1], b"refused " + CHUNK]).map(frame),
    st.sampled_from([b"", b"bytes", CHUNK]).map(lambda payload: frame(payload, BINARY)),
    st.sampled_from([b"", b"beat"]).map(lambda payload: frame(payload, PING)),
    st.tuples(st.integers(1, 30), st.booleans()).map(
        lambda case: (
            frame(chunk(40)[: case[0]], fin=False)
            + (frame(b"between", PING) if case[1] else b"")
            + frame(chunk(40)[case[0] :], CONTINUATION)
        )
    ),
    st.just(frame(chunk(10, b"refused"))),
)


@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(1, 200), max_size=60))
@settings(max_examples=200, deadline=None)
@example([frame(chunk(10)), frame(b"2"), frame(chunk(20))], [1] * 60)
@example([frame(b"x", fin=False), frame(chunk(1), PING), frame(b"y", CONTINUATION)], [])
def test_the_messages_are_those_of_the_unmodified_library_in_its_order(
    frames: list[bytes], sizes: list[int]
) -> None:
    data = b"".join(frames)
    found, _ = by_the_tap(data, sizes, refuse=b"refused")
    assert found == by_the_library(data)
    for shown in (lambda _: True, lambda payload: len(payload) % 2 == 0):
        found, _ = by_the_tap(data, sizes, refuse=b"refused", shown=shown)
        assert found == by_the_library(data)


@pytest.mark.parametrize("length", [1, 90, 101, 102, 103, 200, 65_000, 65_536, 3 * PIECE])
def test_a_chunk_of_any_length_goes_past_the_library(length: int) -> None:
    assert by_the_tap(frame(chunk(length))) == ([chunk(length).decode()], 1)


@pytest.mark.parametrize(
    "data",
    [
        frame(b"2"),
        frame(chunk(5), BINARY),
        frame(chunk(5)[:9], fin=False) + frame(chunk(5)[9:], CONTINUATION),
        frame(CHUNK[:-1]),
    ],
    ids=["another packet", "binary", "in fragments", "another event"],
)
def test_what_is_no_plain_chunk_goes_the_librarys_way(data: bytes) -> None:
    found, taken = by_the_tap(data)
    assert found == by_the_library(data)
    assert taken == 0


def test_a_masked_frame_is_left_to_the_library() -> None:
    """No server may send one; what the library makes of it is the library's."""
    payload = chunk(5)
    data = bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload
    assert by_the_tap(data)[1] == 0


def test_a_chunk_that_is_refused_goes_the_librarys_way() -> None:
    assert by_the_tap(frame(chunk(5)), refuse=b"aaa") == ([chunk(5).decode()], 0)


def test_a_ping_among_chunks_is_answered() -> None:
    library = connected(frame(b"beat", PING) + frame(b"2"))
    assert tapped(library, lambda _: True).recv() == "2"
    assert library.sock.sent[0] == 0x80 | 10, "a pong"


def test_a_chunk_that_is_cut_off_ends_like_any_lost_connection() -> None:
    tap = tapped(connected(frame(chunk(50))[:-1]), lambda _: True)
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        tap.recv()


def test_many_chunks_are_read_in_large_pieces() -> None:
    data = b"".join(frame(chunk(100)) for _ in range(1000))
    library = connected(data)
    reads: list[int] = []
    receive = library.sock.recv

    def counting(most: int) -> bytes:
        reads.append(most)
        return bytes(receive(most))

    library.sock.recv = counting
    taken: list[bytes] = []
    tap = tapped(library, lambda payload: not taken.append(payload))  # type: ignore[func-returns-value]
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        tap.recv()
    assert len(taken) == 1000
    assert len(reads) <= len(data) // PIECE + 2


def test_chunks_that_are_shown_wake_nobody() -> None:
    data = b"".join(frame(chunk(length)) for length in (5, 100, 300, 60_000))
    found, taken = by_the_tap(data, shown=lambda _: True)
    assert (len(found), taken) == (4, 4)
    returned: list[bytes] = []
    receive = Pieces([data, frame(b"2")], shows=True)

    def returning(look: Look | None = None, /) -> bytes:
        returned.append(receive(look))
        return returned[-1]

    receiver: Any = returning
    tap = ChunkTap(
        connected(b""), receiver, Taker(lambda _: False, lambda one: one.startswith(CHUNK))
    )
    assert tap.recv() == "2"
    assert returned == [frame(b"2")]


def test_a_connection_on_which_all_is_used_at_once_is_alive() -> None:
    receive = Pieces([frame(chunk(5))], shows=True)
    tap = ChunkTap(connected(b""), receive, Taker(lambda _: False, lambda _: True))
    tap.heard_at = 0.0
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        tap.recv()
    assert tap.heard_at > 0


@pytest.mark.parametrize("packet", [b"40", b"41", b"43", b"44", b"45"])
def test_only_an_event_is_taken(packet: bytes) -> None:
    """A disconnect or an answer to us may bear the same JSON."""
    data = frame(packet + chunk(5)[2:])
    tap = ChunkTap(
        connected(b""), Pieces([data], shows=True), Taker(lambda _: True, lambda _: True)
    )
    assert tap.recv() == (packet + chunk(5)[2:]).decode()


def test_everything_else_is_asked_of_the_websocket_itself() -> None:
    library = connected(b"")
    tap = tapped(library, lambda _: True)
    assert tap.connected is True
    assert tap.sock is library.sock


def test_c29_a_frame_that_is_too_long_is_not_waited_for() -> None:
    head = bytes([0x81, 127]) + (FRAME_BYTES + 1).to_bytes(8, "big")
    tap = tapped(connected(head + CHUNK), lambda _: True)
    with pytest.raises(websocket.WebSocketPayloadException):
        tap.recv()


@pytest.mark.parametrize(
    "frames",
    [
        [bytes([0x82, 127]) + (FRAME_BYTES + 1).to_bytes(8, "big")],
        [frame(b"x" * PIECE, fin=False), *([frame(b"x" * PIECE, CONTINUATION, fin=False)] * 512)],
    ],
    ids=["binary", "in fragments"],
)
def test_c29_a_message_that_is_too_long_is_not_collected_by_the_library(
    frames: list[bytes],
) -> None:
    pieces = Pieces(cut(b"".join(frames)), repeat(b"x" * PIECE))
    tap = ChunkTap(connected(b""), pieces, Taker(lambda _: True))
    with pytest.raises(websocket.WebSocketPayloadException):
        tap.recv()
    assert pieces.read < FRAME_BYTES + 4 * PIECE


def test_c29_the_length_of_a_message_counts_from_its_own_beginning() -> None:
    count = FRAME_BYTES // PIECE + 8
    pieces = Pieces([frame(b"x" * PIECE, BINARY)] * count + [frame(b"2")])
    tap = ChunkTap(connected(b""), pieces, Taker(lambda _: True))
    for _ in range(count):
        assert len(tap.recv()) == PIECE
    assert tap.recv() == "2"


def test_c8_a_farewell_cuts_and_says_nothing() -> None:
    """The library's own waits for the other side's, which here would be without a timeout."""
    library = connected(b"")
    cuts: list[int] = []
    library.sock.shutdown = cuts.append
    tapped(library, lambda _: True).close(timeout=3)
    assert cuts == [socket.SHUT_RDWR]
    assert library.sock.sent == b""
