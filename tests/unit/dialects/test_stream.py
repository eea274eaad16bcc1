"""Who turns the crank of a stream: the request's own thread, and whoever brings text meanwhile."""

import gc
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator

import pytest

from langfast_wsgi.conversation.events import Event, Finished, Pause, Replaced, Text
from langfast_wsgi.dialects._stream import HEARTBEAT, Body, Stream
from langfast_wsgi.dialects.chat.encode import ChunkEncoder
from langfast_wsgi.errors import RunFailed
from tests.support.builders import wait_for

pytestmark = pytest.mark.timeout(20)


class Source:
    """A stream of events that pauses where it has none; and the bell of its pauses."""

    def __init__(self) -> None:
        self.listener: Callable[[], bool] | None = None
        self.waiting: deque[Event | Exception] = deque()
        self.closed = False
        self.woken = 0
        self._bell = threading.Semaphore(0)

    def events(self) -> Generator[Event, None, None]:
        try:
            while True:
                if not self.waiting:
                    yield Pause(self)
                    continue
                event = self.waiting.popleft()
                if isinstance(event, Exception):
                    raise event
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            self.closed = True

    def wait(self) -> bool:
        """See Bell."""
        self._bell.acquire(timeout=10)
        self.woken += 1
        return bool(self.waiting)

    def tick(self) -> None:
        self._bell.release()

    def say(self, *events: Event | Exception) -> None:
        """As a mailbox does it: told to who listens, else the reader is woken."""
        self.waiting.extend(events)
        if self.listener is None or not self.listener():
            self.tick()


class Outlet:
    """A caller's socket that takes what it has room for."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.taken = b""
        self.rest = b""
        self.flushed = 0

    def send(self, data: bytes) -> bool:
        assert not self.rest, "sent past a rest: the caller would read garbage"
        now, self.rest = data[: self.room], data[self.room :]
        self.taken += now
        self.room -= len(now)
        return not self.rest

    def flush(self) -> None:
        self.flushed += bool(self.rest)
        self.taken += self.rest
        self.rest = b""


class Caller:
    left = False

    def gone(self) -> bool:
        return self.left


class Case:
    """A body, and the server that iterates over it in a thread of its own."""

    def __init__(
        self,
        outlet: Outlet | None,
        heartbeat: float = 0,
        events: Generator[Event, None, None] | None = None,
    ) -> None:
        self.source, self.outlet, self.caller = Source(), outlet, Caller()
        self.left = False
        self.events = events or self.source.events()
        encoder = ChunkEncoder("id", 1, "m", None, False)
        self.body = Body(self.events, None, encoder, self.caller, heartbeat, "req")
        self.body.find_outlet = lambda: outlet
        self.served = b""
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()
        wait_for(lambda: self.body._is_waiting)

    def _serve(self) -> None:
        try:
            for piece in self.body:
                self.served += piece
                if self.outlet is not None:
                    assert not self.outlet.rest, "the server wrote between a frame and its rest"
                    self.outlet.taken += piece
        except BrokenPipeError:
            self.left = True
        finally:
            self.body.close()

    def over(self) -> bytes:
        """All that the caller got, once the stream is over."""
        self._server.join(10)
        assert not self._server.is_alive()
        assert self.events.gi_frame is None, "closed"
        assert self.source.listener is None
        return self.outlet.taken if self.outlet is not None else self.served


def texts(data: bytes) -> str:
    """The text in a stream's chunks, each as it was cut."""
    parts = data.decode().split('{"content":"')[1:]
    return "|".join(part.split('"', 1)[0] for part in parts)


def test_text_that_comes_while_the_stream_waits_wakes_nobody() -> None:
    outlet = Outlet()
    case = Case(outlet)
    for word in ("a", "b", "c"):
        case.source.say(Text(word))
    assert case.source.woken == 0
    assert texts(outlet.taken) == "a|b|c"
    assert texts(case.served) == "", "the server only opened the stream"
    case.source.waiting.append(Finished("stop"))
    case.source.tick()
    data = case.over()
    assert case.source.woken == 1
    assert data.endswith(b"data: [DONE]\n\n")


