"""One Socket.IO connection: python-socketio stays the client, its errors stop here.

What differs from the library's defaults, and why (versions are pinned, a test guards the hooks):

* its events run in the read loop instead of in a new thread each: order is certain and an event
  costs a third. So nothing here may block;
* UTF-8 is validated by the decoder alone, not a second time in a Python loop;
* one TLS context serves all connections;
* it never reconnects by itself: the keeper does, with a fresh token;
* a connection is cut, never closed politely: ``disconnect`` can wait 48 s for a dead server.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import engineio
import socketio
import websocket

from langfast_wsgi.errors import SessionRefused, UpstreamSilent, UpstreamUnreachable
from langfast_wsgi.observe import metrics
from langfast_wsgi.observe.logs import one_line
from langfast_wsgi.providers.base import Receiver
from langfast_wsgi.providers.langfast.answer import tls_context
from langfast_wsgi.providers.langfast.delivery import Delivery
from langfast_wsgi.providers.langfast.frames import ChunkTap
from langfast_wsgi.providers.langfast.inbox import Inbox

log = logging.getLogger(__name__)

# The library prints payloads and tokens at INFO and adds handlers unless it is given a logger. This
# one is not registered, so that no logging configuration can turn it up.
_library_log = logging.Logger("socketio", logging.ERROR)
_library_log.parent = log  # a handler of ours that fails is to be seen

_MEANINGLESS = metrics.DROPPED.labels("meaningless")


class _Engine(engineio.Client):
    """Handlers in the read loop, chunks past them; the file descriptor freed when it ends."""

    ws: Any
    #: Reads a socket in large pieces; set before connecting.
    receiver: Callable[[Any], Receiver]
    #: Takes chunk frames; set before connecting.
    delivery: Delivery
    #: Called when the read loop ends, whether a namespace was joined or not.
    ended: Callable[[], None]
    is_reading = False
    #: Seconds without a byte after which the other side counts as dead (it pings).
    patience = float("inf")

    def _trigger_event(self, event: str, *args: Any, **kwargs: Any) -> Any:
        kwargs["run_async"] = False
        return super()._trigger_event(event, *args, **kwargs)

    def _read_loop_websocket(self) -> None:
        self.is_reading = True
        # A timeout of the socket would make a timer for every wait: the keeper looks instead.
        self.patience = self.ws.gettimeout()
        self.ws.settimeout(None)
        receive = self.receiver(self.ws.sock)
        self.ws = ChunkTap(self.ws, receive, self.delivery)
        try:
            super()._read_loop_websocket()
        finally:
            self.is_reading = False
            receive.close()
            self.ws.shutdown()
            self.ended()
            self._untie()

    def _untie(self) -> None:
        """Undo what makes a ring of us and our owner: only the collector could, which is rare."""
        self.ws.let_go()
        self.handlers.clear()
        self.websocket_extra_options.clear()
        del self.delivery, self.ended, self.receiver


class _Client(socketio.Client):
    """A client that takes the server's farewell as a lost connection."""

    def _engineio_client_class(self) -> type[engineio.Client]:
        return _Engine

    def _handle_eio_message(self, data: Any) -> None:
        try:
            super()._handle_eio_message(data)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # Who speaks nonsense is not trusted to have said all the rest: connect anew.
            _MEANINGLESS.inc()
            log.warning("the upstream's socket speaks nonsense: %s", one_line(error))
            self.eio.ws.abort()

    def _handle_disconnect(self, _namespace: str) -> None:
        # The library would join the read loop here, which is where we are.
        self.eio.ws.abort()


