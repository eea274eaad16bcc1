"""The namespace of the runner: users join it with an access token and hear their runs."""

from collections.abc import Callable

from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.history import History
from langfast_wsgi.emulator.sockets.channels import Channels
from langfast_wsgi.emulator.sockets.messages import Message
from langfast_wsgi.emulator.sockets.server import Member, Refused

Admit = Callable[[object], str]  # CONNECT payload to user id, or Refused


class Runner:
    """Lets users in; what they are sent is the business of the channels."""

    def __init__(
        self, admit: Admit, channels: Channels, counters: Counters, history: History
    ) -> None:
        self._admit = admit
        self._channels = channels
        self._counters = counters
        self._history = history

    def admit(self, auth: object, /) -> str:
        """The user whom the payload names; raises Refused."""
        try:
            return self._admit(auth)
        except Refused:
            self._counters.connects_refused += 1
            raise

    def joined(self, member: Member, _auth: object, /) -> None:
        """A user listens."""
        self._channels.join(member.who, member)
        self._counters.connects += 1
        self._history.account(member.who).connects += 1

    def heard(self, _member: Member, _message: Message, /) -> None:
        """The runner listens to nobody."""

    def left(self, member: Member, /) -> None:
        """A user listens no more."""
        self._channels.leave(member.who, member)
