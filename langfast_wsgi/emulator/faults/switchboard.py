"""Service faults: which is switched on for which service, and how often still.

``PUT /emulator/faults`` replaces the faults of the services that its body names (``null`` switches
one off). A fault with ``times`` switches itself off after it was met so often.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from langfast_wsgi.emulator.shapes import (
    ANYTHING,
    COUNT,
    FLAG,
    LINE,
    OBJECT,
    SECONDS,
    STATUS,
    TEXT,
    WAIT,
    BadShape,
    Table,
    checked,
    one_of,
)

# What is answered instead of a proper answer; of a lost one the work is done, of a cut one not.
GARBLED = ("html", "empty", "truncated", "null", "array", "garbage", "huge", "bad-key")
BODIES = (*GARBLED, "cut", "lost")
SHAPES = ("object", "text", "empty", "bare")


@dataclass(slots=True)
class HttpFault:
    """How one HTTP service misbehaves."""

    status: int | None = None  # answer with this error
    code: str | None = None  # and this error code
    message: str | None = None
    retry_after: float | str | None = None
    location: str | None = None
    hang: float = 0.0  # seconds before anything else
    drip: float | None = None  # seconds between two bytes of the answer
    body: str | None = None  # one of BODIES, instead of a proper answer
    change: Mapping[str, object] | None = None  # fields of a good answer; null takes one away
    times: int | None = None


@dataclass(slots=True)
class OpenFault:
    """How late the open packet of a session is."""

    hang: float = 0.0
    times: int | None = None


@dataclass(slots=True)
class ConnectFault:
    """How a Socket.IO CONNECT is answered."""

    refuse: bool = False
    message: str = "Authentication error"
    data: Any = None  # what goes with the message in a refusal that is an object
    shape: str = "object"  # one of SHAPES
    hang: float = 0.0  # seconds of silence before the answer
    times: int | None = None

    def payload(self) -> object:
        """What CONNECT_ERROR carries; None for nothing at all."""
        if self.shape != "object":
            return {"text": self.message, "empty": {}}.get(self.shape)
        data = {} if self.data is None else {"data": self.data}
        return {"message": self.message, **data}


Fault = HttpFault | OpenFault | ConnectFault
F = TypeVar("F", HttpFault, OpenFault, ConnectFault)

_REQUEST: Table = {
    "status": STATUS,
    "code": TEXT,
    "message": TEXT,
    "retry_after": WAIT,
    "location": LINE,
    "hang": SECONDS,
    "body": one_of(BODIES),
    "times": COUNT,
}
_CALL: Table = {**_REQUEST, "drip": SECONDS, "change": OBJECT}
_LATE: Table = {"hang": SECONDS, "times": COUNT}
_CONNECT: Table = {
    "refuse": FLAG,
    "message": TEXT,
    "data": ANYTHING,
    "shape": one_of(SHAPES),
    **_LATE,
}
_SERVICES: Mapping[str, tuple[type[Fault], Table]] = {
    "sign_up": (HttpFault, _CALL),
    "refresh": (HttpFault, _CALL),
    "password": (HttpFault, _CALL),
    "start": (HttpFault, _CALL),
    "handshake": (HttpFault, _REQUEST),
    "open": (OpenFault, _LATE),
    "connect": (ConnectFault, _CONNECT),
}
SERVICES = tuple(_SERVICES)
KEYS = tuple(dict.fromkeys((*_CALL, *_CONNECT)))


def _made(service: str, given: object) -> Fault:
    if service not in _SERVICES:
        raise BadShape(f"{service!r} is no service; known are {', '.join(SERVICES)}")
    kind, table = _SERVICES[service]
    return kind(**checked(given, table, service))


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
        return self._met(service, HttpFault)

    def late(self) -> float:
        """The seconds by which the open packet of this session is late."""
        met = self._met("open", OpenFault)
        return 0.0 if met is None else met.hang

    def connect(self) -> ConnectFault | None:
        """The fault that this CONNECT meets, counted down."""
        return self._met("connect", ConnectFault)

    def as_json(self) -> dict[str, dict[str, object]]:
        """What is on, without the fields that are not set."""
        return {
            service: {key: value for key, value in asdict(fault).items() if value is not None}
            for service, fault in self._on.items()
        }

    def _met(self, service: str, kind: type[F]) -> F | None:
        fault = self._on.get(service)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                del self._on[service]
        return fault if isinstance(fault, kind) else None
