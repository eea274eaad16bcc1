"""What a provider is: a named source of runs."""

from collections.abc import Generator, Mapping
from typing import Protocol

from langfast_wsgi.conversation.events import Event
from langfast_wsgi.conversation.request import RunRequest


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
        """One run, in legal order; Silence at least once a second while nothing comes.

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
