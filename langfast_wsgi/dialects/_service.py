"""What the dialects are handed by the composition root."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from langfast_wsgi.gateway import Gateway
from langfast_wsgi.settings import Settings


class Connection(Protocol):
    """The caller's connection."""

    def gone(self) -> bool:
        """Whether the caller has left, as far as can be known. Never blocks."""
        ...


class Outlet(Protocol):
    """A way to the caller past the server, for the middle of a chunked body."""

    def send(self, data: bytes) -> bool:
        """Send what can be sent without waiting; False where a rest is left for ``flush``."""
        ...

    def flush(self) -> None:
        """Send the rest, waiting for the caller. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept response as it was answered, and its own input items, each with an id."""

    response: dict[str, Any]
    items: list[dict[str, Any]]


class Store(Protocol):
    """Where responses are kept. Nothing of one owner's is ever shown to another."""

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        ...

    def put(self, owner: str, response: dict[str, Any], items: list[dict[str, Any]]) -> None:
        """Keep a response and its own input items, if that can be done."""
        ...

    def get(self, owner: str, response_id: str) -> Kept | None:
        """The response; None where it is unknown, expired, or another owner's."""
        ...

    def delete(self, owner: str, response_id: str) -> bool:
        """Whether it was there. Raises GatewayError where that cannot be known."""
        ...


class KeepsNothing:
    """A store that is turned off."""

    keeps = False

    def put(self, owner: str, response: dict[str, Any], items: list[dict[str, Any]]) -> None:
        """See Store."""

    def get(self, owner: str, response_id: str) -> Kept | None:  # noqa: ARG002 - see Store
        """See Store."""
        return None

    def delete(self, owner: str, response_id: str) -> bool:  # noqa: ARG002
        """See Store."""
        return False


@dataclass(frozen=True, slots=True)
class Service:
    """The gateway and what surrounds it."""

    settings: Settings
    #: The gateway of this process; its background work has begun.
    gateway: Callable[[], Gateway]
    #: The connection under a request's WSGI environ.
    connection: Callable[[Mapping[str, Any]], Connection]
    #: The outlet behind a request's start_response, once its headers are out; None: there is none.
    outlet: Callable[[object], Outlet | None]
    #: Raises TimeoutError in its block after so many seconds, where this process can do that.
    deadline: Callable[[float], AbstractContextManager[None]]
    #: No more of the body under a request's WSGI environ is taken: the connection is spent.
    refuse_body: Callable[[dict[str, Any]], None]
    #: The key in a request's environ that says that its body was read to its end.
    body_read: str
    #: What ``previous_response_id`` speaks of.
    responses: Store = field(default_factory=KeepsNothing)
