"""What depends on how this process does things at once: here threads, greenlets in a subprocess."""

import gc
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.certificate import certificate
from langfast_wsgi import runtime
from langfast_wsgi.runtime import (
    Connection,
    deadline,
    limit_writes,
    spawn,
)
from tests.support.builders import patched_python, wait_for

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Our end of a connection, and the caller's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours, theirs:
        yield ours, theirs


# --- beside one another


def test_without_gevent_a_task_runs_in_a_thread() -> None:
    assert not runtime.is_patched()
    ran: list[str] = []
    thread = spawn(lambda: ran.append(threading.current_thread().name))
    assert isinstance(thread, threading.Thread)
    assert thread.daemon
    thread.join()
    assert ran != [threading.current_thread().name]


def test_without_gevent_a_deadline_cannot_interrupt() -> None:
    with deadline(0.001):
        time.sleep(0.005)


def test_with_gevent_a_deadline_interrupts_its_own_block_only() -> None:
    script = """
import time
import gevent
from langfast_wsgi import runtime
assert runtime.is_patched()
ran = []
runtime.spawn(lambda: ran.append(1)).join()
assert ran == [1]
try:
    with runtime.deadline(0.01):
        time.sleep(1)
except TimeoutError as error:
    assert error.__cause__ is None
else:
    raise AssertionError("it never rang")
with runtime.deadline(0.01):
    pass
time.sleep(0.02)  # a deadline that is over rings no more
try:
    with gevent.Timeout(0.01), runtime.deadline(5):
        time.sleep(1)
except gevent.Timeout:
    print("held")
"""
    assert patched_python(script).strip() == "held"


def test_with_gevent_long_work_lets_others_have_their_turn_and_without_there_is_no_need() -> None:
    runtime.let_others()
    script = """
import gevent
from langfast_wsgi import runtime
turns = []
other = gevent.spawn(lambda: turns.append("other"))
turns.append("long")
runtime.let_others()
turns.append("work")
print(*turns)
"""
    assert patched_python(script).strip() == "long other work"


def test_a_drain_begins_when_the_worker_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, True, False])
    naps: list[float] = []
    monkeypatch.setattr(runtime.time, "sleep", naps.append)
    drained = threading.Event()
    runtime.watch_drain(lambda: next(answers), drained.set)
    assert drained.wait(5)
    assert naps == [0.2, 0.2]


def test_memory_is_settled_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(runtime.gc, "collect", lambda: calls.append("collect"))
    monkeypatch.setattr(runtime.gc, "freeze", lambda: calls.append("freeze"))
    monkeypatch.setattr(runtime.gc, "set_threshold", lambda *numbers: calls.append(numbers))
    runtime.settle_memory()
    assert calls == ["collect", "freeze", (50_000, 20, 100)]
    assert gc.isenabled()


# --- the caller's connection


def test_a_server_that_does_not_show_the_connection_tells_nothing() -> None:
    connection = Connection({})
    assert not connection.gone()
    limit_writes({}, 5)


def test_a_caller_that_waits_is_there(pair: Pair) -> None:
    assert not Connection({"gunicorn.socket": pair[0]}).gone()


def test_a_caller_that_pipelines_its_next_request_is_there(pair: Pair) -> None:
    pair[1].sendall(b"GET / HTTP/1.1\r\n")
    connection = Connection({"gunicorn.socket": pair[0]})
    time.sleep(0.005)
    assert not connection.gone()
    assert pair[0].recv(3) == b"GET", "nothing was taken from it"


def test_a_caller_that_closed_its_end_is_gone(pair: Pair) -> None:
    pair[1].close()
    connection = Connection({"gunicorn.socket": pair[0]})
    wait_for(connection.gone)


