"""P8: eight network faults on four ways, before a request and in its midst: 64 cells.

The ways: ``auth`` (a sign-up while the pool is empty), ``start`` (the call that starts a run),
``socket`` (Socket.IO) and ``client`` (between the caller and the gateway). *Before*: no connection
of that way is open, and new ones meet the fault. *During*: it comes after so many bytes, or when
the caller has seen the first text.

The table says what the caller sees, in the words of ``outcomes``; beside it stand rows of the fault
catalogue. In every cell the caller hears in time, what text it got is a beginning of the true one,
nothing stays in flight, no run is made twice or for a caller that was refused, and once the fault
is gone the next request is served.
"""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.fault_link import Dose
from tests.support.fault_proxy import FaultProxy, running_proxy
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.outcomes import BROKEN, LEFT, WHOLE, Question
from tests.support.stream import steer
from tests.support.toxics import (
    Bandwidth,
    Direction,
    Down,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)

TEXT = "Ein längerer Text mit 😀, der in vielen Stücken kommt und also lange unterwegs ist. " * 2
RUN = {"chunks": 12, "interval": 0.04}
IN_TIME = 6.0  # the longest of all limits below and their sums is 3 s
RECOVERED = 10.0
DEADLINES = {
    "CONNECT_TIMEOUT": 1.2,
    "SIGNUP_TIMEOUT": 1.2,
    "START_TIMEOUT": 1.2,
    "RUN_IDLE_TIMEOUT": 1.2,
    "QUEUE_TIMEOUT": 1.5,
    "BODY_TIMEOUT": 1,
    "WRITE_TIMEOUT": 1,
    "HEARTBEAT_SECONDS": 0.3,
    "SIGNUPS_PER_HOUR": 1000,
    "MAX_CREDENTIALS": 1,
}

Expected: TypeAlias = str | tuple[str, ...]
AWAY = "503 upstream_unavailable RA"
# Either the caller's patience is over first, or that of the gateway, which then fails fast (P5).
EMPTY = ("503 no_credentials_available RA", AWAY)
EMPTY_EVENT = ("event no_credentials_available", "event upstream_unavailable", *EMPTY)
CUT = "502 upstream_error NR"
LATE = "504 upstream_timeout NR"


@dataclass(frozen=True)
class Cell:
    """A fault, and what may come of it."""

    toxic: Toxic
    expected: Expected
    direction: Direction = "downstream"
    stream: bool = False
    lasting: bool = True  # also for connections to come
    run: Mapping[str, Any] = field(default_factory=dict)  # changes to the steering message
    faults: Mapping[str, Any] = field(default_factory=dict)
    dropped: bool = False  # the upstream cuts its sockets once the fault is there
    headers: Mapping[str, str] = field(default_factory=dict)
    repeated: int = 1  # the text, to make it long
    endless: bool = False  # the caller would read for ever: it is cut off once the gateway is free

    @property
    def allowed(self) -> tuple[str, ...]:
        """What may come of it, one or several."""
        return self.expected if isinstance(self.expected, tuple) else (self.expected,)

    @property
    def question(self) -> Question:
        """What is asked."""
        text = TEXT * self.repeated
        content = steer(text, **{**RUN, **self.run})
        return Question(content, text, self.stream, self.headers, leaves=self.expected == LEFT)


def streamed(
    toxic: Toxic, expected: Expected, direction: Direction = "downstream", **rest: Any
) -> Cell:
    return Cell(toxic, expected, direction, stream=True, **rest)


