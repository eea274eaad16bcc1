"""Socket.IO on top of the engine: who joins which namespace, and the closes that Node's server has.

A client that says anything before it has joined, or anything malformed, is closed at once; one that
joins nothing in time is closed, too.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Protocol

import gevent

from langfast_wsgi.emulator.sockets import messages
from langfast_wsgi.emulator.sockets.channels import How
from langfast_wsgi.emulator.sockets.events import Event
from langfast_wsgi.emulator.sockets.messages import BadMessage, Decoder, Message
from langfast_wsgi.emulator.sockets.session import Session
from langfast_wsgi.emulator.sockets.timer import Timer


class Refused(Exception):
    """A CONNECT is answered with CONNECT_ERROR: a dictionary, a text, or None for no payload."""

    def __init__(self, payload: object) -> None:
        super().__init__(payload)
        self.payload = payload


class Member:
    """One client in one namespace: a :class:`~langfast_wsgi.emulator.sockets.channels.Channel`."""

    def __init__(self, session: Session, namespace: str, who: str) -> None:
        self._session = session
        self._namespace = namespace
        self.who = who
        self.sid = secrets.token_urlsafe(15)
        self.leave: Callable[[], None] = lambda: None

    def send(self, event: Event) -> None:
        """Send an event; never blocks."""
        self._session.send(event)

    def say(self, kind: int, data: object, id: int | None = None) -> None:
        """Send a message of the namespace."""
        for packet in messages.encoded(kind, self._namespace, data, id):
            self._session.say(packet)

    def cut(self, how: How) -> None:
        """Take the connection from the client."""
        if how == "kick":
            for packet in messages.encoded(messages.DISCONNECT, self._namespace):
                self._session.say(packet)
            self.leave()
        else:
            _CUTS[how](self._session)


_CUTS: Mapping[How, Callable[[Session], None]] = {
    "abort": Session.abort,
    "close": Session.close,
    "freeze": Session.freeze,
    "no-pings": Session.stop_pings,
}


class Namespace(Protocol):
    """What can be joined."""

    def admit(self, auth: object, /) -> str:
        """Who the payload of a CONNECT names; may take its time; raises Refused."""

    def joined(self, member: Member, auth: object, /) -> None:
        """A member is in, and was told so."""

    def heard(self, member: Member, message: Message, /) -> None:
        """A member sent an event or an acknowledgement."""

    def left(self, member: Member, /) -> None:
        """A member is out."""


class Client:
    """One session and what it has joined: the session's listener."""

    def __init__(
        self,
        session: Session,
        namespaces: Mapping[str, Namespace],
        connect_timeout: float,
        lifetime: float | None,
    ) -> None:
        self._session = session
        self._namespaces = namespaces
        self._decoder = Decoder()
        self._members: dict[str, Member | None] = {}  # None while it is being decided
        self._patience = Timer()
        self._patience.start(connect_timeout, session.close)
        self._lifetime = Timer()
        if lifetime is not None:
            self._lifetime.start(lifetime, session.abort)

    def received(self, data: str | bytes, /) -> None:
        """A message came."""
        try:
            message = self._decoder.add(data)
        except BadMessage:
            self._session.close()
            return
        if message is not None:
            self._handle(message)

    def closed(self) -> None:
        """The session is over."""
        self._patience.stop()
        self._lifetime.stop()
        for name in tuple(self._members):
            self._leave(name)

    def _handle(self, message: Message) -> None:
        name = message.namespace
        member = self._members.get(name)
        if message.kind == messages.CONNECT and name not in self._members:
            self._connect(name, message.data)
        elif member is None or message.kind in (messages.CONNECT, messages.CONNECT_ERROR):
            self._session.close()
        elif message.kind == messages.DISCONNECT:
            self._leave(name)
        else:
            self._namespaces[name].heard(member, message)

    def _connect(self, name: str, auth: object) -> None:
        namespace = self._namespaces.get(name)
        if namespace is None:
            self._say(messages.CONNECT_ERROR, name, {"message": "Invalid namespace"})
            return
        self._members[name] = None
        # A greenlet of its own: while somebody is made to wait, what else it sends is heard.
        gevent.spawn(self._decide, namespace, name, auth)

    def _decide(self, namespace: Namespace, name: str, auth: object) -> None:
        try:
            who = namespace.admit(auth)
        except Refused as refused:
            self._members.pop(name, None)
            self._say(messages.CONNECT_ERROR, name, refused.payload)
            return
        if self._session.over:
            return
        self._patience.stop()
        member = Member(self._session, name, who)
        member.leave = lambda: self._leave(name)
        self._members[name] = member
        self._say(messages.CONNECT, name, {"sid": member.sid})
        namespace.joined(member, auth)

    def _leave(self, name: str) -> None:
        member = self._members.pop(name, None)
        if member is not None:
            self._namespaces[name].left(member)

    def _say(self, kind: int, name: str, data: object) -> None:
        for packet in messages.encoded(kind, name, data):
            self._session.say(packet)
