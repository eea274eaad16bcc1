"""A descriptor that is never waited for."""

import fcntl
import os
import pty
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from langfast_wsgi.observe.sink import Sink

LINE = b"x" * 99 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe that holds one page."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(read, False)
    yield read, write
    for end in (read, write):
        try:
            os.close(end)
        except OSError:
            pass  # the test did


def emptied(read: int) -> bytes:
    found = b""
    try:
        while piece := os.read(read, 65536):
            found += piece
    except BlockingIOError:
        pass
    return found


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%099d\n" % number for number in range(first, first + count)]


def test_a_line_is_written_at_once_where_there_is_room(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    sink.put(b"one\n")
    assert emptied(pipe[0]) == b"one\n"
    assert not sink.kept


def test_d19_a_full_pipe_makes_nobody_wait_and_keeps_the_order(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    for line in numbered(100):
        sink.put(line)
    assert sink.kept
    assert sink.dropped == 0
    found = emptied(pipe[0])
    while sink.kept:
        sink.push()
        found += emptied(pipe[0])
    sink.put(b"last\n")
    assert found + emptied(pipe[0]) == b"".join(numbered(100)) + b"last\n"


def test_d19_too_many_lines_are_dropped_and_counted(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1], kept_bytes=1000)
    for line in numbered(60):
        sink.put(line)
    assert sink.dropped == 60 - 40 - 10  # what the pipe took, and what is kept
    assert repr(sink) == "<Sink 10 lines kept, 10 dropped>"
    found = emptied(pipe[0])
    sink.push()
    assert found + emptied(pipe[0]) == b"".join(numbered(50))


def test_a_line_longer_than_a_pipe_arrives_whole(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    sink.put(b"y" * 20_000 + b"\n")
    sink.put(b"next\n")
    found = b""
    while len(found) < 20_006:
        found += emptied(pipe[0])
        sink.push()
    assert found == b"y" * 20_000 + b"\nnext\n"


def test_whoever_shares_the_descriptor_keeps_waiting_as_before(pipe: tuple[int, int]) -> None:
    Sink(pipe[1]).put(b"x\n")
    assert os.get_blocking(pipe[1])


def test_a_pipe_that_cannot_be_opened_again_is_not_waited_for_either(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refused)
    sink = Sink(pipe[1])
    for line in numbered(100):
        sink.put(line)
    assert sink.kept


def test_a_reader_that_is_gone_costs_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    os.close(pipe[0])
    sink.put(LINE)
    sink.put(LINE)
    assert (sink.dropped, sink.kept) == (2, 0)


def test_a_file_is_written_where_it_was_left(tmp_path: Path) -> None:
    """A second opening would begin at its start, and overwrite what others wrote."""
    with (tmp_path / "log").open("wb") as file:
        file.write(b"before\n")
        file.flush()
        sink = Sink(file.fileno())
        sink.put(b"ours\n")
        file.write(b"after\n")
    assert (tmp_path / "log").read_bytes() == b"before\nours\nafter\n"


def test_d17_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "log").open("wb", buffering=0) as file:
        sink = Sink(file.fileno())
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, limits[1]))
        try:
            for _ in range(3):
                sink.put(LINE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert sink.dropped >= 1
        sink.put(b"\nroom again\n")
    assert (tmp_path / "log").read_bytes().endswith(b"\nroom again\n")


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_is_not_waited_for_either(kind: socket.SocketKind) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        sink = Sink(ours.fileno())
        sink.put(b"one\n")
        assert theirs.recv(100) == b"one\n"
        while not sink.kept:
            sink.put(LINE)
        assert ours.getblocking()
        assert os.get_blocking(ours.fileno())
        sink.close()
        sink.close()


def test_a_terminal_is_written() -> None:
    master, terminal = pty.openpty()
    try:
        sink = Sink(terminal)
        sink.put(b"one\n")
        assert os.read(master, 100) == b"one\r\n"
        sink.close()
    finally:
        os.close(master)
        os.close(terminal)


def test_what_was_kept_before_a_fork_is_written_once(pipe: tuple[int, int]) -> None:
    sink = Sink(pipe[1])
    for line in numbered(60):
        sink.put(line)
    found = emptied(pipe[0])
    child = os.fork()
    if child == 0:
        sink.put(b"child\n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert emptied(pipe[0]) == b"child\n"
    sink.push()
    assert found + emptied(pipe[0]) == b"".join(numbered(60))


def test_closing_twice_is_fine_and_leaves_the_descriptor_alone(pipe: tuple[int, int]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    sink = Sink(pipe[1])
    assert len(os.listdir("/proc/self/fd")) == before + 1
    sink.close()
    sink.close()
    assert len(os.listdir("/proc/self/fd")) == before
    sink.put(LINE)
    assert sink.dropped == 1
    os.write(pipe[1], b"still there")