def test_behind_text_that_says_where_the_stream_pauses_nobody_reads_on() -> None:
    pulled = list[str]()

    def events(source: Source) -> Generator[Event, None, None]:
        for event in source.events():
            yield event
            pulled.append(type(event).__name__)

    case = Case(Outlet(), events=events(source := Source()))
    for word in ("a", "b"):
        source.say(Text(word, bell=source))
    assert case.outlet is not None
    assert texts(case.outlet.taken) == "a|b"
    assert pulled == ["Pause", "Text"], "the second text is where the stream stands"
    source.say(Text("c", last=True), Finished("stop"))
    assert texts(case.over()) == "a|b|c"


def test_without_an_outlet_the_streams_own_thread_does_it_all() -> None:
    case = Case(None)
    case.source.say(Text("a"))
    wait_for(lambda: texts(case.served) == "a")
    case.source.say(Text("b"), Finished("stop"))
    assert texts(case.over()) == "a|b"


def test_what_a_slow_caller_does_not_take_is_sent_by_the_streams_own_thread_in_order() -> None:
    outlet = Outlet(room=300)
    case = Case(outlet)
    for number in range(50):
        case.source.say(Text(f"word{number:02}"))
    case.source.say(Finished("stop"))
    data = case.over()
    assert texts(data) == "|".join(f"word{number:02}" for number in range(50))
    assert outlet.flushed >= 1
    assert case.source.woken >= 1


def test_while_somebody_turns_the_crank_nobody_else_does() -> None:
    outlet = Outlet()
    case = Case(outlet)
    send, answers = outlet.send, list[bool]()

    def interrupted(data: bytes) -> bool:
        if not answers:  # text comes while this text is on its way
            assert case.source.listener is not None
            answers.append(case.source.listener())
        return send(data)

    outlet.send = interrupted  # type: ignore[method-assign]
    case.source.say(Text("a"))
    assert answers == [False]
    case.source.say(Finished("stop"))
    assert texts(case.over()) == "a"


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (RunFailed("The upstream says no."), "upstream_run_failed"),
        (Replaced("other text"), "upstream_inconsistent"),
        (ValueError("unforeseen"), "internal_error"),
    ],
    ids=["failed", "rewritten", "unforeseen"],
)
def test_a_fault_met_by_whoever_brings_text_ends_the_stream(
    last: Event | Exception, code: str
) -> None:
    case = Case(Outlet())
    case.source.say(Text("a"))
    case.source.say(last)
    data = case.over()
    assert texts(data) == "a"
    assert f'"code":"{code}"'.encode() in data
    assert data.count(b"[DONE]") == 1
    assert b'"finish_reason":"stop"' not in data


def test_what_is_too_long_for_one_write_leaves_in_pieces_that_add_up() -> None:
    class Long(ChunkEncoder):
        def end(self, reason: str) -> bytes:
            return bytes(range(256)) * 1000 + super().end(reason)

    source = Source()
    source.waiting.extend([Text("a"), Finished("stop")])
    body = Body(source.events(), None, Long("id", 1, "m", None, False), Caller(), 0, "req")
    pieces = list(body)
    assert max(map(len, pieces)) == 65536
    assert bytes(range(256)) * 1000 in b"".join(pieces)
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


def test_an_end_met_by_whoever_brings_text_is_an_end() -> None:
    case = Case(Outlet())
    case.source.say(Text("a", last=True), Finished("length"))
    assert b'"finish_reason":"length"' in case.over()


