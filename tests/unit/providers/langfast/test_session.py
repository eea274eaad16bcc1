"""One Socket.IO connection, against a server of a few lines that speaks the wire itself."""

import gc
import json
import logging
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import engineio
import pytest
import simple_websocket
import socketio

from langfast_wsgi.errors import SessionRefused, UpstreamSilent, UpstreamUnreachable
from langfast_wsgi.providers.langfast import delivery
from langfast_wsgi.providers.langfast.answer import tls_context
from langfast_wsgi.providers.langfast.inbox import Update
from langfast_wsgi.providers.langfast.session import Session
from langfast_wsgi.runtime import receiver
from tests.support.builders import counted, free_port, series, wait_for

OPEN = '0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
JOINED = '40{"sid":"s"}'


def event(name: str, *arguments: object) -> str:
    return "42" + json.dumps([name, *arguments])


class Server:
    """What came in, and what to say when a client joins."""

    def __init__(self) -> None:
        self.opening: str | None = OPEN
        self.welcome: list[str | bytes] = [JOINED]
        self.received: list[Any] = []
        self.paths: list[str] = []
        self.socket: Any = None
        self.url = ""

    def say(self, *frames: str | bytes) -> None:
        for frame in frames:
            self.socket.send(frame)

    def cut(self) -> None:
        """End the connection without a farewell."""
        self.socket.sock.shutdown(socket.SHUT_RDWR)

    def serve(self, ws: Any) -> None:
        self.socket = ws
        if self.opening is not None:
            ws.send(self.opening)
        while True:
            frame = ws.receive()
            self.received.append(frame)
            if isinstance(frame, str) and frame.startswith("40"):
                self.say(*self.welcome)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.paths.append(self.path)
            environ = {"werkzeug.socket": self.connection}
            for name, value in self.headers.items():
                environ["HTTP_" + name.upper().replace("-", "_")] = value
            try:
                server.serve(simple_websocket.Server(environ))
            except (simple_websocket.ConnectionClosed, OSError):
                self.close_connection = True

        def finish(self) -> None:
            pass

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class Case:
    """A session, what it delivered, and whether it was lost."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self.lost: list[Session] = []
        self.threads: set[int] = set()
        self.unwanted: set[str] = set()
        inbox = SimpleNamespace(deliver=self._deliver, wants=self._wants, mailbox_of=lambda _: None)
        self.session = Session(inbox, self.lost.append, receiver)  # type: ignore[arg-type]

    def _deliver(self, update: Update) -> None:
        self.threads.add(threading.get_ident())
        self.updates.append(update)

    def _wants(self, job_id: str) -> bool:
        return job_id not in self.unwanted

    def connect(self, url: str, timeout: float = 5.0) -> None:
        self.session.connect(url, "secret-token", timeout)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


@pytest.fixture
def joined(server: Server) -> Iterator[Case]:
    case = Case()
    case.connect(server.url)
    yield case
    case.session.close()
    wait_for(lambda: not case.session.is_open)


# --- joining


def test_it_joins_with_its_token_over_a_websocket_at_once(server: Server, joined: Case) -> None:
    assert joined.session.is_open
    assert server.received == ['40{"token":"secret-token"}']
    assert server.paths[0].startswith("/socket.io/?")
    assert "transport=websocket" in server.paths[0]
    assert "EIO=4" in server.paths[0]
    assert "secret-token" not in server.paths[0]


def test_a_path_in_the_address_is_kept(server: Server) -> None:
    case = Case()
    case.connect(f"{server.url}/behind/a/proxy")
    assert server.paths[0].startswith("/behind/a/proxy/socket.io/?")
    case.session.close()


def test_open_sockets_are_counted(server: Server) -> None:
    before = series("langfast_sockets")
    case = Case()
    case.connect(server.url)
    assert series("langfast_sockets") == before + 1
    case.session.close()
    wait_for(lambda: series("langfast_sockets") == before)


@pytest.mark.parametrize(
    "refusal",
    ['44{"message":"no"}', '44{"message":"no","data":{"a":1}}', '44"no"', "44", "44{}"],
)
def test_c3_a_refused_token_is_told(
    server: Server, refusal: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.welcome = [refusal]
    case = Case()
    with pytest.raises(SessionRefused):
        case.connect(server.url)
    assert not case.session.is_open
    assert case.lost == []


def test_c1_nobody_there_is_told() -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        Case().connect(f"http://127.0.0.1:{free_port()}", 1.0)
    assert caught.value.retry_after == 5


def test_c1_something_else_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            one, _ = listener.accept()
            with one:
                one.recv(1000)
                one.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UpstreamUnreachable):
            Case().connect(f"http://127.0.0.1:{listener.getsockname()[1]}", 1.0)
        thread.join()


@pytest.mark.parametrize("opening", [OPEN, None], ids=["no answer to the join", "no opening"])
def test_c4_a_service_that_never_lets_us_in_is_given_up_at_the_deadline(
    server: Server, opening: str | None
) -> None:
    server.opening, server.welcome = opening, []
    begun = time.monotonic()
    with pytest.raises((UpstreamSilent, UpstreamUnreachable)):
        Case().connect(server.url, 0.1)
    assert time.monotonic() - begun < 1.5


def test_c4_a_handshake_that_is_not_answered_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begun = time.monotonic()
        with pytest.raises((UpstreamSilent, UpstreamUnreachable)):
            Case().connect(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.1)
        assert time.monotonic() - begun < 1.5


def test_a_service_that_cuts_instead_of_answering_does_not_let_us_in(server: Server) -> None:
    case = Case()
    server.welcome = []
    timer = threading.Timer(0.03, server.cut)

    def serve(ws: Any) -> None:
        server.socket = ws
        ws.send(OPEN)
        ws.receive()
        server.cut()

    server.serve = serve  # type: ignore[method-assign]
    with pytest.raises((SessionRefused, UpstreamUnreachable, UpstreamSilent)):
        case.connect(server.url, 0.3)
    timer.cancel()
    assert case.lost == []


# --- events


def delivered(joined: Case, count: int) -> list[Update]:
    wait_for(lambda: len(joined.updates) >= count)
    return joined.updates


def test_chunks_and_ends_are_delivered_in_order_and_by_the_read_loop(
    server: Server, joined: Case
) -> None:
    texts = ["x" * length for length in range(1, 200)]
    for text in texts:
        server.say(event("execution:chunk", {"executionId": "j", "content": text}))
    server.say(event("completion_finished", {"executionId": "j", "finish_reason": "length"}))
    updates = delivered(joined, 200)
    assert updates == [*(Update("j", text) for text in texts), Update("j", None, "length")]
    assert len(joined.threads) == 1


@pytest.mark.parametrize(
    ("frame", "update"),
    [
        (event("execution:chunk", "plain text"), Update(None, "plain text")),
        (event("execution:chunk", {"content": "a"}, "offset-1"), Update(None, "a")),
        (event("completion_finished"), Update(None, None, "stop")),
        (event("completion_finished", None, "offset-1"), Update(None, None, "stop")),
        ('42["execution:chunk",{"content":"a\\ud83d"}]', Update(None, "a\ud83d")),
    ],
    ids=["plain text", "c18 recovery offset", "bare end", "end with offset", "half a character"],
)
def test_an_event_of_any_known_shape_is_delivered(
    server: Server, joined: Case, frame: str, update: Update
) -> None:
    server.say(frame)
    assert delivered(joined, 1) == [update]


def test_c19_a_binary_event_is_delivered(server: Server, joined: Case) -> None:
    server.say('451-["execution:chunk",{"_placeholder":true,"num":0}]', b"text")
    assert delivered(joined, 1) == [Update(None, "text")]


def test_c25_an_unknown_status_is_logged_once_per_value(
    server: Server, joined: Case, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_odd_statuses", set())
    for number in range(60):
        status = "thinking" if number < 8 else f"odd\n{number}"
        said = {"executionId": "j", "status": status, "content": "x" * number}
        server.say(event("execution:chunk", said), event("execution:chunk", json.dumps(said)))
    assert all(update.ending is None for update in delivered(joined, 120))
    lines = [one.getMessage() for one in caplog.records if "status" in one.getMessage()]
    assert sum("thinking" in line for line in lines) == 1
    assert len(lines) == delivery.ODD_STATUSES, "however many values there are"
    assert all(line.isprintable() for line in lines)


def test_c17_an_event_without_meaning_is_dropped_and_counted(server: Server, joined: Case) -> None:
    with (
        counted("langfast_dropped_events_total", reason="meaningless") as meaningless,
        counted("langfast_dropped_events_total", reason="unknown_event") as unknown,
    ):
        server.say(event("execution:chunk", 7), event("execution:chunk"), event("debug", "x"))
        server.say(event("execution:chunk", "after"))
        assert delivered(joined, 1) == [Update(None, "after")]
        assert (meaningless(), unknown()) == (2, 1)
    assert joined.lost == []


def test_a_chunk_that_nobody_wants_is_not_even_decoded(server: Server, joined: Case) -> None:
    joined.unwanted.add("stranger")
    server.say('42["execution:chunk",{"executionId":"stranger","content":no JSON at all}]')
    server.say(event("execution:chunk", "after"))
    assert delivered(joined, 1) == [Update(None, "after")]
    assert joined.lost == []


@pytest.mark.parametrize("compact", [True, False], ids=["compact", "with spaces"])
@pytest.mark.parametrize("length", [1, 90, 125, 126, 1000, 65_500, 65_536, 300_000])
def test_a_chunk_of_any_length_and_spelling_is_delivered(
    server: Server, joined: Case, length: int, compact: bool
) -> None:
    chunk = {"executionId": "j", "status": "in_progress", "content": "é" * length}
    marks = (",", ":") if compact else (", ", ": ")
    server.say("42" + json.dumps(["execution:chunk", chunk], separators=marks, ensure_ascii=False))
    assert delivered(joined, 1) == [Update("j", "é" * length)]


def test_pings_are_answered(server: Server, joined: Case) -> None:
    server.say("2")
    wait_for(lambda: "3" in server.received)


# --- the end


@pytest.mark.parametrize(
    "end",
    [
        lambda server: server.cut(),
        lambda server: server.say("41"),
        lambda server: server.say("1"),
        lambda server: server.socket.close(1011),
    ],
    ids=["cut", "c8 kicked", "engine closed", "websocket closed"],
)
def test_a_connection_that_the_other_side_ends_is_lost_once(
    server: Server, joined: Case, end: Callable[[Server], None]
) -> None:
    end(server)
    wait_for(lambda: joined.lost)
    assert joined.lost == [joined.session]
    assert not joined.session.is_open
    time.sleep(0.02)
    assert joined.lost == [joined.session]


def test_c29_bytes_that_are_no_utf_8_end_the_connection(server: Server, joined: Case) -> None:
    server.socket.sock.sendall(b"\x81\x03\xff\xfe\xfd")
    wait_for(lambda: joined.lost)


def test_c10_a_connection_without_even_a_ping_is_lost_after_its_patience(joined: Case) -> None:
    engine = joined.session._client.eio
    patience = engine.ping_interval + engine.ping_timeout
    assert patience == 45, "as the other side said"
    wait_for(lambda: engine.is_reading)
    joined.session.cut_if_dead(time.monotonic() + patience - 1)
    assert joined.session.is_open
    joined.session.cut_if_dead(time.monotonic() + patience + 1)
    wait_for(lambda: joined.lost)
    assert joined.lost == [joined.session]


def test_a_connection_that_we_close_is_not_lost(server: Server, joined: Case) -> None:
    joined.session.close()
    joined.session.close()
    wait_for(lambda: not joined.session.is_open)
    assert joined.lost == []


def test_closing_never_waits(joined: Case) -> None:
    begun = time.monotonic()
    joined.session.close()
    assert time.monotonic() - begun < 0.5


def test_a_session_that_never_connected_can_be_closed() -> None:
    Case().session.close()


def test_the_file_descriptor_is_freed(server: Server) -> None:
    import os

    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        case = Case()
        case.connect(server.url)
        server.cut()
        wait_for(lambda case=case: case.lost)  # type: ignore[misc]
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before + 5)
    ours = [case.session._client.eio.ws.sock]
    assert ours == [None]


# --- secrets, and the library's hooks


def test_neither_token_nor_text_is_logged_by_the_library(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    case = Case()
    case.connect(server.url)
    server.say(event("execution:chunk", "secret text"))
    delivered(case, 1)
    case.session.close()
    assert "secret-token" not in caplog.text
    assert "secret text" not in caplog.text
    assert repr(case.session).startswith("<Session ")
    assert "secret-token" not in repr(case.session)


def test_its_repr_says_whether_it_is_open(joined: Case) -> None:
    joined.session.runs = 2
    assert repr(joined.session) == "<Session open 2 runs>"
    assert repr(Case().session) == "<Session closed 0 runs>"


def test_the_private_hooks_of_the_libraries_are_where_they_were() -> None:
    """The minor versions are pinned for these; look again when this fails."""
    for owner, name in (
        (engineio.Client, "_trigger_event"),
        (engineio.Client, "_read_loop_websocket"),
        (socketio.Client, "_engineio_client_class"),
        (socketio.Client, "_handle_disconnect"),
    ):
        assert callable(getattr(owner, name))
    client = Case().session._client
    options = client.eio.websocket_extra_options
    assert options["skip_utf8_validation"] is True
    assert options["sslopt"]["context"] is tls_context()
    assert client.reconnection is False
    assert client.handle_sigint is False


def test_a_refusal_is_logged_without_its_secrets(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "langfast_wsgi")
    server.welcome = ['44{"message":"no: Bearer opaque-secret"}']
    with pytest.raises(SessionRefused):
        Case().connect(server.url)
    assert "socket refused" in caplog.text
    assert "opaque-secret" not in caplog.text


def test_a_session_that_ended_leaves_nothing_for_the_collector(server: Server) -> None:
    """It is tuned to be rare, and sockets are replaced every few minutes."""
    gc.collect()
    gc.disable()
    try:
        updates: list[Update] = []
        inbox = SimpleNamespace(
            deliver=updates.append, wants=lambda _: True, mailbox_of=lambda _: None
        )
        session = Session(inbox, lambda _: None, receiver)  # type: ignore[arg-type]
        session.connect(server.url, "secret-token", 5.0)
        server.say(event("execution:chunk", {"executionId": "j", "content": "a", "status": "x"}))
        wait_for(lambda: updates)
        gone = weakref.ref(session)
        session.close()
        del session
        wait_for(lambda: gone() is None)
    finally:
        gc.enable()


# --- nonsense


@pytest.mark.parametrize(
    "frame", ["4nonsense", "49", '42{"a":1}', "42[", "42[]", '42["execution:chunk",'], ids=repr
)
def test_c29_a_service_that_speaks_nonsense_is_left(
    server: Server, joined: Case, frame: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.say(frame, event("execution:chunk", {"executionId": "j", "content": "behind it"}))
    wait_for(lambda: joined.lost == [joined.session])
    assert "Traceback" not in caplog.text
    assert "nonsense" in caplog.text