def test_a_caller_whose_connection_was_reset_is_gone(pair: Pair) -> None:
    pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    pair[1].close()
    wait_for(Connection({"gunicorn.socket": pair[0]}).gone)


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (BlockingIOError(), False),
        (InterruptedError(), False),
        (OSError(), True),
        (ValueError("TLS sockets take no flags"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_look_at_the_socket_may_raise(error: Exception, gone: bool) -> None:
    class Plain:
        def fileno(self) -> int:
            raise error

    class Wrapped:
        _sock = Plain()

    assert Connection({"gunicorn.socket": Wrapped()}).gone() is gone


def test_looking_never_blocks_though_the_socket_does(pair: Pair) -> None:
    pair[0].settimeout(None)
    begun = time.monotonic()
    assert not Connection({"gunicorn.socket": pair[0]}).gone()
    assert time.monotonic() - begun < 0.5


def test_a_write_that_makes_no_headway_fails(pair: Pair) -> None:
    limit_writes({"gunicorn.socket": pair[0]}, 0.02)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        pair[0].sendall(b"x" * 100_000_000)
    assert time.monotonic() - begun < 2


def test_a_plain_socket_with_a_timeout_is_looked_at_without_waiting(pair: Pair) -> None:
    """Plain sockets wait out their timeout in a read, whatever its flags: then nobody was gone."""
    pair[0].settimeout(3)
    begun = time.monotonic()
    assert not Connection({"gunicorn.socket": pair[0]}).gone()
    assert time.monotonic() - begun < 0.5


# --- past the server

SERVED = """
import socket, types
from gunicorn.config import Config
from gunicorn.http.wsgi import Response
from langfast_wsgi import runtime

def response(version=(1, 1), headers=(), begun=True):
    ours, theirs = socket.socketpair()
    request = types.SimpleNamespace(version=version, method="POST", should_close=lambda: False)
    made = Response(request, ours, Config())
    made.start_response("200 OK", [("Content-Type", "text/event-stream"), *headers])
    if begun:
        made.write(b"first")
        theirs.recv(65536)
    return made, theirs
"""


def test_an_outlet_is_found_only_in_the_middle_of_a_chunked_body_of_gunicorns() -> None:
    script = (
        SERVED
        + """
found = [
    runtime.outlet(response()[0].start_response),
    runtime.outlet(response(begun=False)[0].start_response),
    runtime.outlet(response(version=(1, 0))[0].start_response),
    runtime.outlet(response(headers=[("Content-Length", "9")])[0].start_response),
    runtime.outlet(lambda *_: None),
]
print([one is not None for one in found])
"""
    )
    assert patched_python(script).strip() == str([True] + [False] * 4)


def test_without_greenlets_there_is_no_outlet() -> None:
    class Server:
        headers_sent = chunked = True

        def start_response(self) -> None: ...

    assert runtime.outlet(Server().start_response) is None


def test_what_goes_through_an_outlet_is_framed_and_counted_as_the_servers_own() -> None:
    script = (
        SERVED
        + """
made, theirs = response()
outlet = runtime.outlet(made.start_response)
before = made.sent
assert outlet.send(b"x" * 26)
assert made.sent == before + 26
print(theirs.recv(100))
made.write(b"behind")
made.close()
print(theirs.recv(100))
"""
    )
    framed, rest = patched_python(script).splitlines()
    assert framed == str(b"1A\r\n" + b"x" * 26 + b"\r\n")
    assert rest == str(b"6\r\nbehind\r\n0\r\n\r\n")


def test_an_outlet_keeps_what_a_slow_caller_does_not_take_for_the_flush() -> None:
    script = (
        SERVED
        + """
import gevent
made, theirs = response()
outlet = runtime.outlet(made.start_response)
sent = 0
while outlet.send(b"y" * 10_000):
    sent += 10_000
got = bytearray()

def read():
    while piece := theirs.recv(65536):
        got.extend(piece)

reader = gevent.spawn(read)
outlet.flush()
outlet.flush()  # nothing is sent twice
made.close()
made.sock.close()
reader.join(5)
frame = b"2710\\r\\n" + b"y" * 10_000 + b"\\r\\n"
assert sent > 0
assert bytes(got) == frame * (sent // 10_000 + 1) + b"0\\r\\n\\r\\n", len(got)
print("whole")
"""
    )
    assert patched_python(script).strip() == "whole"


def test_an_outlet_tells_of_a_caller_that_left_where_the_server_hears_it() -> None:
    script = (
        SERVED
        + """
made, theirs = response()
outlet = runtime.outlet(made.start_response)
theirs.close()
print(outlet.send(b"z"))
try:
    outlet.flush()
except OSError as error:
    print(type(error).__name__)
"""
    )
    assert patched_python(script).split() == ["False", "BrokenPipeError"]


# --- reading in large pieces

SOCKETS = """
import socket, ssl, gevent
from langfast_wsgi import runtime
ours, theirs = socket.socketpair()
"""
OVER_TLS = """
trusting = ssl.create_default_context(cafile="{pem}")
serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
serving.load_cert_chain("{pem}")
serves = gevent.spawn(serving.wrap_socket, theirs, server_side=True)
ours = trusting.wrap_socket(ours, server_hostname="localhost")
theirs = serves.get()
"""


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["plain", "TLS"])
def connected(request: pytest.FixtureRequest, pem: Path) -> str:
    """The beginning of a script: a connection, both ends of it."""
    return SOCKETS + (OVER_TLS.format(pem=pem) if request.param == "TLS" else "")


def test_a_receiver_reads_what_comes_in_large_pieces_and_then_the_end(connected: str) -> None:
    script = """
receive = runtime.receiver(ours)
assert isinstance(receive, runtime.PatientReceiver)
got = bytearray()
sizes = []

def read():
    while piece := receive():
        got.extend(piece)
        sizes.append(len(piece))

reader = gevent.spawn(read)
sent = b""
for size in (1, 100, runtime.PIECE, 3 * runtime.PIECE + 7):
    data = bytes([size % 251]) * size
    theirs.sendall(data)
    sent += data
    gevent.sleep(0.01)
theirs.shutdown(socket.SHUT_WR)
reader.join(5)
assert reader.ready() and bytes(got) == sent
assert max(sizes) <= runtime.PIECE
receive.close()
receive.close()
print("whole")
"""
    assert patched_python(connected + script).strip() == "whole"


def test_what_a_look_has_used_wakes_nobody(connected: str) -> None:
    """Only the rest is returned; the end of the connection is, too."""
    script = """
receive = runtime.receiver(ours)
seen, pieces = [], []
uses = {b"all": 3, b"half": 2, b"none": 0}

def look(buffer, size):
    assert gevent.getcurrent() is gevent.get_hub()
    runtime.let_others()  # there are none to be let here
    seen.append(bytes(buffer[:size]))
    return uses[seen[-1]]

def read():
    while piece := receive(look):
        pieces.append(piece)
    pieces.append(piece)

reader = gevent.spawn(read)
for word in (b"all", b"all", b"half", b"all", b"none", b"all"):
    theirs.sendall(word)
    gevent.sleep(0.01)
theirs.close()
reader.join(5)
assert seen == [b"all", b"all", b"half", b"all", b"none", b"all"], seen
print(pieces)
receive.close()
"""
    assert patched_python(connected + script).strip() == "[b'lf', b'none', b'']"


def test_what_a_look_raises_is_raised_where_it_is_waited_for(connected: str) -> None:
    script = """
receive = runtime.receiver(ours)

def look(buffer, size):
    raise ValueError("of no use")

def read():
    for way in (look, None):
        try:
            print(receive(way))
        except ValueError as error:
            print(error)

reader = gevent.spawn(read)
for _ in range(2):
    gevent.sleep(0.01)
    theirs.sendall(b"x")
reader.join(5)
"""
    assert patched_python(connected + script).split("\n")[:2] == ["of no use", "b'x'"]


def test_whatever_goes_wrong_in_the_event_loop_is_raised_where_it_is_waited_for(
    connected: str,
) -> None:
    """Or the reader would wait for ever, on a connection that looks well."""
    script = """
receive = runtime.receiver(ours)

def fills(_):
    raise MemoryError("no room")

receive._fill = fills
reader = gevent.spawn(receive)
gevent.sleep(0.01)
theirs.sendall(b"x")
reader.join(5)
print(repr(reader.exception))
"""
    assert "MemoryError('no room')" in patched_python(connected + script).splitlines()[-1]


def test_the_largest_record_is_seen_as_a_whole(connected: str) -> None:
    """What is decrypted and not taken shows nowhere: it would lie there until more comes."""
    script = """
receive = runtime.receiver(ours)
seen = []

def look(buffer, size):
    seen.append(size)
    return size

reader = gevent.spawn(receive, look)
gevent.sleep(0.01)
theirs.sendall(b"x" * 16384)
gevent.sleep(0.1)
print(sum(seen))
"""
    assert patched_python(connected + script).strip() == "16384"


def test_a_receiver_that_waits_looks_at_nothing(connected: str) -> None:
    """Neither again and again at what is not there, nor waiting where it is looked at for it."""
    script = """
receive = runtime.receiver(ours)
looks = 0
fill = receive._fill

def fills(buffer):
    global looks
    looks += 1
    return fill(buffer)

receive._fill = fills
reader = gevent.spawn(receive)
gevent.sleep(0.1)
before = looks
receive._on_readable(None, None)  # for nothing, in this greenlet
gevent.sleep(0.1)
print(before, looks - before)
"""
    before, then = map(int, patched_python(connected + script).split())
    assert before <= 1, "what TLS had to say, and nothing else"
    assert then == 1


def test_a_connection_that_was_shut_down_before_it_is_read_is_at_its_end(connected: str) -> None:
    script = """
theirs.sendall(b"too late")
ours.shutdown(socket.SHUT_RDWR)
receive = runtime.receiver(ours)
got = b""
with gevent.Timeout(5):
    while piece := receive():
        got += piece
print(got if type(ours) is socket.socket else got or b"too late")
"""
    assert patched_python(connected + script).strip() == "b'too late'"


def test_a_wake_up_for_nothing_is_none(connected: str) -> None:
    script = """
receive = runtime.receiver(ours)
plain, times = receive._fill, []

def fickle(buffer):
    times.append(1)
    if len(times) == 1:
        raise BlockingIOError
    return plain(buffer)

receive._fill = fickle
reader = gevent.spawn(receive)
theirs.sendall(b"x")
reader.join(5)
print(reader.value)
"""
    assert patched_python(connected + script).strip() == "b'x'"


def test_who_is_killed_while_it_waits_reads_no_more(connected: str) -> None:
    script = """
receive = runtime.receiver(ours)
seen = []
reader = gevent.spawn(receive, lambda buffer, size: seen.append(size) or size)
gevent.sleep(0.01)
reader.kill()
theirs.sendall(b"x")
gevent.sleep(0.01)
receive.close()
print(seen, ours.recv(9))
"""
    assert patched_python(connected + script).strip() == "[] b'x'"


def test_a_receiver_waits_where_others_shut_the_socket_down(connected: str) -> None:
    script = """
receive = runtime.receiver(ours)
reader = gevent.spawn(receive)
gevent.sleep(0.01)
assert not reader.ready()
ours.shutdown(socket.SHUT_RDWR)
reader.join(5)
print(reader.value)
"""
    assert patched_python(connected + script).strip() == "b''"


def test_who_reads_without_end_leaves_others_their_turns(connected: str) -> None:
    script = """
receive = runtime.receiver(ours)
theirs.sendall(b"x")
receive._fill = len  # as many as there is room for, always
pieces = turns = 0

def read():
    global pieces
    while pieces < 1000:
        receive()
        pieces += 1

def live():
    global turns
    while pieces < 1000:
        gevent.sleep(0)
        turns += 1

gevent.joinall([gevent.spawn(read), gevent.spawn(live)])
print(turns > 900)
"""
    assert patched_python(connected + script).strip() == "True"


def over_tls(pem: Path, script: str) -> str:
    return patched_python(SOCKETS + OVER_TLS.format(pem=pem) + script).strip()


def test_through_tls_what_was_decrypted_already_comes_first(pem: Path) -> None:
    script = """
receive = runtime.receiver(ours)
seen = []
theirs.sendall(b"the head, and more")
print(ours.recv(9), receive(lambda buffer, size: seen.append(size)), seen)
"""
    assert over_tls(pem, script) == "b'the head,' b' and more' []"


def test_through_tls_a_part_of_a_record_wakes_nobody(pem: Path) -> None:
    """What is decrypted is shown once its record is there, however it dripped."""
    script = (
        """
import socket, ssl, gevent
from langfast_wsgi import runtime
ours, near = socket.socketpair()
far, theirs = socket.socketpair()

def drip():
    while piece := far.recv(3):
        near.sendall(piece)
        gevent.sleep(0)

def hand_back():
    while piece := near.recv(65536):
        far.sendall(piece)

gevent.spawn(drip)
gevent.spawn(hand_back)
"""
        + OVER_TLS.format(pem=pem)
        + """
receive = runtime.receiver(ours)
seen = []

def look(buffer, size):
    seen.append(bytes(buffer[:size]))
    return size if len(seen) < 3 else 0

reader = gevent.spawn(receive, look)
for word in (b"one", b"two" * 100, b"three"):
    theirs.sendall(word)
    gevent.sleep(0.1)
reader.join(5)
print([len(one) for one in seen], reader.value)
"""
    )
    assert patched_python(script).strip() == "[3, 300, 5] b'three'"


def test_through_tls_a_farewell_is_the_end(pem: Path) -> None:
    script = """
receive = runtime.receiver(ours)
reader = gevent.spawn(receive)
gevent.sleep(0.01)
farewell = gevent.spawn(theirs.unwrap)
reader.join(5)
print(reader.value)
"""
    assert over_tls(pem, script) == "b''"


def test_through_tls_what_is_no_tls_is_an_error(pem: Path) -> None:
    script = """
receive = runtime.receiver(ours)
theirs._sock.send(b"what is this?")
try:
    receive()
except OSError as error:
    print(type(error).__name__)
"""
    assert over_tls(pem, script) == "SSLError"


def test_where_tls_itself_has_to_write_first_gevent_sees_to_it(pem: Path) -> None:
    script = """
receive = runtime.receiver(ours)

def writes_first(buffer):
    raise ssl.SSLWantWriteError

receive._fill = writes_first
theirs.sendall(b"behind it")
print(receive())
"""
    assert over_tls(pem, script) == "b'behind it'"


def test_elsewhere_a_receiver_is_the_sockets_own_recv() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        receive = runtime.receiver(ours)
        theirs.sendall(b"hello")
        assert receive() == b"hello"
        theirs.close()
        assert receive() == b""
        receive.close()
