"""The fault proxy over real connections: what a caller and a server see of each toxic."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fault_proxy import FaultProxy, running_proxy
from tests.support.gateway import wait_for
from tests.support.toxics import (
    Bandwidth,
    Down,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)

PATIENCE = 10.0


class Server:
    """Gives what it accepted to the test, which plays its part."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> socket.socket:
        """The next connection."""
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        return connection

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()


Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def server() -> Iterator[Server]:
    with contextlib.closing(Server()) as one:
        yield one


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with running_proxy(server.url) as one:
        yield one


@pytest.fixture
def connect(server: Server, proxy: FaultProxy) -> Iterator[Callable[[], Pair]]:
    """New connections: the caller's end and the server's end."""
    with contextlib.ExitStack() as stack:

        def new() -> Pair:
            caller = socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)
            return stack.enter_context(caller), stack.enter_context(server.accept())

        yield new


@pytest.fixture
def pair(connect: Callable[[], Pair]) -> Pair:
    return connect()


def receive(one: socket.socket, size: int) -> bytes:
    """So many bytes, or what came before the end."""
    data = b""
    while len(data) < size and (piece := one.recv(size - len(data))):
        data += piece
    return data


def is_quiet(one: socket.socket, seconds: float = 0.15) -> bool:
    """Whether neither bytes nor an end come in that time."""
    one.settimeout(seconds)
    try:
        one.recv(1)
    except TimeoutError:
        return True
    finally:
        one.settimeout(PATIENCE)
    return False


def seconds_of(task: Callable[[], object]) -> float:
    began = time.monotonic()
    task()
    return time.monotonic() - began


