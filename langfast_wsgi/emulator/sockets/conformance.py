"""What the official test suites of both protocols want of a server, in place of the runner.

A namespace that lets everybody in, says what they brought with them and sends back what they send;
and a listener of the engine alone that echoes. The protocols below are those of the runner.
"""

from langfast_wsgi.emulator.sockets import messages, packets
from langfast_wsgi.emulator.sockets.messages import Message
from langfast_wsgi.emulator.sockets.server import Member
from langfast_wsgi.emulator.sockets.session import Session


class Mirror:
    """A namespace with the events ``auth``, ``message`` and ``message-with-ack``."""

    def admit(self, _auth: object, /) -> str:
        """Everybody may come in."""
        return ""

    def joined(self, member: Member, auth: object, /) -> None:
        """Say what came with the CONNECT."""
        member.say(messages.EVENT, ["auth", auth or {}])

    def heard(self, member: Member, message: Message, /) -> None:
        """Send the arguments back, as an event or as an acknowledgement."""
        if message.kind != messages.EVENT:
            return
        name, *arguments = message.data
        if name == "message":
            member.say(messages.EVENT, ["message-back", *arguments])
        elif name == "message-with-ack" and message.id is not None:
            member.say(messages.ACK, arguments, message.id)

    def left(self, _member: Member, /) -> None:
        """Nothing is kept of anybody."""


class Echo:
    """Sends each message of a session back to it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def received(self, data: str | bytes, /) -> None:
        """Send it back."""
        self._session.say(packets.MESSAGE + data if isinstance(data, str) else data)

    def closed(self) -> None:
        """Nothing is kept."""