QUICK = Question(steer(TEXT, interval=0), TEXT)
LONG = {"interval": 0.1}  # long enough for a new socket in its midst
CELLS: dict[tuple[str, str], dict[str, Cell]] = {
    # A sign-up that fails is tried again after a pause that is longer than callers wait (A2, A3).
    ("auth", "before"): {
        "latency": streamed(Latency(0.1, jitter=0.05), WHOLE),
        "down": Cell(Down(), EMPTY),
        "bandwidth": streamed(Bandwidth(4000), WHOLE),
        "slow_close": Cell(SlowClose(0.3), WHOLE),
        "timeout": Cell(Timeout(), EMPTY),  # A4
        "reset_peer": streamed(ResetPeer(), EMPTY),
        "slicer": Cell(Slicer(10, 5, 0.002), WHOLE),
        "limit_data": streamed(LimitData(0), EMPTY),
    },
    ("auth", "during"): {
        "latency": Cell(Latency(0.3, after_bytes=300), WHOLE),
        "down": streamed(Down(after_bytes=300), EMPTY),
        "bandwidth": Cell(Bandwidth(20, after_bytes=300), EMPTY),  # A4: it drips
        # The answer is lost, and that the connection was closed is not told.
        "slow_close": Cell(SlowClose(5), EMPTY, faults={"sign_up": {"body": "lost", "times": 1}}),
        "timeout": Cell(Timeout(0.4, after_bytes=300), EMPTY),
        "reset_peer": streamed(ResetPeer(0.2, after_bytes=300), EMPTY),
        "slicer": streamed(Slicer(10, 5, 0.002, after_bytes=100), WHOLE, "upstream"),
        "limit_data": Cell(LimitData(500), EMPTY),  # A5
    },
    # What was cut or is late may have been started: no second try (B10). Refused: one (B14).
    ("start", "before"): {
        "latency": streamed(Latency(0.1, jitter=0.05), WHOLE),
        "down": Cell(Down(), AWAY),  # B14
        "bandwidth": streamed(Bandwidth(2000), WHOLE),
        "slow_close": streamed(SlowClose(0.3), WHOLE),
        "timeout": streamed(Timeout(), "event upstream_timeout"),  # B10
        "reset_peer": Cell(ResetPeer(0.1), CUT),
        "slicer": streamed(Slicer(10, 5, 0.002), WHOLE),
        "limit_data": Cell(LimitData(0), CUT),
    },
    ("start", "during"): {
        "latency": Cell(Latency(0.3, after_bytes=150), WHOLE),
        "down": Cell(Down(after_bytes=400), CUT, "upstream"),
        "bandwidth": Cell(Bandwidth(20, after_bytes=100), LATE),  # B15
        "slow_close": Cell(SlowClose(0.3), CUT, run={"fault": "start-lost"}),
        "timeout": Cell(Timeout(after_bytes=150), LATE),  # B10
        "reset_peer": streamed(ResetPeer(after_bytes=150), CUT),
        "slicer": Cell(Slicer(10, 5, 0.002, after_bytes=200), WHOLE, "upstream"),
        "limit_data": streamed(LimitData(250), CUT),
    },
    # Callers wait in line while there is no socket: so not 504 (C4) but the line's own 503, and no
    # run is wasted (C1). In mid-run a new socket brings what is missing (C5, C6), if there is one.
    ("socket", "before"): {
        "latency": Cell(Latency(0.1), WHOLE),  # C2
        "down": Cell(Down(), EMPTY),  # C1
        "bandwidth": Cell(Bandwidth(4000), WHOLE),
        "slow_close": streamed(SlowClose(0.3), WHOLE, dropped=True, run=LONG),  # it is lost already
        "timeout": Cell(Timeout(), EMPTY),  # C4
        "reset_peer": streamed(ResetPeer(), EMPTY_EVENT),
        "slicer": streamed(Slicer(10, 5, 0.002), WHOLE),
        "limit_data": Cell(LimitData(100), EMPTY),
    },
    ("socket", "during"): {
        "latency": streamed(Latency(0.3, jitter=0.2), WHOLE),
        "down": streamed(Down(), "event upstream_disconnected"),  # C6
        "bandwidth": streamed(Bandwidth(10), "event upstream_timeout"),  # C26
        "slow_close": Cell(SlowClose(0.4), WHOLE, run={**LONG, "fault": "drop", "at": 3}),
        "timeout": streamed(Timeout(), "event upstream_timeout"),  # C10
        "reset_peer": Cell(ResetPeer(), WHOLE, lasting=False, run=LONG),  # C5
        "slicer": Cell(Slicer(3, 2, 0.001), WHOLE),
        "limit_data": streamed(LimitData(300), WHOLE, lasting=False, run=LONG),  # C6
    },
    ("client", "before"): {
        "latency": streamed(Latency(0.1, jitter=0.05), WHOLE),
        "down": Cell(Down(), BROKEN),
        "bandwidth": Cell(Bandwidth(4000), WHOLE),
        "slow_close": streamed(SlowClose(0.3), WHOLE, headers={"Connection": "close"}),
        "timeout": Cell(Timeout(0.3), BROKEN, "upstream"),
        "reset_peer": streamed(ResetPeer(0.1), BROKEN),
        "slicer": Cell(Slicer(10, 5, 0.002), WHOLE, "upstream"),
        "limit_data": Cell(LimitData(600), BROKEN),  # in the body
    },
    ("client", "during"): {
        "latency": streamed(Latency(0.3, jitter=0.2), WHOLE),
        "down": streamed(Down(), BROKEN),
        "bandwidth": streamed(Bandwidth(10), BROKEN, repeated=30_000, endless=True),  # D4
        "slow_close": streamed(SlowClose(0.4), LEFT, "upstream"),  # D3
        "timeout": Cell(Timeout(after_bytes=400), "408 request_timeout NR", "upstream"),  # D6
        "reset_peer": Cell(ResetPeer(), BROKEN),  # D3
        "slicer": streamed(Slicer(3, 2, 0.001), WHOLE),
        "limit_data": streamed(LimitData(600), BROKEN),
    },
}


