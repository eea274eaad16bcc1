"""Engine.IO over WSGI: sessions by long-polling, by WebSocket, and from the one to the other.

Refusals are those of the Node server, in its words and its two shapes: JSON for a plain request,
text for an upgrade.
"""

from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl

from langfast_wsgi.emulator.sockets import packets
from langfast_wsgi.emulator.sockets.polling import Overlap, PollAbandoned, Polling
from langfast_wsgi.emulator.sockets.session import Heartbeat, Listener, Session, Transport
from langfast_wsgi.emulator.sockets.timer import Timer
from langfast_wsgi.emulator.sockets.upgrading import is_upgrade, upgraded
from langfast_wsgi.emulator.sockets.websocket import (
    LARGEST_MESSAGE,
    BadHandshake,
    WebSocket,
    handshake,
)
from langfast_wsgi.emulator.web import (
    Answer,
    AnswerLost,
    BodyTooLarge,
    Environ,
    Request,
    StartResponse,
    connection_of,
    json_answer,
    let_go,
    write,
)

_REFUSALS = (
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
)
_TRANSPORT, _SESSION, _METHOD, _BAD, _FORBIDDEN, _VERSION = range(len(_REFUSALS))
_TRANSPORTS = (Polling.name, WebSocket.name)
_LAST_WORDS = 30.0  # seconds in which a client may still poll that it is over
_NO_STORE = {"Cache-Control": "no-store"}


class Refused(Exception):
    """A request that leads to no session."""

    def __init__(self, code: int) -> None:
        super().__init__(_REFUSALS[code])
        self.code = code


def _text(body: str) -> Answer:
    return Answer(200, body.encode(), _NO_STORE, "text/plain; charset=UTF-8")


class Engine:
    """The sessions by their ids, and the WSGI application that serves them."""

    def __init__(
        self,
        listen: Callable[[Session], Listener],
        heartbeat: Heartbeat,
        late: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._listen = listen
        self._heartbeat = heartbeat
        self._late = late  # seconds by which the open packet of a new session is late
        self._sleep = sleep
        self._sessions: dict[str, Session] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or become a WebSocket."""
        wants_upgrade = is_upgrade(environ)
        try:
            session = self._session(environ, wants_upgrade)
            if wants_upgrade:
                return self._upgrade(environ, session)
            answer = self._answer(environ, session)
        except Refused as refused:
            answer = _refusal(refused, wants_upgrade)
        return write(answer, start_response)

    def _session(self, environ: Environ, wants_upgrade: bool) -> Session | None:
        """The session that a request names, None for one that may open its own; or Refused."""
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        transport = query.get("transport")
        if transport not in _TRANSPORTS:
            raise Refused(_TRANSPORT)
        if query.get("sid"):
            session = self._sessions.get(query["sid"])
            if session is None:
                raise Refused(_SESSION)
            if not wants_upgrade and session.transport.name != transport:
                raise Refused(_BAD)
            return session
        if environ["REQUEST_METHOD"] != "GET":
            raise Refused(_METHOD)
        if (transport == WebSocket.name) != wants_upgrade:
            raise Refused(_BAD)
        if query.get("EIO") != "4":
            raise Refused(_VERSION)
        return None

    def _opened(self, transport: Transport) -> Session:
        session = Session(transport, self._heartbeat, self._ended)
        self._sessions[session.sid] = session
        return session

    def _ended(self, session: Session) -> None:
        if session.transport.has_last_words:
            Timer().start(_LAST_WORDS, lambda: self._forget(session))
        else:
            self._forget(session)

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.sid, None)

    # --- long-polling ---------------------------------------------------------------------------

    def _answer(self, environ: Environ, session: Session | None) -> Answer:
        if session is None:
            polling = Polling()
            session = self._opened(polling)
            late = self._late()
            if late:
                self._sleep(late)
            session.open(self._listen)
            return _text(packets.payload(polling.take()))
        if not isinstance(session.transport, Polling):
            raise Refused(_BAD)
        if environ["REQUEST_METHOD"] == "GET":
            return self._poll(environ, session, session.transport)
        if environ["REQUEST_METHOD"] == "POST":
            return self._post(environ, session, session.transport)
        return Answer(500)

    def _poll(self, environ: Environ, session: Session, polling: Polling) -> Answer:
        if session.upgrading:
            return _text(packets.NOOP)
        try:
            taken = polling.poll(connection_of(environ))
        except Overlap:
            session.fail()
            return Answer(400)
        except PollAbandoned as abandoned:
            session.left()
            raise AnswerLost from abandoned
        if session.over:
            self._forget(session)
        return _text(packets.payload(taken))

    def _post(self, environ: Environ, session: Session, polling: Polling) -> Answer:
        if polling.posting:
            session.fail()
            return Answer(400)
        polling.posting = True
        try:
            body = Request(environ).body(LARGEST_MESSAGE).decode()
        except BodyTooLarge:
            return Answer(413)
        except UnicodeDecodeError as error:
            session.fail()
            raise Refused(_BAD) from error
        finally:
            polling.posting = False
        if not all(map(session.received, body.split(packets.SEPARATOR))):
            raise Refused(_BAD)
        return Answer(200, b"ok", _NO_STORE, "text/html")

    # --- WebSocket ------------------------------------------------------------------------------

    def _upgrade(self, environ: Environ, session: Session | None) -> Iterable[bytes]:
        try:
            accepted = handshake(environ)
        except BadHandshake as error:
            raise Refused(_BAD) from error
        websocket = WebSocket(connection_of(environ))
        websocket.write(accepted)
        try:
            if session is None:
                self._serve(self._begun(websocket), websocket)
            elif upgraded(session, websocket):
                self._serve(session, websocket)
            websocket.close()
            websocket.drain()
        finally:
            websocket.abort()
            let_go(environ)
        return []

    def _begun(self, websocket: WebSocket) -> Session:
        session = self._opened(websocket)
        late = self._late()
        if late:
            Timer().start(late, lambda: session.open(self._listen))
        else:
            session.open(self._listen)
        return session

    def _serve(self, session: Session, websocket: WebSocket) -> None:
        while (received := websocket.wait()) is not None:
            session.received(received)
        session.left()


def _refusal(refused: Refused, wants_upgrade: bool) -> Answer:
    if wants_upgrade:
        headers = {"Connection": "close"}
        return Answer(400, str(refused).encode(), headers, "text/html")
    return json_answer(400, {"code": refused.code, "message": str(refused)})
