"""A TCP proxy on the loopback with toxics that a test puts in and takes out, also in mid-stream.

Theory: one thread and one selector for all connections. What a test asks for is done in that
thread, and the call returns when it is done: from then on it holds.
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.support.fault_link import Dose, Link
from tests.support.toxics import Direction, Down, Toxic

RECEIVED_BYTES = 64 * 1024  # by the kernel, before a sender has to wait for us
_PATIENCE = 10.0

Result = TypeVar("Result")


class FaultProxy:
    """A proxy before the server at a URL. Made by ``running_proxy``."""

    def __init__(self, target: str) -> None:
        where = urlsplit(target)
        self._target = (str(where.hostname), int(where.port or 80))
        self._placeholder = _bound(("127.0.0.1", 0))  # keeps the port ours while it is closed
        self._address: tuple[str, int] = self._placeholder.getsockname()
        self._listener: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._ask, self._asked = socket.socketpair()
        self._tasks: deque[Callable[[], None]] = deque()
        self._links: list[Link] = []
        self._doses: list[Dose] = []
        self._handed_on = {"upstream": 0, "downstream": 0}  # by connections that are closed
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)
        #: Connections since the beginning.
        self.accepted = 0

    def __repr__(self) -> str:
        return f"<FaultProxy {self.url} {len(self._links)} connections>"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._address[1]

    @property
    def url(self) -> str:
        """What to use instead of the server's own."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._do(lambda: len(self._links))

    def handed_on(self, direction: Direction) -> int:
        """Bytes that went that way."""

        def count() -> int:
            lanes = [lane for link in self._links for lane in link.lanes]
            live = sum(lane.handed_on for lane in lanes if lane.direction == direction)
            return live + self._handed_on[direction]

        return self._do(count)

    def start(self) -> None:
        """Listen and serve."""
        self._listen()
        self._asked.setblocking(False)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and all that is open; twice is fine."""
        if self._thread.is_alive():
            self._do(lambda: setattr(self, "_stopping", True))
            self._thread.join(_PATIENCE)

    def add(
        self, toxic: Toxic, direction: Direction = "downstream", *, lasting: bool = True
    ) -> Dose:
        """Put a toxic in; unless it is lasting, only into the connections that are open now."""
        dose = Dose(toxic, direction, lasting)
        self._do(lambda: self._add(dose))
        return dose

    def remove(self, dose: Dose) -> None:
        """Take a toxic out; a connection that lost bytes to it is closed. Twice is fine."""
        self._do(lambda: self._remove(dose))

    def clear(self) -> None:
        """Take all toxics out."""
        for dose in tuple(self._doses):
            self.remove(dose)

    @contextmanager
    def poisoned(self, toxic: Toxic, direction: Direction = "downstream") -> Iterator[Dose]:
        """A toxic for the length of a block."""
        dose = self.add(toxic, direction)
        try:
            yield dose
        finally:
            self.remove(dose)

    def cut(self, *, reset: bool = False) -> None:
        """End all connections that are open now."""
        self._do(lambda: self._cut(reset))

    # --- in the thread ---------------------------------------------------------------------------

    def _do(self, task: Callable[[], Result]) -> Result:
        """Have it done in the thread; what it gives."""
        future: Future[Result] = Future()

        def fulfil() -> None:
            try:
                future.set_result(task())
            except Exception as error:
                future.set_exception(error)

        self._tasks.append(fulfil)
        self._ask.send(b"!")
        return future.result(_PATIENCE)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._go_down()
            self._selector.close()
            for one in (self._ask, self._asked, self._placeholder):
                one.close()

    def _turn(self) -> None:
        now = time.monotonic()
        if any(link.pump(now) for link in self._links):
            self._go_down()
        self._forget_closed()
        self._watch()
        due = min([now + _PATIENCE, *(link.due for link in self._links)])
        for key, events in self._selector.select(max(due - time.monotonic(), 0.0)):
            if key.fileobj is self._asked:
                self._do_tasks()
            elif key.fileobj is self._listener:
                self._accept(self._listener)
            elif events & selectors.EVENT_READ and key.data is not None:
                key.data.read(key.fileobj, time.monotonic())

    def _watch(self) -> None:
        """Tell the selector what each socket is wanted for; closed ones must go first."""
        wanted: dict[Any, tuple[int, Link | None]] = {
            self._asked: (selectors.EVENT_READ, None),
            **({self._listener: (selectors.EVENT_READ, None)} if self._listener else {}),
        }
        for link in self._links:
            for one, events in link.events().items():
                if events:
                    wanted[one] = (events, link)
        for key in tuple(self._selector.get_map().values()):
            if (key.events, key.data) != wanted.get(key.fileobj):
                self._selector.unregister(key.fileobj)
            else:
                del wanted[key.fileobj]
        for one, (events, owner) in wanted.items():
            self._selector.register(one, events, owner)

    def _do_tasks(self) -> None:
        self._asked.recv(4096)
        while self._tasks:
            self._tasks.popleft()()

    def _accept(self, listener: socket.socket) -> None:
        try:
            caller, _ = listener.accept()
        except OSError:
            return  # left again
        self.accepted += 1
        server = _receiving(socket.socket())
        server.settimeout(_PATIENCE)
        try:
            server.connect(self._target)  # on the loopback it takes no time
        except OSError:
            Link(caller, server).close(reset=True)
            return
        for one in (caller, server):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or pieces are put together
        link = Link(caller, server)
        for dose in self._doses:
            if dose.lasting:
                link.dose(dose, time.monotonic())
        self._links.append(link)

    def _add(self, dose: Dose) -> None:
        self._doses.append(dose)
        if isinstance(dose.toxic, Down) and not dose.toxic.after_bytes:
            dose.met += 1
            self._go_down()
        for link in self._links:
            link.dose(dose, time.monotonic())

    def _remove(self, dose: Dose) -> None:
        if dose not in self._doses:
            return
        self._doses.remove(dose)
        for link in self._links:
            link.undose(dose, time.monotonic())
        if self._listener is None and not any(isinstance(one.toxic, Down) for one in self._doses):
            self._listen()

    def _cut(self, reset: bool = False) -> None:
        for link in self._links:
            link.close(reset)

    def _listen(self) -> None:
        self._listener = _receiving(_bound(self._address))
        self._listener.setblocking(False)
        self._listener.listen(128)

    def _go_down(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._cut()

    def _forget_closed(self) -> None:
        for link in self._links:
            if not link.is_open:
                for lane in link.lanes:
                    self._handed_on[lane.direction] += lane.handed_on
        self._links = [link for link in self._links if link.is_open]


def _bound(address: tuple[str, int]) -> socket.socket:
    """A socket at an address that others of this module may have as well."""
    one = socket.socket()
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        one.setsockopt(socket.SOL_SOCKET, option, 1)
    one.bind(address)
    return one


def _receiving(one: socket.socket) -> socket.socket:
    """With a receive buffer of our size, which those that are accepted inherit."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
    return one


@contextmanager
def running_proxy(target: str) -> Iterator[FaultProxy]:
    """A proxy on a free port before the server at this URL."""
    proxy = FaultProxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
