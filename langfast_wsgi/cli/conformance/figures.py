"""What a gateway of this kind tells of itself in ``/metrics``, and what it shows when callers
leave.
"""

import time
from collections.abc import Callable, Mapping

from langfast_wsgi.cli.conformance.look import Look
from langfast_wsgi.cli.conformance.server import Messages, Server, Unanswered
from langfast_wsgi.cli.steps import NotDone

IN_FLIGHT = "langfast_runs_in_flight"
GONE = 'langfast_runs_total{outcome="client_gone"}'
BOUND = 3.0  # seconds: the gateway's own is 2
_EVERY = 0.05
_PATIENCE = 1.0

Figures = Mapping[str, float]


def series(server: Server) -> Figures:
    """The series by name and labels. Raises NotDone where they are not to be seen."""
    answer = server.get(f"{server.root}/metrics")
    if answer.status != 200:
        raise NotDone(f"/metrics is not to be seen from here ({answer.status})")
    lines = answer.body.decode("utf-8", "replace").splitlines()
    found: dict[str, float] = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        if name.startswith("langfast_"):
            try:
                found[name] = float(value)
            except ValueError:
                continue
    if IN_FLIGHT not in found:
        raise NotDone("/metrics tells nothing of runs in flight")
    return found


def until(server: Server, holds: Callable[[Figures], bool], seconds: float) -> bool:
    """Whether something shows in the figures within this time."""
    end = time.monotonic() + seconds
    while not holds(series(server)):
        if time.monotonic() > end:
            return False
        time.sleep(_EVERY)
    return True


def leaving(look: Look) -> None:
    """Callers leave in three windows; what the figures must show."""
    until(look.server, lambda now: not now[IN_FLIGHT], BOUND)  # what was asked before is over
    late = look.server.saying("too late", delay=30)
    slow = look.server.saying("word " * 400, chunks=400, interval=0.05)
    _left(look, "before the first text", lambda: _gives_up(look.server, late, stream=True))
    _left(look, "in mid-stream", lambda: _stops_reading(look, slow))
    _left(look, "unstreamed", lambda: _gives_up(look.server, late, stream=False))


def _left(look: Look, window: str, leave: Callable[[], None]) -> None:
    """One departure: the place is free again, and it is counted once."""
    server = look.server
    before = series(server)
    leave()
    free = until(server, lambda now: now[IN_FLIGHT] <= before[IN_FLIGHT], BOUND)
    look.must(free, f"a free place within {BOUND:g} s ({window})", "it is still taken")
    wanted = before.get(GONE, 0) + 1
    told = until(server, lambda now: now.get(GONE, 0) >= wanted, BOUND)
    look.must(told, f"one more departure in /metrics ({window})", "none")
    look.must(series(server).get(GONE, 0) == wanted, f"no more than one ({window})", "more")


def _gives_up(server: Server, messages: Messages, *, stream: bool) -> None:
    """A caller whose patience ends before anything comes."""
    try:
        server.chat({"messages": messages, "stream": stream}, seconds=_PATIENCE)
    except Unanswered:
        return


def _stops_reading(look: Look, messages: Messages) -> None:
    """A caller that leaves with the first text; until then its run is to be seen."""
    server = look.server
    idle = series(server)[IN_FLIGHT]
    shown: list[float] = []

    def enough(piece: bytes) -> bool:
        if b'"content":"w' not in piece.replace(b" ", b""):
            return False
        shown.append(series(server)[IN_FLIGHT])
        return True

    body = {"messages": messages, "stream": True}
    server.chat(body, until=enough)
    look.must(shown and shown[0] > idle, "the run among those in flight", shown)
