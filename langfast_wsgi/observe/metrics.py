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

from langfast_wsgi.observe import figures
from langfast_wsgi.settings import metrics_folder

CONTENT_TYPE = CONTENT_TYPE_LATEST

figures.use()

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
START_RETRIES = Counter(
    "langfast_start_retries",
    "Second attempts at a start, by result: made, or over_budget (there was none).",
    ["result"],
)
CREDENTIALS_LOST = Counter(
    "langfast_credentials_lost", "Accounts that the upstream knew no more when they were refreshed."
)
BREAKER = Gauge(
    "langfast_breaker_open",
    "Workers that turn callers away at once because the upstream cannot serve them.",
    multiprocess_mode="livesum",
)
BREAKER_OPENS = Counter(
    "langfast_breaker_opens",
    "How often callers began to be turned away, by reason: starts (20 failures in a row), accounts"
    " (three in a row were refused), restricted (the whole project), away (nobody can be reached).",
    ["reason"],
)
DROPPED = Counter(
    "langfast_dropped_events",
    "Upstream events that belong to no run of ours, by reason.",
    ["reason"],
)
REQUESTS = Counter(
    "langfast_requests", "Answered requests by route and status.", ["route", "status"]
)
LOG_LINES_DROPPED = Counter(
    "langfast_log_lines_dropped",
    "Log lines that were lost: whoever reads the log did not keep up, or its disk is full.",
)


def exposition() -> bytes:
    """All series of the instance in the Prometheus text format."""
    if not metrics_folder():
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    try:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    except (OSError, ValueError):  # the folder is gone: what this worker knows is better than 500
        return generate_latest(REGISTRY)
