"""The subjects of a measurement, started when first asked for and kept to the end."""

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks import accounting, answers, processes
from benchmarks.accounting import Usage
from benchmarks.answers import Reading
from benchmarks.certificate import certificate
from benchmarks.client import KEY, Client, Load
from benchmarks.processes import ROOT, Server, Upstream

RUNS_PER_ACCOUNT = 8  # the product's default
RTT = 0.040


@dataclass(frozen=True, slots=True)
class Round:
    """One load on one subject."""

    load: Load
    usage: Usage
    reading: Reading
    #: By how much the upstream's steps were late, 99 of 100, in seconds.
    late: float

    @property
    def per_chunk(self) -> float:
        """Microseconds of the server's CPU."""
        return self.usage.server / self.load.chunks * 1e6

    @property
    def per_request(self) -> float:
        """Milliseconds of the server's CPU."""
        return self.usage.server / self.load.requests * 1e3


class Lab:
    """Servers by name: see ``_SUBJECTS``. ``tree`` is the checkout that the gateway runs from."""

    def __init__(self, tree: Path = ROOT) -> None:
        self._tree = tree
        self._stack = ExitStack()
        self._upstreams: dict[str, Upstream] = {}
        self._servers: dict[str, Server] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, subject: str, load: Load) -> Round:
        """Put a load on a subject and check every answer. Raises WrongAnswer."""
        server, upstream = self.server(subject), self._upstream_of(subject)
        client = Client(server.port, load)
        _lateness(upstream)
        with accounting.metered(server.pid, upstream.pid) as usage:
            received = client.run()
        return Round(load, usage, answers.read(received, load), _lateness(upstream))

    def server(self, subject: str) -> Server:
        """The subject's process."""
        if subject not in self._servers:
            self._servers[subject] = _SUBJECTS[subject](self)
        return self._servers[subject]

    @contextmanager
    def starting(self, subject: str) -> Iterator[tuple[Server, float]]:
        """A gateway of its own with the default number of accounts, or a reference of that name.

        Not waited for; with the moment at which its start began.
        """
        settings = self._upstream("near").settings()
        if subject == "gateway":
            command = processes.production()
            settings = {**settings, "API_MASTER_KEY": KEY}
        else:
            command = processes.reference(subject)
        begun = time.monotonic()
        with processes.serving(command, settings, ready=None, tree=self._tree) as server:
            yield server, begun

    def adopt(self, subject: str, server: Server) -> None:
        """Name a server that was started in another way."""
        self._servers[subject] = server

    def gateway(
        self,
        behind: str = "near",
        *,
        callers: int = 1000,
        workers: int = 1,
        command: list[str] | None = None,
        per_account: int = RUNS_PER_ACCOUNT,
    ) -> Server:
        """The product, with accounts for so many callers ready."""
        upstream = self._upstream(behind)
        accounts = -(-callers // per_account)
        settings = {**upstream.settings(), **gateway_settings(accounts, workers, per_account)}
        if command:  # with a configuration from here, wherever the gateway is from
            settings["PYTHONPATH"] = str(ROOT)
        return self._stack.enter_context(
            processes.serving(
                command or processes.production(),
                settings,
                ready=processes.Accounts(accounts),
                tree=self._tree,
            )
        )

    def reference(self, name: str, behind: str = "near") -> Server:
        """The naive gateway or the floor."""
        settings = self._upstream(behind).settings()
        return self._stack.enter_context(
            processes.serving(processes.reference(name), settings, ready=processes.Ready())
        )

    def upstream(self) -> Upstream:
        """The one that most subjects have."""
        return self._upstream("near")

    def _upstream_of(self, subject: str) -> Upstream:
        near = "emulator" if "emulator" in subject else "near"
        return self._upstream(near)

    def _upstream(self, name: str) -> Upstream:
        if name not in self._upstreams:
            self._upstreams[name] = self._start_upstream(name)
        return self._upstreams[name]

    def _start_upstream(self, name: str) -> Upstream:
        enter = self._stack.enter_context
        if name == "emulator":
            return enter(processes.upstream("langfast_wsgi.emulator", "--watch-stdin"))
        if name == "near":
            return enter(processes.upstream())
        near = self._upstream("near")
        if name == "far":
            pem, front = None, [near.url, str(RTT)]
        else:  # TLS
            pem = certificate(Path(enter(tempfile.TemporaryDirectory())))
            front = [near.url, "0", str(pem)]
        proxy = enter(processes.upstream("benchmarks.proxy", *front))
        return Upstream(near.pid, proxy.url, near.anon_key, near.prompt_id, pem)


def gateway_settings(accounts: int, workers: int, per_account: int) -> dict[str, str]:
    """Enough places; all else is as it is by default, with a key as in production."""
    return {
        "API_MASTER_KEY": KEY,
        "WEB_CONCURRENCY": str(workers),
        "MIN_CREDENTIALS": str(accounts),
        "MAX_CREDENTIALS": str(accounts),
        "RUNS_PER_CREDENTIAL": str(per_account),
        "SIGNUPS_PER_HOUR": "100000",
        "MAX_RUNS": "1200",
    }


def _lateness(upstream: Upstream) -> float:
    """Of the steps since we asked last; nothing where the upstream does not say."""
    try:
        with urllib.request.urlopen(f"{upstream.url}/bench/lateness", timeout=10) as answer:
            return float(json.load(answer)["p99"])
    except (OSError, KeyError):
        return 0.0


_SUBJECTS: dict[str, Callable[[Lab], Server]] = {
    "gateway": lambda lab: lab.gateway(),
    "gateway, 8 accounts": lambda lab: lab.gateway(callers=304, per_account=38),
    "gateway, two workers": lambda lab: lab.gateway(workers=2, callers=1100),
    "gateway, TLS": lambda lab: lab.gateway("TLS", callers=304),
    "gateway, far": lambda lab: lab.gateway("far", callers=16),
    "gateway over the emulator": lambda lab: lab.gateway("emulator", callers=304),
    "naive": lambda lab: lab.reference("naive"),
    "naive, far": lambda lab: lab.reference("naive", "far"),
    "floor": lambda lab: lab.reference("floor"),
}