def test_without_toxics_bytes_go_through_in_both_directions(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    caller.sendall(b"question")
    assert receive(server, 8) == b"question"
    server.sendall(b"answer")
    assert receive(caller, 6) == b"answer"
    assert (proxy.handed_on("upstream"), proxy.handed_on("downstream")) == (8, 6)
    assert (proxy.connections, proxy.accepted) == (1, 1)


def test_a_large_transfer_in_both_directions_at_once_arrives_whole(pair: Pair) -> None:
    blob = bytes(range(256)) * 20_000
    found: dict[int, bytes] = {}

    def read(number: int) -> None:
        found[number] = receive(pair[number], len(blob))

    threads = [threading.Thread(target=read, args=(number,)) for number in (0, 1)]
    threads += [threading.Thread(target=one.sendall, args=(blob,)) for one in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == {0: blob, 1: blob}


@pytest.mark.parametrize("first", [0, 1])
def test_a_half_close_is_passed_on_and_the_other_direction_goes_on(
    pair: Pair, first: int, proxy: FaultProxy
) -> None:
    one, other = pair[first], pair[1 - first]
    one.sendall(b"last words")
    one.shutdown(socket.SHUT_WR)
    assert receive(other, 100) == b"last words"
    assert is_quiet(one)
    other.sendall(b"and mine")
    assert receive(one, 8) == b"and mine"
    other.shutdown(socket.SHUT_WR)
    assert receive(one, 1) == b""
    wait_for(lambda: proxy.connections == 0, "the connection to be forgotten")


@pytest.mark.parametrize("first", [0, 1])
def test_a_reset_is_passed_on_as_a_reset(pair: Pair, first: int, proxy: FaultProxy) -> None:
    one, other = pair[first], pair[1 - first]
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    one.close()
    with pytest.raises(ConnectionResetError):
        other.recv(1)
    wait_for(lambda: proxy.connections == 0, "the connection to be forgotten")


def test_a_side_that_left_while_the_other_writes_is_noticed(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    caller.close()
    assert server.recv(1) == b""

    def written_to_nobody() -> bool:
        try:
            server.sendall(b"x" * 1000)
        except OSError:
            return True
        return False

    wait_for(written_to_nobody, "the writer to hear of it")
    wait_for(lambda: proxy.connections == 0, "the connection to be forgotten")


def test_a_server_that_is_away_resets_the_caller(server: Server, proxy: FaultProxy) -> None:
    server.close()

    def knock() -> None:
        with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as caller:
            caller.recv(1)

    with pytest.raises(ConnectionResetError):
        knock()


def test_latency_delays_one_direction_and_the_end_too(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(Latency(0.6, jitter=0.1))
    caller.sendall(b"x")
    assert seconds_of(lambda: receive(server, 1)) < 0.4
    server.sendall(b"y")
    assert 0.45 < seconds_of(lambda: receive(caller, 1)) < 5
    server.close()
    assert 0.45 < seconds_of(lambda: receive(caller, 1)) < 5


def test_latency_is_no_limit_of_the_bandwidth(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(Latency(0.3))
    blob = b"z" * 100_000
    server.sendall(blob)
    assert seconds_of(lambda: receive(caller, len(blob))) < 2


def test_down_refuses_and_closes_and_up_again_serves(
    pair: Pair, proxy: FaultProxy, connect: Callable[[], Pair]
) -> None:
    caller, server = pair
    with proxy.poisoned(Down()):
        assert (caller.recv(1), server.recv(1)) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)
        assert proxy.connections == 0
    caller, server = connect()
    caller.sendall(b"back")
    assert receive(server, 4) == b"back"


def test_down_may_come_in_mid_stream(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(Down(after_bytes=3), "upstream")
    caller.sendall(b"abcdef")
    assert receive(server, 6) == b"abc"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)


def test_bandwidth_is_felt_by_the_reader(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(Bandwidth(10_000))
    server.sendall(b"x" * 5_000)
    assert 0.45 < seconds_of(lambda: receive(caller, 5_000)) < 5


def test_bandwidth_is_felt_by_the_writer(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(Bandwidth(1_000), "upstream")
    caller.settimeout(0.5)
    with pytest.raises(TimeoutError):
        caller.sendall(b"x" * 50_000_000)
    assert 0 < len(server.recv(65536)) < 5_000


def test_slow_close_delays_the_end_and_no_byte(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(SlowClose(0.8))
    server.sendall(b"x")
    server.close()
    assert seconds_of(lambda: receive(caller, 1)) < 0.5
    assert 0.25 < seconds_of(lambda: receive(caller, 1)) < 5


def test_timeout_swallows_then_closes(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(Timeout(0.4))
    server.sendall(b"lost")
    caller.sendall(b"heard")
    assert receive(server, 5) == b"heard"
    assert 0.2 < seconds_of(lambda: receive(caller, 1)) < 5
    assert receive(server, 1) == b""


def test_timeout_without_a_time_never_closes_and_its_removal_does(
    pair: Pair, proxy: FaultProxy
) -> None:
    caller, server = pair
    dose = proxy.add(Timeout())
    server.sendall(b"lost")
    server.shutdown(socket.SHUT_WR)
    assert is_quiet(caller)
    proxy.remove(dose)
    assert receive(caller, 1) == b""


def test_a_connection_that_lost_nothing_survives_a_timeout(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    with proxy.poisoned(Timeout(1)):
        caller.sendall(b"x")
        assert receive(server, 1) == b"x"
    assert is_quiet(caller, 1.2)
    server.sendall(b"y")
    assert receive(caller, 1) == b"y"


def test_reset_peer_resets_both_sides_after_its_time(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    began = time.monotonic()
    proxy.add(ResetPeer(0.2))
    for one in (caller, server):
        with pytest.raises(ConnectionResetError):
            one.recv(1)
    assert 0.15 < time.monotonic() - began < 5


def test_a_slicer_cuts_what_was_sent_at_once(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(Slicer(3, 1, 0.01))
    server.sendall(b"abcdefghijklmnopqrstuvwxyz")
    pieces = [caller.recv(100)]
    while sum(map(len, pieces)) < 26:
        pieces.append(caller.recv(100))
    assert b"".join(pieces) == b"abcdefghijklmnopqrstuvwxyz"
    assert len(pieces) > 3


def test_a_limit_closes_behind_its_last_byte(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(LimitData(5))
    server.sendall(b"abc")
    assert receive(caller, 3) == b"abc"
    server.sendall(b"defgh")
    assert receive(caller, 100) == b"de"
    assert receive(server, 1) == b""


def test_toxics_hold_for_connections_to_come_unless_they_are_not_lasting(
    pair: Pair, proxy: FaultProxy, connect: Callable[[], Pair]
) -> None:
    proxy.add(LimitData(1), lasting=False)
    proxy.add(LimitData(3))
    for (caller, server), passed in ((pair, b"a"), (connect(), b"abc")):
        server.sendall(b"abcdef")
        assert receive(caller, 6) == passed


def test_a_dose_knows_whether_it_had_anything_to_do(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    doses = [
        proxy.add(Slicer(3)),
        proxy.add(Slicer(3, after_bytes=100)),
        proxy.add(Latency(0), "upstream"),
        proxy.add(Down(after_bytes=6)),
    ]
    assert [dose.met for dose in doses] == [0, 0, 0, 0]
    server.sendall(b"abcdef")
    assert receive(caller, 100) == b"abcdef"
    assert [dose.met > 0 for dose in doses] == [True, False, False, True]


def test_toxics_add_up(pair: Pair, proxy: FaultProxy) -> None:
    caller, server = pair
    proxy.add(Latency(0.2))
    proxy.add(Bandwidth(1000))
    server.sendall(b"x" * 200)
    assert 0.35 < seconds_of(lambda: receive(caller, 200)) < 5


def test_what_is_under_way_is_handed_on_when_a_toxic_is_taken_out(
    pair: Pair, proxy: FaultProxy
) -> None:
    caller, server = pair
    dose = proxy.add(Bandwidth(1))
    server.sendall(b"abc")
    server.shutdown(socket.SHUT_WR)
    assert is_quiet(caller)
    proxy.remove(dose)
    proxy.remove(dose)
    assert seconds_of(lambda: receive(caller, 100)) < 2


def test_all_connections_can_be_cut_at_once(
    pair: Pair, proxy: FaultProxy, connect: Callable[[], Pair]
) -> None:
    others = connect()
    proxy.cut()
    assert [one.recv(1) for one in (*pair, *others)] == [b""] * 4
    last = connect()
    proxy.cut(reset=True)
    for one in last:
        with pytest.raises(ConnectionResetError):
            one.recv(1)
    assert proxy.connections == 0


def test_nothing_is_left_of_a_proxy_that_ended(server: Server) -> None:
    threads, files = threading.active_count(), descriptors()
    with running_proxy(server.url) as proxy, contextlib.ExitStack() as stack:
        for _ in range(5):
            caller = socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)
            stack.enter_context(caller).sendall(b"x")
            stack.enter_context(server.accept())
        proxy.add(Timeout())
        proxy.add(Down(after_bytes=100))
        proxy.stop()
        proxy.stop()
    assert (threading.active_count(), descriptors()) == (threads, files)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_thread_sleeps_while_there_is_nothing_to_do(pair: Pair, proxy: FaultProxy) -> None:
    server = pair[1]
    proxy.add(Latency(30))
    proxy.add(Timeout())
    server.sendall(b"x")
    server.shutdown(socket.SHUT_WR)
    began = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - began < 0.1
