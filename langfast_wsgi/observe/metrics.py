"""Every series, declared once. The table in ``docs/metrics.md`` is checked against these.

With several workers prometheus-client keeps the values in files of a shared folder, which
``gunicorn.conf.py`` names before anything imports this module; gauges then sum over live workers.
"""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from langfast_wsgi.settings import metrics_folder

CONTENT_TYPE = CONTENT_TYPE_LATEST

RUNS_IN_FLIGHT = Gauge(
    "langfast_runs_in_flight",
    "Runs that callers are waiting for, queueing included.",
    multiprocess_mode="livesum",
)
RUNS = Counter(
    "langfast_runs",
    "Ended runs by outcome: complete, client_gone, or the code word of the fault.",
    ["outcome"],
)
FIRST_EVENT = Histogram(
    "langfast_first_event_seconds",
    "From the request's arrival at the gateway to the first text of its run.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
RUN_SECONDS = Histogram(
    "langfast_run_seconds",
    "Length of complete runs.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
CREDENTIALS = Gauge(
    "langfast_credentials",
    "Credentials by state: ready, busy (all places taken), cooling, connecting.",
    ["state"],
    multiprocess_mode="livesum",
)
PLACES_TAKEN = Gauge("langfast_leases", "Places taken on credentials.", multiprocess_mode="livesum")
WAITING = Gauge(
    "langfast_queue_length", "Callers waiting in line for a place.", multiprocess_mode="livesum"
)
SOCKETS = Gauge("langfast_sockets", "Open sockets to the upstream.", multiprocess_mode="livesum")
CONNECTS = Counter(
    "langfast_socket_connects", "Attempts to connect a socket, by result.", ["result"]
)
SIGN_UPS = Counter(
    "langfast_sign_ups",
    "Sign-ups and sign-ins by result: granted, over_budget, or the code word of the fault.",
    ["result"],
)
REFRESHES = Counter(
    "langfast_refreshes",
    "Token refreshes by result: granted, or the fault's code word.",
    ["result"],
)
STARTS = Counter(
    "langfast_starts",
    "Calls that start a run, by result: accepted, or the fault's code word.",
    ["result"],
)
DROPPED = Counter(
    "langfast_dropped_events",
    "Upstream events that belong to no run of ours, by reason.",
    ["reason"],
)
REQUESTS = Counter(
    "langfast_requests", "Answered requests by route and status.", ["route", "status"]
)


def exposition() -> bytes:
    """All series of the instance in the Prometheus text format."""
    if not metrics_folder():
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
