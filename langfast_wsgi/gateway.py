"""The one use case: run a request and account for it exactly once.

A run is a generator of events in legal order. Its body begins with the first ``next``, so a run
that nobody asks for costs nothing; closing it is the one cancel signal. What is retried, is retried
by the provider, before the first event: after it, nothing can be taken back.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import Any

from langfast_wsgi.conversation.events import Event, Finished, Pause, Usage
from langfast_wsgi.conversation.order import OutOfOrder, ordered
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import (
    BadRequest,
    GatewayError,
    ShuttingDown,
    TooManyRuns,
    UnknownModel,
    UpstreamGarbled,
    UpstreamSilent,
)
from langfast_wsgi.observe import metrics
from langfast_wsgi.observe.pace import Pace
from langfast_wsgi.providers.base import Places, Provider, Reserving
from langfast_wsgi.stages.choices import side_by_side
from langfast_wsgi.stages.emulation import Emulation, emulation_of
from langfast_wsgi.stages.length import limited
from langfast_wsgi.stages.stop import stopped
from langfast_wsgi.stages.usage import counted, prompt_tokens

log = logging.getLogger(__name__)

Stage = Callable[[Iterator[Event]], Iterator[Event]]
Source = Generator[Event, None, None]
Run = Callable[[RunRequest], Source]
Messages = Sequence[Mapping[str, Any]]
Answer = tuple[Source, Iterator[Event]]


class Gateway:
    """Runs requests on the provider that serves their model."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        known_models: Sequence[str],
        allow_unknown_models: bool,
        max_runs: int,
        run_timeout: float,
    ) -> None:
        self._providers = tuple(providers)
        self._known_models = tuple(known_models)
        self._allow_unknown_models = allow_unknown_models
        self._max_runs = max_runs
        self._run_timeout = run_timeout
        self.in_flight = 0
        self._pace = Pace()
        #: No new runs; the process is about to end.
        self.draining = False
        #: Open runs end now, with ShuttingDown.
        self.closing = False

    def __repr__(self) -> str:
        return f"<Gateway {self.in_flight} runs>"

    def models(self) -> dict[str, str]:
        """All model ids, each with the name of its owner."""
        first = self._providers[0]
        models = dict.fromkeys(self._known_models, first.name)
        for provider in self._providers:
            owner = provider.fingerprint or provider.name
            models.update((model, owner) for model in provider.models() if model not in models)
        return models

    def provider_of(self, model: str) -> Provider:
        """Who serves this model. Raises UnknownModel."""
        for provider in self._providers:
            if model in self._known_models or model in provider.models():
                return provider
        if self._allow_unknown_models:
            return self._providers[0]
        raise UnknownModel(
            f"The model '{model[:100]}' does not exist or you do not have access to it.",
            param="model",
        )

    def fingerprint(self, model: str) -> str | None:
        """The mark that answers of this model bear; None for a real upstream."""
        return self.provider_of(model).fingerprint

    def prompt_tokens(self, request: RunRequest) -> int:
        """Tokens of what the model is asked. Raises GatewayError, as ``run`` would."""
        self.provider_of(request.model)
        emulation = emulation_of(request, streamed=False)
        return prompt_tokens(emulation.messages if emulation else request.messages)

    def readiness(self) -> tuple[bool, dict[str, object]]:
        """Whether a run would be served, and figures for the operator."""
        answers = {provider.name: provider.readiness() for provider in self._providers}
        ready = not self.draining and all(ready for ready, _ in answers.values())
        figures: dict[str, object] = {name: detail for name, (_, detail) in answers.items()}
        return ready, {"draining": self.draining, "runs_in_flight": self.in_flight, **figures}

    def room(self) -> tuple[int, int, float]:
        """How many runs are taken at once, how many more there would be now, and the seconds until
        all of these have ended: as fast as they did lately, and for sure within RUN_TIMEOUT.
        """
        left = 0 if self.draining else max(self._max_runs - self.in_flight, 0)
        wait = 0.0
        if self.in_flight:
            rate = self._pace.rate()
            wait = min(self.in_flight / rate, self._run_timeout) if rate else self._run_timeout
        return self._max_runs, left, wait

    def stop(self) -> None:
        """End the providers' background work."""
        for provider in self._providers:
            provider.stop()

    def run(
        self,
        request: RunRequest,
        *,
        beside: Sequence[RunRequest] = (),
        choices: int = 1,
        count_usage: bool = False,
        streamed: bool = False,
        reasks: int = 1,
    ) -> Generator[Event, None, None]:
        """The events of one run. Raises GatewayError: at once, with the first event, or later.

        ``choices``: how many answers; several come side by side (see ``Chosen``). ``beside``: more
        requests of this model and caller, each with as many answers, numbered on. ``streamed``:
        somebody is served by JSON that comes bit by bit. ``reasks``: how often the model may be
        asked again for a tool call or JSON that fits.
        """
        provider = self.provider_of(request.model)
        if choices > 1 or beside:
            return self._run_all(
                provider, [request, *beside], choices, count_usage, streamed, reasks
            )
        emulation = emulation_of(request, streamed=streamed)
        messages = emulation.messages if emulation else request.messages
        stages = _stages(request, messages if count_usage else None)
        return self._accounted(_source(provider.run, request, emulation, reasks), stages)

    def _run_all(
        self,
        provider: Provider,
        requests: Sequence[RunRequest],
        choices: int,
        count_usage: bool,
        streamed: bool,
        reasks: int,
    ) -> Source:
        """So many answers to each request, on places that are taken all at once."""
        places = len(requests) * choices
        if not isinstance(provider, Reserving):
            raise BadRequest(
                f"Unsupported value: {places} answers at once are not supported with this model.",
                code="unsupported_value",
                param="n",
            )
        answers: list[Callable[[Run], Answer]] = []
        prompts: list[Messages] = []
        for request in requests:
            emulation = emulation_of(request, streamed=streamed)
            prompts.append(emulation.messages if emulation else request.messages)
            answers += [partial(_answer, request, emulation, reasks, count_usage)] * choices
        stages: list[Stage] = [partial(_with_prompts, prompts=prompts)] if count_usage else []
        reserve = partial(provider.reserve, places, requests[0].caller)
        return self._accounted(_several(reserve, answers), stages, places)

    def _accounted(
        self, source: Source, stages: Sequence[Stage], places: int = 1
    ) -> Generator[Event, None, None]:
        begun = time.monotonic()
        outcome = "internal_error"
        self._admit(places)
        try:
            with closing(source):
                yield from ordered(_through(stages, self._guarded(source, begun)))
            outcome = "complete"
        except OutOfOrder as error:
            outcome = "upstream_bad_response"
            log.exception("events out of order")
            raise UpstreamGarbled("The upstream's answer has no end.") from error
        except GatewayError as fault:
            outcome = fault.code or "refused_prompt"
            raise
        except GeneratorExit:
            outcome = "client_gone"  # whoever closes the iterator before its end has left
            raise
        finally:
            self.in_flight -= places
            self._pace.done()
            metrics.RUNS_IN_FLIGHT.dec(places)
            metrics.RUNS.labels(outcome).inc()
            if outcome == "complete":
                metrics.RUN_SECONDS.observe(time.monotonic() - begun)

    def _admit(self, places: int) -> None:
        fault: GatewayError | None = None
        if self.draining:
            fault = ShuttingDown("The gateway is shutting down.", retry_after=1)
        elif self.in_flight + places > self._max_runs:
            again = self._pace.wait_for(1)
            fault = TooManyRuns(
                "Too many runs are in flight. Try again shortly.", retry_after=again
            )
        if fault is not None:
            metrics.RUNS.labels(fault.code).inc()
            raise fault
        self.in_flight += places
        metrics.RUNS_IN_FLIGHT.inc(places)

    def _guarded(self, events: Iterator[Event], begun: float) -> Iterator[Event]:
        """The whole run's deadline and the drain, looked at with every event."""
        deadline = begun + self._run_timeout
        waiting = True
        for event in events:
            if waiting and not isinstance(event, Pause):
                waiting = False
                metrics.FIRST_EVENT.observe(time.monotonic() - begun)
            yield event
            if self.closing and not isinstance(event, Finished):
                raise ShuttingDown("The gateway is shutting down.", retry_after=1)
            if time.monotonic() > deadline and not isinstance(event, Finished):
                raise UpstreamSilent("The run took longer than the gateway allows.")


