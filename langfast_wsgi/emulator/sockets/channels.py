"""Who is connected: the channels of each user, to all of which the user's events go."""

from typing import Literal, Protocol

from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.sockets.events import Event

# At TCP level without a word; with a close frame; by a namespace disconnect; or left open, but
# without pings or never written to again.
How = Literal["abort", "close", "kick", "no-pings", "freeze"]
HOWS: tuple[How, ...] = ("abort", "close", "kick", "no-pings", "freeze")


class Channel(Protocol):
    """One socket that has joined the namespace."""

    def send(self, event: Event) -> None:
        """Send an event; never blocks."""

    def cut(self, how: How) -> None:
        """Take the connection from the client."""


class Channels:
    """The open channels by user."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._by_user: dict[str, list[Channel]] = {}

    def join(self, user_id: str, channel: Channel) -> None:
        """From now on the channel gets the user's events."""
        self._by_user.setdefault(user_id, []).append(channel)

    def leave(self, user_id: str, channel: Channel) -> None:
        """No more events for the channel; leaving twice is fine."""
        channels = self._by_user.get(user_id, [])
        if channel in channels:
            channels.remove(channel)
        if not channels:
            self._by_user.pop(user_id, None)

    def send(self, user_id: str, event: Event) -> None:
        """Send an event to whichever sockets the user has at this moment."""
        # A copy: a channel that turns out to be closed leaves while it is sent to.
        channels = tuple(self._by_user.get(user_id, ()))
        self._counters.events += len(channels)
        for channel in channels:
            channel.send(event)

    def send_to_everyone(self, event: Event) -> None:
        """Send an event to the sockets of all users."""
        for user_id in tuple(self._by_user):
            self.send(user_id, event)

    def cut(self, user_id: str, how: How) -> None:
        """Cut all sockets that a user has at this moment."""
        for channel in tuple(self._by_user.get(user_id, ())):
            channel.cut(how)

    def cut_all(self, how: How) -> int:
        """Cut everybody; gives how many."""
        count = len(self)
        for user_id in tuple(self._by_user):
            self.cut(user_id, how)
        return count

    def __len__(self) -> int:
        return sum(map(len, self._by_user.values()))
