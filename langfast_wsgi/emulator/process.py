"""The process around one emulator: listen, announce, serve, end with stdin or by a signal."""

import logging
import os
import signal
import socket
import sys

import gevent
import orjson
from gevent.pywsgi import WSGIServer
from gevent.socket import wait_read

from langfast_wsgi.emulator.options import Options
from langfast_wsgi.emulator.replies.script import Script, read
from langfast_wsgi.emulator.service import Emulator
from langfast_wsgi.emulator.shapes import BadShape

_BACKLOG = 1024
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
_LOG = logging.getLogger("langfast_wsgi.emulator")


def run(options: Options) -> int:
    """Serve until told to end; gives the exit code."""
    try:
        script = read(options.replies) if options.replies else Script([])
        listener = _listener(options.host, options.port)
    except BadShape as error:
        return _unusable(str(error))
    except OSError as error:
        where = f"{options.host}:{options.port}"
        return _unusable(f"cannot listen on {where}: {error.strerror or error}")
    _serve(Emulator(options, script), listener, options)
    return 0


def _unusable(sentence: str) -> int:
    sys.stderr.write(f"emulator: {sentence}\n")
    return 2


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it; without it a chunk may wait until another is acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((host, port))
    listener.listen(_BACKLOG)
    return listener


def _url(options: Options, listener: socket.socket) -> str:
    host = _EVERYWHERE.get(options.host, options.host)
    bracketed = f"[{host}]" if ":" in host else host
    return f"http://{bracketed}:{listener.getsockname()[1]}"


def _serve(emulator: Emulator, listener: socket.socket, options: Options) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if options.verbose else logging.WARNING,
        format="emulator: %(message)s",
    )
    url = _url(options, listener)
    log = _LOG if options.verbose else None
    # A given name spares the look-up of the host's own.
    environ = {"SERVER_NAME": options.host}
    server = WSGIServer(listener, emulator.app(url), log=log, error_log=_LOG, environ=environ)
    gevent.signal_handler(signal.SIGTERM, _end)
    gevent.signal_handler(signal.SIGINT, _end)
    if options.watch_stdin:
        gevent.spawn(_end_with_stdin)
    gevent.spawn(emulator.metronome.run)
    server.start()
    sys.stdout.write(orjson.dumps(emulator.info(url)).decode() + "\n")
    sys.stdout.flush()
    server.serve_forever()


def _end() -> None:
    # Nothing here is worth a slow farewell: whoever started it wants it gone.
    sys.stderr.flush()
    os._exit(0)


def _end_with_stdin() -> None:
    try:
        # Without a stdin from the start its descriptor may be something else by now.
        while sys.stdin is not None:
            wait_read(0)
            if not os.read(0, 4096):
                break
    except OSError:
        pass  # no stdin is as good as one that has ended
    _end()
