"""What depends on how this process does things at once: greenlets where gevent patched it, else
threads. The only product package that imports gevent.

What other rooms need of it (spawning, deadlines around reads, has the caller gone) is handed to
them by ``app``.
"""

import gc
import os
import select
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import gunicorn.http.wsgi
from gevent import monkey

from langfast_wsgi.runtime.receivers import (
    PIECE,
    PatientReceiver,
    PatientTlsReceiver,
    Receiver,
)


def is_patched() -> bool:
    """Whether gevent runs this process."""
    return bool(monkey.is_module_patched("socket"))


def new_lock() -> AbstractContextManager[object]:
    """A lock around a few steps that wait for nothing.

    Greenlets are not interrupted there, so none ever finds it taken, and the interpreter's own lock
    will do, at a twentieth of the cost of gevent's.
    """
    lock: AbstractContextManager[object] = monkey.get_original("threading", "Lock")()
    return lock


def spawn(task: Callable[[], None]) -> object:
    """Run a task beside this one."""
    if is_patched():
        return gevent.spawn(task)
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    return thread


def let_others() -> None:
    """In the middle of long work: whoever has waited goes on. Threads do so by themselves, and the
    event loop, where it does the work, cannot wait for anybody.
    """
    if is_patched() and gevent.getcurrent() is not gevent.get_hub():
        gevent.sleep(0)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after ``seconds``. Threads cannot be interrupted."""
    if not is_patched():
        yield
        return
    alarm = gevent.Timeout(seconds)
    alarm.start()
    try:
        yield
    except gevent.Timeout as ring:
        if ring is not alarm:
            raise
        raise TimeoutError from None
    finally:
        alarm.close()


_RECEIVERS: Mapping[type, type[Receiver]] = {
    gevent.socket.socket: PatientReceiver,
    gevent.ssl.SSLSocket: PatientTlsReceiver,
}


def receiver(connection: Any) -> Receiver:
    """What reads this socket best."""
    best = _RECEIVERS.get(type(connection), Receiver) if is_patched() else Receiver
    return best(connection)


class Connection:
    """The caller's connection under one request, where the server shows it (gunicorn does)."""

    __slots__ = ("_socket",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket = environ.get("gunicorn.socket")

    def gone(self) -> bool:
        """Whether the caller closed its end. Pipelined bytes of a next request do not count."""
        if self._socket is None:
            return False
        plain = getattr(self._socket, "_sock", self._socket)  # what gevent wraps
        try:
            if not _is_readable(plain.fileno()):
                return False
            return bool(plain.recv(1, socket.MSG_PEEK) == b"")
        except (BlockingIOError, InterruptedError, TimeoutError):
            return False
        except OSError:
            return True
        except ValueError:  # TLS sockets take no flags: nothing to be known
            return False


def _is_readable(descriptor: int) -> bool:
    """Whether there is something to read, or the end. Asked first: a plain socket that has a
    timeout would wait for it, whatever the flags of the read say.
    """
    poll = monkey.get_original("select", "poll")()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class Outlet:
    """The caller's socket, past the server: in the middle of a chunked body under gunicorn."""

    __slots__ = ("_rest", "_send", "_server")

    def __init__(self, server: Any) -> None:
        self._server = server
        self._send = server.sock._sock.send  # what gevent wraps, which never waits
        self._rest = b""

    def send(self, data: bytes) -> bool:
        """Send what the socket takes at once; False where a rest is left for ``flush``."""
        framed = b"%X\r\n%b\r\n" % (len(data), data)
        try:
            sent = self._send(framed)
        except OSError:  # full, or the caller has gone, which flush will find, too
            sent = 0
        self._server.sent += len(data)  # for the access log
        if sent == len(framed):
            return True
        self._rest = framed[sent:]
        return False

    def flush(self) -> None:
        """Send the rest, waiting for the caller as long as a write may take; each piece of it for
        itself. Raises OSError.
        """
        if self._rest:
            rest, self._rest = self._rest, b""
            for at in range(0, len(rest), PIECE):
                self._server.sock.sendall(rest[at : at + PIECE])


def outlet(start_response: object) -> Outlet | None:
    """The outlet behind a WSGI request, once its headers are out; None where there is none.

    ``start_response`` is a method of gunicorn's own response, unless something stands between us.
    """
    server: Any = getattr(start_response, "__self__", None)
    if not is_patched() or type(server) is not gunicorn.http.wsgi.Response:
        return None
    if not server.headers_sent or not server.chunked:
        return None
    return Outlet(server) if type(server.sock) is gevent.socket.socket else None


def limit_writes(environ: Mapping[str, Any], seconds: float | None) -> None:
    """A write that is not through after so long fails, and so ends the answer; None: no limit.

    It holds for reads as well, which is why it is taken back when the answer is out: an idle
    connection is the business of gunicorn's ``keepalive``.
    """
    connection = environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(seconds)


def limit_patience(listeners: Iterable[Any], seconds: float) -> None:
    """Callers who do not even acknowledge what they were sent are gone after so long, also where
    too little is sent for a write to wait: connections inherit this from their listener.
    """
    for listener in listeners:
        if listener.sock.family in (socket.AF_INET, socket.AF_INET6):
            option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it
            if option is not None:
                listener.sock.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


def state_folder() -> str:
    """A private folder that the processes of one parent share, where no gunicorn of ours has one.

    So the workers of a host application's server go by one sign-up budget, also when they are
    replaced. A folder that somebody else put there is not used.
    """
    folder = os.path.join(tempfile.gettempdir(), f"langfast-{os.getuid()}-{os.getppid()}")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            return tempfile.mkdtemp(prefix="langfast-")
    return folder


def settle_memory() -> None:
    """After start: what lives now lives on, so no collection needs to look at it again.

    And greenlets need not remember where they were spawned, which is 2 KB and 20 us for each.
    """
    gevent.config.track_greenlet_tree = False
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def watch_drain(is_alive: Callable[[], bool], drain: Callable[[], None]) -> None:
    """Call ``drain`` once the worker was told to end: gunicorn has no hook at that moment."""

    def watch() -> None:
        while is_alive():
            time.sleep(0.2)
        drain()

    spawn(watch)