class Way:
    """A gateway, with a proxy on the way that is to be disturbed."""

    def __init__(
        self, name: str, gateway: GatewayProcess, upstream: EmulatorProcess, proxy: FaultProxy
    ) -> None:
        self.name = name
        self.gateway = gateway
        self.upstream = upstream
        self.proxy = proxy
        self.dose: Dose | None = None
        self._base = proxy.url if name == "client" else gateway.url

    def __repr__(self) -> str:
        return f"<Way {self.name}>"

    def census(self) -> dict[str, int]:
        """The gateway's accounts by state, places taken, and callers in line."""
        return dict(self.gateway.get("/readyz").json()["langfast"]["credentials"])

    def has_account(self) -> bool:
        """Whether there is one that a run could be started on."""
        census = self.census()
        return census["ready"] + census["busy"] > 0

    def is_free(self) -> bool:
        """Nothing is in flight or in line, no place is taken."""
        census = self.census()
        in_flight = self.gateway.metrics()["langfast_runs_in_flight"]
        return (in_flight, census["taken"], census["waiting"]) == (0, 0, 0)

    def serves(self) -> bool:
        """Whether a request is answered."""
        return QUICK.ask(self._base, IN_TIME) == WHOLE

    def lose_account(self) -> None:
        """The upstream knows it no more, and the gateway found out.

        Where one is kept ready, a new one is made, which has no sockets in its past that were
        lost soon: after three of those there are pauses.
        """
        signed_up = self.upstream.stats()["sign_ups"]
        self.upstream.revoke_tokens()
        assert not self.serves()
        if self.name == "auth":
            wait_for(lambda: not self.has_account(), "the pool to be empty")
        else:
            wait_for(lambda: self.upstream.stats()["sign_ups"] > signed_up, "a new account")
            wait_for(self.has_account, "its socket")

    def begin(self, cell: Cell) -> None:
        """From now on the network has this fault."""
        self.dose = self.proxy.add(cell.toxic, cell.direction, lasting=cell.lasting)

    def renew_connections(self) -> None:
        """End what is open; the gateway knows it when it has no account or tries to connect."""
        accepted = self.proxy.accepted
        self.proxy.cut()
        if self.name == "socket":
            wait_for(
                lambda: self.proxy.accepted > accepted or not self.has_account(),
                "the gateway to have noticed",
            )

    def ask(self, cell: Cell) -> str:
        """What the caller sees."""
        return cell.question.ask(self._base, IN_TIME)

    def ask_and_begin(self, cell: Cell) -> str:
        """The same, but the fault begins when there is a first text."""
        said = self.upstream.stats()["events"]

        def begin_in_time() -> None:
            wait_for(lambda: self.upstream.stats()["events"] > said + 1, "text under way")
            self.begin(cell)

        def release() -> None:
            wait_for(self.is_free, "the gateway to be free though its caller is not")
            self.proxy.cut()

        with ThreadPoolExecutor() as beside:
            tasks = [] if cell.stream else [beside.submit(begin_in_time)]

            def at_first_text() -> None:
                self.begin(cell)
                if cell.endless:
                    tasks.append(beside.submit(release))

            seen = cell.question.ask(self._base, IN_TIME, at_first_text)
        for task in tasks:
            task.result()
        return seen


