"""What an emulator process can be told, once: the fields and the command line made from them."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of one emulator process; every field has the default of the command line."""

    host: str = "127.0.0.1"
    port: int = 0
    watch_stdin: bool = False
    replies: str | None = None
    interval: float = 0.02
    token_lifetime: int = 3600
    anon_key: str | None = None
    signups_per_hour: int | None = None
    socket_lifetime: float | None = None
    connect_timeout: float = 45.0
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    reuse_interval: float = 10.0
    job_ids: bool = True
    conformance: bool = False
    verbose: bool = False


_DEFAULT = Options()


def _seconds(text: str) -> float:
    value = float(text)
    # `not >=` also turns away NaN, which no comparison would.
    if not value >= 0 or value == float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return value


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m langfast_wsgi.emulator``."""
    made = argparse.ArgumentParser(prog="langfast_wsgi.emulator", description=__doc__)
    add = made.add_argument
    add("--host", default=_DEFAULT.host, help="address to listen on (127.0.0.1)")
    add("--port", type=_port, default=_DEFAULT.port, help="0 takes a free one")
    add("--watch-stdin", action="store_true", help="end when stdin reaches end-of-file")
    add("--replies", metavar="FILE", help="scripted replies, JSON or TOML")
    add("--interval", type=_seconds, default=_DEFAULT.interval, help="seconds between two chunks")
    add("--token-lifetime", type=_count, default=_DEFAULT.token_lifetime, help="seconds (3600)")
    add("--anon-key", help="the key that clients must send (random)")
    add("--signups-per-hour", type=_count, help="limit of anonymous sign-ups (none)")
    add("--socket-lifetime", type=_seconds, help="cut each socket after so many seconds")
    add(
        "--connect-timeout",
        type=_seconds,
        default=_DEFAULT.connect_timeout,
        metavar="SECONDS",
        help="close a socket that has not joined by then (45)",
    )
    add(
        "--ping-interval",
        type=_seconds,
        default=_DEFAULT.ping_interval,
        metavar="SECONDS",
        help="between a socket's pings (25)",
    )
    add(
        "--ping-timeout",
        type=_seconds,
        default=_DEFAULT.ping_timeout,
        metavar="SECONDS",
        help="close a socket that has not answered a ping by then (20)",
    )
    add(
        "--reuse-interval",
        type=_seconds,
        default=_DEFAULT.reuse_interval,
        metavar="SECONDS",
        help="how long a rotated refresh token is still answered (10)",
    )
    add("--no-job-ids", dest="job_ids", action="store_false", help="answer starts without jobs")
    add(
        "--conformance",
        action="store_true",
        help="sockets are what the official protocol test suites want, not the runner's",
    )
    add("--verbose", action="store_true", help="log each request to stderr")
    return made


def from_arguments(arguments: Sequence[str]) -> Options:
    """Read a command line; argparse ends the process with code 2 and a sentence on bad input."""
    return Options(**vars(parser().parse_args(arguments)))