class Session:
    """A connected socket. Closed once and for all by ``close``, or by the other side."""

    def __init__(
        self,
        inbox: Inbox,
        lost: Callable[["Session"], None],
        receiver: Callable[[Any], Receiver],
    ) -> None:
        #: Runs that were started on it; counted by the pool.
        self.runs = 0
        #: On the keeper's clock, which sets it.
        self.connected_at = 0.0
        self._lost = lost
        self._settled = threading.Event()
        self._refusal: object = None
        self._open = False
        self._closing = False
        self._websocket: websocket.WebSocket | None = None
        self._client = _Client(
            reconnection=False,
            handle_sigint=False,
            logger=_library_log,
            engineio_logger=_library_log,
            websocket_extra_options={
                "class_": self._new_websocket,
                "skip_utf8_validation": True,
                "sslopt": {"context": tls_context()},
            },
        )
        self._client.eio.receiver = receiver
        self._client.eio.delivery = Delivery(inbox)
        self._client.eio.ended = self._on_ended
        self._listen(self._client.eio.delivery)

    def __repr__(self) -> str:
        return f"<Session {'open' if self._open else 'closed'} {self.runs} runs>"

    @property
    def is_open(self) -> bool:
        """Whether it is connected and joined, as far as we know."""
        return self._open

    def connect(self, url: str, token: str, timeout: float) -> None:
        """Connect and join. Raises UpstreamUnreachable, UpstreamSilent or SessionRefused."""
        deadline = time.monotonic() + timeout
        self._client.eio.request_timeout = timeout
        # Each read of the handshake has the timeout for itself: a drip would go on and on.
        alarm = threading.Timer(timeout, self._hang_up)
        alarm.daemon = True
        alarm.start()
        try:
            # The library's own wait would end in a polite, and so perhaps endless, disconnect.
            self._client.connect(
                url,
                auth={"token": token},
                transports=["websocket"],
                namespaces=["/"],
                socketio_path=f"{urlsplit(url).path.strip('/')}/socket.io".lstrip("/"),
                wait=False,
            )
        except (
            socketio.exceptions.ConnectionError,
            OSError,
            ValueError,
            KeyError,  # these four: an opening packet that is none
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            self.close()
            raise UpstreamUnreachable(
                "The upstream's socket service cannot be reached.", retry_after=5
            ) from error
        finally:
            alarm.cancel()
        if not self._settled.wait(max(deadline - time.monotonic(), 0.0)):
            self.close()
            raise UpstreamSilent("The upstream's socket service did not let us in in time.")
        if not self._open:
            self.close()
            log.debug("socket refused: %s", one_line(self._refusal))
            raise SessionRefused("The upstream's socket service refused our token.")

    def close(self) -> None:
        """Cut the connection without waiting."""
        self._closing = True
        if self._websocket is None:
            return
        try:
            self._websocket.abort()
        except OSError:
            pass  # was not connected (any more)
        if not self._client.eio.is_reading:  # nobody else frees its descriptor
            self._websocket.shutdown()

    def _hang_up(self) -> None:
        """End an opening that takes too long; ``abort`` does nothing before it is done."""
        connection = self._websocket.sock if self._websocket is not None else None
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone already

    def cut_if_dead(self, now: float) -> None:
        """Cut a connection on which not even pings come any more; it is then lost, not closed."""
        engine = self._client.eio
        if self._open and engine.is_reading and now - engine.ws.heard_at > engine.patience:
            log.info("nothing heard from the upstream's socket for %.0f s", engine.patience)
            engine.ws.abort()

    def _new_websocket(self, *arguments: Any, **options: Any) -> websocket.WebSocket:
        """For the library, which forgets a connection whose opening fails."""
        self._websocket = websocket.WebSocket(*arguments, **options)
        return self._websocket

    def _listen(self, delivery: Delivery) -> None:
        on = self._client.on
        on("connect", self._on_connect)
        on("connect_error", self._on_connect_error)
        on("disconnect", self._on_disconnect)
        on("execution:chunk", delivery.chunk)
        on("completion_finished", delivery.finished)
        on("*", delivery.anything_else)

    def _on_connect(self) -> None:
        self._open = True
        metrics.SOCKETS.inc()
        self._settled.set()

    def _on_connect_error(self, reason: object = None, *_: object) -> None:
        self._refusal = reason
        self._settled.set()

    def _on_disconnect(self, *_: object) -> None:
        was_open, self._open = self._open, False
        self._settled.set()
        if was_open:
            metrics.SOCKETS.dec()
            if not self._closing:
                self._lost(self)

    def _on_ended(self) -> None:
        self._on_disconnect()
        self._client.handlers.clear()