@pytest.fixture(scope="module")
def ways() -> Iterator[dict[str, Way]]:
    """Two gateways: one keeps no account ready, so that a caller has to wait for a sign-up."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(running_emulator()) for _ in range(2))
        auth, start, socket = (
            stack.enter_context(running_proxy(upstream.url)) for upstream in (one, other, other)
        )
        settings: dict[str, Any] = {**DEADLINES, "SUPABASE_URL": auth.url, "MIN_CREDENTIALS": 0}
        empty = stack.enter_context(running_gateway(one, **settings))
        urls = {"SUPABASE_URL": start.url, "SOCKET_URL": socket.url}
        settings = {**DEADLINES, **urls, "MIN_CREDENTIALS": 1, "FIRST_BYTE_TIMEOUT": 0.6}
        full = stack.enter_context(running_gateway(other, **settings))
        client = stack.enter_context(running_proxy(full.url))
        yield {
            "auth": Way("auth", empty, one, auth),
            "start": Way("start", full, other, start),
            "socket": Way("socket", full, other, socket),
            "client": Way("client", full, other, client),
        }


@pytest.fixture
def way(ways: dict[str, Way], name: str) -> Iterator[Way]:
    """In order, and left without a fault."""
    one = ways[name]
    wait_for(one.serves, "service")
    if name in ("auth", "socket"):
        one.lose_account()
    try:
        yield one
    finally:
        one.proxy.clear()
        one.upstream.clear_faults()


@pytest.mark.parametrize(
    ("name", "phase", "cell"),
    [
        pytest.param(name, phase, cell, id=f"{fault}-{name}-{phase}")
        for (name, phase), cells in CELLS.items()
        for fault, cell in cells.items()
    ],
)
def test_p8_a_network_fault_ends_in_a_whole_answer_or_a_proper_error(
    way: Way, phase: str, cell: Cell
) -> None:
    started = way.upstream.started()
    way.upstream.faults(**cell.faults)
    at_first_text = phase == "during" and way.name in ("socket", "client")
    at_first_text = at_first_text and not cell.toxic.after_bytes
    if not at_first_text:
        way.begin(cell)
    if cell.dropped:
        way.upstream.drop_sockets()
    elif phase == "before":
        way.renew_connections()
    began = time.monotonic()
    seen = way.ask_and_begin(cell) if at_first_text else way.ask(cell)
    assert time.monotonic() - began < IN_TIME
    assert seen in cell.allowed
    wait_for(lambda: way.dose and way.dose.met, "the fault to be met")
    wait_for(way.is_free, "the gateway to be free", 4)
    accepted = way.upstream.started() - started
    assert accepted <= (0 if "no_credentials" in seen or "unavailable" in seen else 1)

    way.proxy.clear()
    way.upstream.clear_faults()
    wait_for(way.serves, "service", RECOVERED)
    wait_for(way.is_free, "the gateway to be free again", 4)


def test_p8_the_table_has_all_its_cells() -> None:
    faults = {fault for cells in CELLS.values() for fault in cells}
    assert len(CELLS) == 8
    assert all(set(cells) == faults for cells in CELLS.values())
    assert len(faults) == 8
