"""What a provider is: a named source of runs."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias, runtime_checkable

from langfast_wsgi.conversation.events import Event
from langfast_wsgi.conversation.request import RunRequest


class Runtime(Protocol):
    """How this process does things at once. The module ``runtime`` is one."""

    def spawn(self, task: Callable[[], None], /) -> object:
        """Run a task beside this one."""
        ...

    def new_lock(self) -> AbstractContextManager[object]:
        """A lock around a few steps that wait for nothing."""
        ...

    def receiver(self, connection: Any, /) -> "Receiver":
        """Reads a connected socket in large pieces."""
        ...


Look: TypeAlias = Callable[[bytearray, int], int]
"""Is shown so many bytes in a buffer, and says how many of them, from the first on, it has used."""


class Receiver(Protocol):
    """Called, it waits for bytes and returns what came; empty at the end. Raises OSError."""

    def __call__(self, look: Look | None = None, /) -> bytes:
        """The next piece.

        What comes may be shown to ``look`` while we wait, and only what it has not used is returned
        then. It is called in the event loop itself, so it must not wait, and must not keep the
        buffer. What it raises is raised here.
        """
        ...

    def close(self) -> None:
        """Nothing more will be read; may be called twice. The socket is not touched."""
        ...


class Places(Protocol):
    """Places for the runs of one request, taken all at once or not at all."""

    def queue(self) -> Generator[Event, None, None]:
        """Pauses until they are there. Raises GatewayError."""
        ...

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        """A run on one of them; where all are used, on one that it waits in line for."""
        ...

    def wait(self) -> bool:
        """See Bell: until there may be news in any of these runs."""
        ...

    def close(self) -> None:
        """Give back those that were not used."""
        ...


class Provider(Protocol):
    """Answers runs. Everything but ``start`` may be called from any greenlet or thread."""

    @property
    def name(self) -> str:
        """For logs and the ``owned_by`` of its models."""
        ...

    @property
    def fingerprint(self) -> str | None:
        """A visible mark for every answer, where the upstream is no real one."""
        ...

    def models(self) -> tuple[str, ...]:
        """Model ids that it offers beside the configured ones. May wait a moment at first."""
        ...

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        """One run, in legal order; a pause wherever nothing has come.

        Raises GatewayError. Closing the iterator abandons the run and frees its place.
        """
        ...

    def start(self) -> None:
        """Begin the background work of this process."""
        ...

    def stop(self) -> None:
        """End it."""
        ...

    def readiness(self) -> tuple[bool, Mapping[str, object]]:
        """Whether a run would find an account, and figures for the operator. No upstream call."""
        ...


@runtime_checkable
class Reserving(Protocol):
    """A provider that can take places for several runs at once."""

    def reserve(self, count: int, caller: str = "") -> Places:
        """Places for so many runs of one caller; nothing is done yet."""
        ...