@pytest.mark.parametrize(
    "said",
    [[Text("a", last=True), Finished("length")], [Finished("length")]],
    ids=["behind a last text", "alone"],
)
def test_an_end_is_left_to_the_streams_own_thread(
    said: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who brought it may be the event loop, which cannot wait: for a store, say, or for a lock."""
    done_by = list[int]()

    def events(source: Source) -> Generator[Event, None, None]:
        try:
            yield from source.events()
        finally:
            done_by.append(threading.get_ident())

    case = Case(Outlet(), events=events(source := Source()))
    write = ChunkEncoder.write

    def written(encoder: ChunkEncoder, event: Event) -> bytes:
        done_by.append(threading.get_ident())
        return write(encoder, event)

    monkeypatch.setattr(ChunkEncoder, "write", written)
    source.say(*said)
    assert b'"finish_reason":"length"' in case.over()
    assert done_by == [case._server.ident] * (len(said) + 1)


def test_a_heartbeat_counts_from_what_was_written_last_whoever_wrote_it() -> None:
    case = Case(Outlet(), heartbeat=0.2)
    case.source.tick()
    wait_for(lambda: case.source.woken == 1)
    assert HEARTBEAT not in case.served
    case.body._written_at -= 0.2
    case.source.say(Text("a"))  # this is life enough
    case.source.tick()
    wait_for(lambda: case.source.woken == 2)
    assert HEARTBEAT not in case.served
    case.body._written_at -= 0.2
    case.source.tick()
    wait_for(lambda: HEARTBEAT in case.served)
    case.source.say(Finished("stop"))
    case.over()


def test_a_caller_that_left_is_noticed_when_the_time_comes_to_look() -> None:
    case = Case(Outlet())
    case.source.say(Text("a"))
    case.caller.left = True
    case.source.tick()
    case.over()
    assert case.left, "the server must not put an end behind what is no whole answer"


def test_an_abandoned_stream_is_listened_to_no_more() -> None:
    source = Source()
    events = source.events()
    encoder = ChunkEncoder("id", 1, "m", None, False)
    body = Body(events, None, encoder, Caller(), 1e-9, "req")
    body.find_outlet = Outlet
    next(body)
    source.tick()
    assert next(body) == HEARTBEAT
    assert source.listener is not None
    body.close()
    body.close()
    assert source.listener is None
    assert source.closed


# --- what may come between


def test_a_run_behind_the_first_is_waited_for_at_its_own_bell() -> None:
    first, second = Source(), Source()

    def asked_twice() -> Generator[Event, None, None]:
        for event in first.events():
            if isinstance(event, Text) and event.delta == "no":
                break
            yield event
        yield from second.events()

    case = Case(Outlet(), events=asked_twice())
    first.say(Text("a"))
    assert first.woken == 0
    first.say(Text("no"))  # whoever brings this begins the other run
    wait_for(lambda: second.listener is not None)
    assert first.listener is None
    assert first.woken == 1
    second.say(Text("b"))
    assert second.woken == 0
    second.say(Finished("stop"))
    data = case.over()
    assert texts(data) == "a|b"
    assert data.endswith(b"data: [DONE]\n\n")


def test_who_is_held_up_at_the_crank_is_waited_for() -> None:
    outlet = Outlet()
    case = Case(outlet)
    reached, go_on = threading.Event(), threading.Event()
    send = outlet.send

    def slow(data: bytes) -> bool:
        reached.set()
        assert go_on.wait(10)
        return send(data)

    outlet.send = slow  # type: ignore[method-assign]
    writer = threading.Thread(target=lambda: case.source.say(Text("a")), daemon=True)
    writer.start()
    assert reached.wait(10)
    case.source.waiting.append(Text("b"))
    case.source.tick()  # the clock, in this very moment
    wait_for(lambda: case.source.woken == 1)
    assert texts(case.served) == "", "two at one crank"
    go_on.set()
    writer.join(10)
    case.source.say(Finished("stop"))
    assert texts(case.over()) == "a|b"


def test_a_stream_without_any_pause_leaves_nothing_to_the_garbage_collector() -> None:
    source = Source()
    source.waiting.extend([Text("a", last=True), Finished("stop")])
    events = source.events()
    encoder = ChunkEncoder("id", 1, "m", None, False)
    gc.collect()
    gc.disable()
    try:
        body = Body(events, None, encoder, Caller(), 0, "req")
        stream = Stream(body, lambda _: None)
        answer = stream({"REQUEST_METHOD": "POST"}, lambda *_: None)
        assert b"".join(answer).endswith(b"data: [DONE]\n\n")
        answer.close()  # type: ignore[attr-defined]
        left = weakref.ref(body)
        del body, stream, answer
        assert left() is None
    finally:
        gc.enable()
