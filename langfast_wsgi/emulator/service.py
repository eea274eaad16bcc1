"""Composition: one emulator with its rooms wired together, ready to be served."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping

import gevent
from gevent.event import Event

from langfast_wsgi.emulator.app import App
from langfast_wsgi.emulator.auth.accounts import Accounts
from langfast_wsgi.emulator.auth.gate import Gate
from langfast_wsgi.emulator.auth.limit import HourlyBucket
from langfast_wsgi.emulator.auth.routes import AuthRoutes
from langfast_wsgi.emulator.auth.sessions import Session as AuthSession
from langfast_wsgi.emulator.auth.sessions import Sessions
from langfast_wsgi.emulator.auth.tokens import BadToken, Tokens
from langfast_wsgi.emulator.control import ControlRoutes
from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.faults.switchboard import Switchboard
from langfast_wsgi.emulator.history import History
from langfast_wsgi.emulator.options import Options
from langfast_wsgi.emulator.replies.models import model_list
from langfast_wsgi.emulator.replies.script import Script
from langfast_wsgi.emulator.runs.journal import Journal
from langfast_wsgi.emulator.runs.pacer import Pacer
from langfast_wsgi.emulator.runs.player import Player
from langfast_wsgi.emulator.runs.start import StartRoute
from langfast_wsgi.emulator.sockets.channels import Channels
from langfast_wsgi.emulator.sockets.conformance import Echo, Mirror
from langfast_wsgi.emulator.sockets.engine import Engine
from langfast_wsgi.emulator.sockets.handshakes import Handshakes
from langfast_wsgi.emulator.sockets.runner import Runner
from langfast_wsgi.emulator.sockets.server import Client, Namespace, Refused
from langfast_wsgi.emulator.sockets.session import Heartbeat, Listener, Session
from langfast_wsgi.emulator.web import Wsgi

VERSION = "1"
# Any prompt id will do; a fixed one keeps examples short.
PROMPT_ID = "e5b0a1f4-0d7e-4c62-9c43-3f1d2f6b7a10"


class Metronome:
    """The greenlet that steps the pacer's tasks when they are due."""

    def __init__(self) -> None:
        self._pacer = Pacer()
        self._added = Event()

    def schedule(self, task: Iterator[float]) -> None:
        """Play a task from now on."""
        self._pacer.add(task, time.monotonic())
        self._added.set()

    def run(self) -> None:
        """Step for ever."""
        while True:
            wait = self._pacer.run_due(time.monotonic())
            if wait == 0:
                gevent.sleep(0)
                continue
            self._added.wait(wait)
            self._added.clear()


class Doorkeeper:
    """Says who may connect a socket."""

    def __init__(self, tokens: Tokens, faults: Switchboard) -> None:
        self._tokens = tokens
        self._faults = faults

    def admit(self, auth: object) -> str:
        """The user whom the CONNECT payload names; raises Refused."""
        fault = self._faults.connect()
        if fault is not None:
            if fault.hang:
                gevent.sleep(fault.hang)
            if fault.refuse:
                raise Refused(fault.payload())
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token:
            raise Refused({"message": "Authentication error: no token"})
        try:
            return str(self._tokens.check(token)["sub"])
        except BadToken as error:
            raise Refused({"message": "Authentication error: invalid token"}) from error


class Emulator:
    """One emulator's state and its WSGI application."""

    def __init__(self, options: Options, script: Script) -> None:
        self._options = options
        self._script = script
        self._gate = Gate(options.anon_key or secrets.token_urlsafe(24))
        self._counters = Counters()
        self._history = History()
        self._faults = Switchboard()
        self._journal = Journal()
        self._channels = Channels(self._counters)
        self._tokens = Tokens(time.time, options.token_lifetime)
        self._sessions = Sessions(time.time, options.reuse_interval, self._used)
        self.metronome = Metronome()

    def info(self, url: str) -> Mapping[str, object]:
        """What the emulator tells about itself."""
        return {
            "emulator": True,
            "version": VERSION,
            "url": url,
            "anon_key": self._gate.anon_key,
            "prompt_id": PROMPT_ID,
            "models": model_list(),
        }

    def app(self, url: str) -> App:
        """The application, for an emulator that is reached at this URL."""
        return App(
            (self._auth().routes(), self._start().routes(), self._control(url).routes()),
            self._sockets(),
            gevent.sleep,
        )

    def _used(self, session: AuthSession, place: int) -> None:
        self._history.token_used(session.user_id, session.id, place)

    def _auth(self) -> AuthRoutes:
        return AuthRoutes(
            self._gate,
            self._tokens,
            Accounts(time.time, self._tokens, self._sessions),
            self._counters,
            self._history,
            self._faults,
            HourlyBucket(time.monotonic, self._options.signups_per_hour),
            gevent.sleep,
        )

    def _start(self) -> StartRoute:
        interval = self._options.interval
        return StartRoute(
            self._gate,
            self._tokens,
            self._script,
            Player(self._channels, self._journal, self._counters, self._history, interval),
            self._journal,
            self._counters,
            self._history,
            self._faults,
            self.metronome.schedule,
            gevent.sleep,
            self._options.job_ids,
        )

    def _control(self, url: str) -> ControlRoutes:
        return ControlRoutes(
            self.info(url),
            self._counters,
            self._faults,
            self._journal,
            self._history,
            self._channels,
            self._tokens,
            self._sessions,
        )

    def _sockets(self) -> Mapping[str, Wsgi]:
        if self._options.conformance:
            mirrors = {"/": Mirror(), "/custom": Mirror()}
            return {"/socket.io/": self._namespaces(mirrors), "/engine.io/": self._engine(Echo)}
        admit = Doorkeeper(self._tokens, self._faults).admit
        runner = Runner(admit, self._channels, self._counters, self._history)
        return {"/socket.io/": self._namespaces({"/": runner})}

    def _namespaces(self, namespaces: Mapping[str, Namespace]) -> Wsgi:
        options = self._options

        def client(session: Session) -> Listener:
            return Client(session, namespaces, options.connect_timeout, options.socket_lifetime)

        return self._engine(client)

    def _engine(self, listen: Callable[[Session], Listener]) -> Wsgi:
        heartbeat = Heartbeat(self._options.ping_interval, self._options.ping_timeout)
        engine = Engine(listen, heartbeat, self._faults.late, gevent.sleep)
        return Handshakes(engine, self._faults, gevent.sleep)