def _through(stages: Sequence[Stage], events: Iterator[Event]) -> Iterator[Event]:
    for stage in stages:
        events = stage(events)
    return events


def _source(run: Run, request: RunRequest, emulation: Emulation | None, reasks: int) -> Source:
    """What the model says; not before it is asked for. Nothing here keeps a plain request."""
    limit = request.max_completion_tokens
    if emulation is None:
        events = run(request)
        return limited(events, limit) if limit else events

    def ask(messages: Messages) -> Iterator[Event]:
        events = run(replace(request, messages=messages))
        return limited(events, limit) if limit else events

    return emulation.run(ask, reasks)


def _stages(request: RunRequest, prompt: Messages | None) -> list[Stage]:
    """What an answer goes through. ``prompt``: its tokens and the answer's are to be counted."""
    stages: list[Stage] = []
    if request.stop:
        stages.append(partial(stopped, words=request.stop))
    if prompt is not None:
        stages.append(partial(counted, messages=prompt))
    return stages


def _answer(
    request: RunRequest, emulation: Emulation | None, reasks: int, count_usage: bool, run: Run
) -> Answer:
    """One of several answers, and what is to be closed behind it. Its prompt is not counted."""
    source = _source(run, request, emulation, reasks)
    return source, ordered(_through(_stages(request, () if count_usage else None), source))


def _several(reserve: Callable[[], Places], answers: Sequence[Callable[[Run], Answer]]) -> Source:
    """Several answers side by side. None begins before there is a place for each."""
    with ExitStack() as stack:
        places = stack.enter_context(closing(reserve()))
        yield from places.queue()
        streams: list[Iterator[Event]] = []
        for answer in answers:
            source, events = answer(places.run)
            stack.enter_context(closing(source))
            streams.append(events)
        yield from side_by_side(streams, places.wait)


def _with_prompts(events: Iterator[Event], prompts: Sequence[Messages]) -> Iterator[Event]:
    """The same events, with the tokens of each prompt, once, however many answers it had."""
    for event in events:
        if isinstance(event, Usage):
            event = replace(event, prompt_tokens=sum(map(prompt_tokens, prompts)))
        yield event
