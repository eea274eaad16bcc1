"""Providers that play a script, gateways over them, and what was accounted for."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client import REGISTRY

from langfast_wsgi.conversation.events import Event, Finished, Text
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import TooManyRuns
from langfast_wsgi.gateway import Gateway
from tests.support.builders import PAUSE

HELLO: list[Event | Exception] = [PAUSE, Text("Hel"), Text("lo"), Finished("stop")]


class Scripted:
    """A provider that yields a script; an exception in it is raised."""

    def __init__(
        self,
        name: str = "first",
        *script: Event | Exception,
        models: tuple[str, ...] = (),
        fingerprint: str | None = None,
        ready: bool = True,
    ) -> None:
        self.name = name
        self.script = script or tuple(HELLO)
        self.fingerprint = fingerprint
        self.begun = self.closed = 0
        self.asked: list[RunRequest] = []
        self.stopped = False
        self.ready = ready
        self._models = models
        self.between: Callable[[], None] = lambda: None

    def models(self) -> tuple[str, ...]:
        return self._models

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        self.asked.append(request)
        return self.played(self.script)

    def played(self, script: Sequence[Event | Exception]) -> Generator[Event, None, None]:
        self.begun += 1
        try:
            for one in script:
                if isinstance(one, Exception):
                    raise one
                yield one
                self.between()
        finally:
            self.closed += 1

    def start(self) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True

    def readiness(self) -> tuple[bool, Mapping[str, object]]:
        return self.ready, {"figure": 1}


class Answering(Scripted):
    """Says one text after the other; the last one for the rest."""

    def __init__(self, *texts: str) -> None:
        super().__init__("p")
        self.texts = list(texts)
        self.asked: list[RunRequest] = []
        self._kept: list[object] = []  # so that nothing is closed but by whoever closes it

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        self.asked.append(request)
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        run = self.played((PAUSE, *map(Text, text), Finished("stop")))
        self._kept.append(run)
        return run


class Reserved:
    """Places of a scripted provider."""

    def __init__(self, provider: "Reserving", count: int) -> None:
        self.provider = provider
        self.count = count
        self.closed = 0

    def queue(self) -> Generator[Event, None, None]:
        yield PAUSE
        if self.count > self.provider.places:
            raise TooManyRuns("All places are taken.")

    def run(self, request: RunRequest) -> Generator[Event, None, None]:
        return self.provider.run(request)

    def wait(self) -> bool:
        return False

    def close(self) -> None:
        self.closed += 1


class Reserving(Answering):
    """Has so many places."""

    def __init__(self, *texts: str, places: int = 8) -> None:
        super().__init__(*texts)
        self.places = places
        self.reserved: list[Reserved] = []

    def reserve(self, count: int, caller: str = "") -> Reserved:
        self.reserved.append(Reserved(self, count))
        return self.reserved[-1]


def gateway(*providers: Scripted, unknown: bool = False, most: int = 10) -> Gateway:
    return Gateway(
        providers or (Scripted(),),
        known_models=("gpt-4o-mini", "gpt-5"),
        allow_unknown_models=unknown,
        max_runs=most,
        run_timeout=600.0,
    )


def outcomes() -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "langfast_runs_total"
    }


@contextmanager
def accounted() -> Iterator[dict[str, float]]:
    """The outcomes that were counted in the block."""
    before, found = outcomes(), dict[str, float]()
    yield found
    now = outcomes()
    found.update({key: now[key] - before.get(key, 0) for key in now})
    for key in [key for key, value in found.items() if not value]:
        del found[key]
