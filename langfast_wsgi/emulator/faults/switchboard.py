"""Service faults: which is switched on for which service, and how often still.

``PUT /emulator/faults`` replaces the faults of the services that its body names (``null`` switches
one off). A fault with ``times`` switches itself off after it was met so often.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from langfast_wsgi.emulator.shapes import (
    COUNT,
    FLAG,
    OBJECT,
    SECONDS,
    STATUS,
    TEXT,
    BadShape,
    Table,
    checked,
    one_of,
)

HTTP_SERVICES = ("sign_up", "refresh", "password", "start", "handshake")
BODIES = ("html", "empty", "truncated", "null", "array", "lost")


@dataclass(slots=True)
class HttpFault:
    """How one HTTP service misbehaves."""

    status: int | None = None  # answer with this error
    code: str | None = None  # and this error code
    message: str | None = None
    retry_after: float | None = None
    hang: float = 0.0  # seconds before anything else
    body: str | None = None  # one of BODIES, instead of a proper answer
    change: Mapping[str, object] | None = None  # fields of a good answer; null takes one away
    times: int | None = None


@dataclass(slots=True)
class ConnectFault:
    """How a Socket.IO CONNECT is answered."""

    refuse: bool = False
    message: str = "Authentication error"
    hang: float = 0.0  # seconds of silence before the answer
    times: int | None = None


Fault = HttpFault | ConnectFault

_HTTP: Table = {
    "status": STATUS,
    "code": TEXT,
    "message": TEXT,
    "retry_after": SECONDS,
    "hang": SECONDS,
    "body": one_of(BODIES),
    "change": OBJECT,
    "times": COUNT,
}
_CONNECT: Table = {"refuse": FLAG, "message": TEXT, "hang": SECONDS, "times": COUNT}


def _made(service: str, given: object) -> Fault:
    if service == "connect":
        return ConnectFault(**checked(given, _CONNECT, service))
    if service in HTTP_SERVICES:
        return HttpFault(**checked(given, _HTTP, service))
    raise BadShape(f"{service!r} is no service; known are connect, {', '.join(HTTP_SERVICES)}")


class Switchboard:
    """The service faults that are on."""

    def __init__(self) -> None:
        self._on: dict[str, Fault] = {}

    def put(self, given: object) -> None:
        """Switch faults on or off by service; all of them or, with a :class:`BadShape`, none."""
        if not isinstance(given, dict):
            raise BadShape("the body must be an object of services")
        made = {name: _made(name, fault) for name, fault in given.items() if fault is not None}
        for name in given:
            self._on.pop(name, None)
        self._on.update(made)

    def clear(self) -> None:
        """Switch all off."""
        self._on.clear()

    def http(self, service: str) -> HttpFault | None:
        """The fault that this request meets, counted down."""
        met = self._met(service)
        return met if isinstance(met, HttpFault) else None

    def connect(self) -> ConnectFault | None:
        """The fault that this CONNECT meets, counted down."""
        met = self._met("connect")
        return met if isinstance(met, ConnectFault) else None

    def as_json(self) -> dict[str, dict[str, object]]:
        """What is on, without the fields that are not set."""
        return {
            service: {key: value for key, value in asdict(fault).items() if value is not None}
            for service, fault in self._on.items()
        }

    def _met(self, service: str) -> Fault | None:
        fault = self._on.get(service)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                del self._on[service]
        return fault
