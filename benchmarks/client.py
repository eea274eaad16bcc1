"""The load client: one process, one epoll loop, raw sockets.

Per piece of an answer it does a ``recv``, looks at the clock, keeps both, and compares the last
five bytes with the end of a chunked body. Everything else (what was said, when each chunk came, is
the answer whole) is worked out from what was kept, after the load is over: see ``answers``.
"""

import gc
import json
import select
import socket
import time
from dataclasses import dataclass, field

from benchmarks.orders import Order, WrongAnswer

KEY = "bench-key"
END = b"\r\n0\r\n\r\n"
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Load:
    """So many callers, each of which asks so many times in a row on one kept-alive connection."""

    callers: int
    order: Order
    answers: int = 1
    #: Over how many seconds the first requests are spread.
    ramp: float = 1.0
    stream: bool = True
    #: After so many seconds the whole has failed.
    patience: float = 60.0

    @property
    def requests(self) -> int:
        """How many there are in all."""
        return self.callers * self.answers

    @property
    def chunks(self) -> int:
        """How many chunks the upstream sends in all."""
        return self.requests * self.order.chunks


@dataclass(slots=True)
class Answer:
    """What came back for one request, as it came: moments and bytes."""

    sent_at: float
    times: list[float] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)


class _Caller:
    """One connection and what it is waiting for."""

    __slots__ = ("answer", "fd", "left", "recv", "size", "socket", "watch")

    def __init__(self, left: int) -> None:
        self.left = left
        self.watch = True
        self.size = -1

    def connect(self, port: int) -> None:
        """Open the connection."""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.recv = self.socket.recv
        self.fd = self.socket.fileno()

    def ask(self, request: bytes) -> None:
        """Send the next request."""
        self.left -= 1
        self.watch = True
        self.size = -1
        self.answer = Answer(time.monotonic())
        self.socket.send(request)


class Client:
    """Puts one load on one server."""

    def __init__(self, port: int, load: Load) -> None:
        self._port = port
        self._load = load
        self._request = request(load)
        self._epoll = select.epoll()
        self._callers: dict[int, _Caller] = {}
        self._answers: list[Answer] = []

    def run(self) -> list[Answer]:
        """All answers, in the order in which they ended. Raises WrongAnswer."""
        gc.collect()
        gc.disable()
        try:
            self._run()
        finally:
            gc.enable()
            self._epoll.close()
            for caller in self._callers.values():
                caller.socket.close()  # twice is fine
        return self._answers

    def _run(self) -> None:
        load, begun = self._load, time.monotonic()
        starts = [begun + load.ramp * at / load.callers for at in range(load.callers)]
        starts.reverse()
        until = begun + load.patience
        while len(self._answers) < load.requests:
            now = time.monotonic()
            while starts and starts[-1] <= now:
                starts.pop()
                self._begin()
            if now > until:
                raise WrongAnswer(
                    f"{len(self._answers)} of {load.requests} answers after {load.patience} s"
                )
            self._receive(max(starts[-1] - now, 0.0) if starts else 0.5)

    def _receive(self, timeout: float) -> None:
        """The hot loop."""
        callers, clock, end = self._callers, time.monotonic, END[-5:]
        for fd, _ in self._epoll.poll(timeout):
            caller = callers[fd]
            data = caller.recv(_PIECE)
            answer = caller.answer
            answer.times.append(clock())
            answer.pieces.append(data)
            if caller.watch or data[-5:] == end or len(data) < 5:
                self._look(caller, data)

    def _begin(self) -> None:
        caller = _Caller(self._load.answers)
        caller.connect(self._port)
        self._callers[caller.fd] = caller
        self._epoll.register(caller.fd, select.EPOLLIN)
        caller.ask(self._request)

    def _look(self, caller: _Caller, data: bytes) -> None:
        """Is it an error, is it the end."""
        pieces = caller.answer.pieces
        if not data:
            raise WrongAnswer(f"cut after {sum(map(len, pieces))} bytes: {_tail(pieces)!r}")
        if len(pieces) == 1 and not data.startswith(b"HTTP/1.1 200"):
            raise WrongAnswer(f"refused: {data[:600]!r}")
        if self._load.stream:
            caller.watch = False
            ended = _tail(pieces).endswith(END)
        else:
            ended = self._filled(caller)
        if ended:
            self._answers.append(caller.answer)
            if caller.left:
                caller.ask(self._request)
            else:
                self._epoll.unregister(caller.fd)
                caller.socket.close()

    def _filled(self, caller: _Caller) -> bool:
        """Whether an answer with a Content-Length is whole."""
        if caller.size < 0:
            head, found, _ = b"".join(caller.answer.pieces).partition(b"\r\n\r\n")
            if found:
                caller.size = len(head) + 4 + content_length(head)
        return 0 <= caller.size <= sum(map(len, caller.answer.pieces))


def content_length(head: bytes) -> int:
    """The value of that header."""
    lower = head.lower()
    at = lower.index(b"content-length:") + 15
    return int(lower[at:].split(b"\r\n", 1)[0])


def _tail(pieces: list[bytes]) -> bytes:
    return b"".join(pieces[-8:])


def request(load: Load) -> bytes:
    """The request, as bytes."""
    body = json.dumps(
        {
            "model": "gpt-4o-mini",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": load.order.message()},
            ],
            "stream": load.stream,
        }
    ).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
