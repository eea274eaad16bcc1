"""Counts in a gateway's worker: what it does per chunk, whatever the machine is busy with.

Everything is counted at a place that no code of the product can go around: greenlets where the
interpreter switches to them, sends and receives at the kernel's socket class below gevent's, JSON
at the decoders, metrics, logs and settings at their classes.
"""

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

COUNTS: Counter[str] = Counter()
CALL, C_CALL = "call ", "C call "
_KNOWN = "benchmarks_known"
_STAGES = "/langfast_wsgi/stages/"
_READING = "/langfast_wsgi/runtime/receivers.py"  # who waits there reads an upstream's socket


class Switches:
    """For ``greenlet.settrace``: who is woken, and who is new."""

    def __init__(self, hub: object) -> None:
        self._hub = hub

    def __call__(self, event: str, args: Any) -> None:
        """A switch from one greenlet to another."""
        target = args[1]
        if target is self._hub or event not in ("switch", "throw"):
            return
        marks = target.__dict__
        if _KNOWN not in marks:
            marks[_KNOWN] = True
            COUNTS["greenlets"] += 1
        COUNTS["reader_wakes" if _is_in(_READING) else "other_wakes"] += 1


def _is_in(file: str) -> bool:
    """Whether whoever was switched to just now goes on within this file."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not frame.f_code.co_filename.endswith(file):
        frame = frame.f_back
    return frame is not None


def count_call(frame: Any, event: str, function: Any) -> None:
    """For ``sys.setprofile``: each function that is entered, but for what stands in this file."""
    code = frame.f_code
    if code.co_filename == __file__:
        return
    if event == "call":
        place = "/".join(code.co_filename.split("/")[-2:])
        COUNTS["stages"] += _STAGES in code.co_filename
        COUNTS[f"{CALL}{code.co_qualname} ({place})"] += 1
    elif event == "c_call":
        COUNTS[f"{C_CALL}{function.__qualname__}"] += 1
        COUNTS["greenlets"] += function.__qualname__ == "start_new_thread"


def count_decoders() -> None:
    """Before anything imports them: how many bytes go into JSON decoders."""
    import orjson

    orjson.loads = _sized(orjson.loads)
    decode = json.JSONDecoder.raw_decode

    def raw_decode(self: json.JSONDecoder, s: str, idx: int = 0) -> Any:
        COUNTS["decoded"] += _size(s)
        return decode(self, s, idx)

    json.JSONDecoder.raw_decode = raw_decode  # type: ignore[method-assign]


def _sized(loads: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def counted(data: Any) -> Any:
        COUNTS["decoded"] += _size(data)
        return loads(data)

    return counted


def _size(data: Any) -> int:
    return len(data.encode("utf-8", "surrogatepass")) if isinstance(data, str) else len(data)


def count_calls() -> None:
    """Metrics, log calls (also those that a level suppresses), looks at settings."""
    from prometheus_client import metrics

    from langfast_wsgi.settings import Settings

    for kind, names in (
        (metrics.MetricWrapperBase, ("labels",)),
        (metrics.Counter, ("inc",)),
        (metrics.Gauge, ("inc", "dec", "set")),
        (metrics.Histogram, ("observe",)),
    ):
        for name in names:
            setattr(kind, name, _called(getattr(kind, name), "metrics"))
    for name in ("isEnabledFor", "handle"):
        setattr(logging.Logger, name, _called(getattr(logging.Logger, name), "logs"))
    fields = frozenset(Settings.model_fields)

    def look(self: Settings, name: str) -> Any:
        COUNTS["settings"] += name in fields
        return object.__getattribute__(self, name)

    Settings.__getattribute__ = look  # type: ignore[method-assign, assignment]


def _called(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        COUNTS[name] += 1
        return function(*args, **kwargs)

    return counted


def count_sockets(listening: int) -> None:
    """Sends to callers, bytes from the upstream. ``listening`` is our own port."""
    import _socket

    from gevent import _socket3

    kind: Any = _socket3._wrefsocket

    def own(connection: Any) -> bool:
        try:
            return bool(_socket.socket.getsockname(connection)[1] == listening)
        except (OSError, IndexError):
            return True

    def sending(name: str) -> None:
        plain = getattr(_socket.socket, name)

        def send(self: Any, *args: Any) -> Any:
            COUNTS["sends"] += own(self)
            return plain(self, *args)

        setattr(kind, name, send)

    def receiving(name: str, size: Callable[[Any], int]) -> None:
        plain = getattr(_socket.socket, name)

        def receive(self: Any, *args: Any) -> Any:
            if own(self):
                return plain(self, *args)
            COUNTS["receives"] += 1
            got = plain(self, *args)
            COUNTS["received"] += size(got)
            return got

        setattr(kind, name, receive)

    for name in ("send", "sendall", "sendmsg", "sendto"):
        sending(name)
    receiving("recv", len)
    receiving("recv_into", int)


def start(listening: int) -> None:
    """In the worker, once it serves."""
    import gevent
    import greenlet

    count_sockets(listening)
    greenlet.settrace(Switches(gevent.get_hub()))
    sys.setprofile(count_call)


class Counted:
    """The application, with its counts under a path of their own."""

    PATH = "/bench/counts"

    def __init__(self, application: Any) -> None:
        self._application = application

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Any:
        """Serve the counts, or whatever else was asked for."""
        if environ["PATH_INFO"] != self.PATH:
            return self._application(environ, start_response)
        body = json.dumps(COUNTS).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
