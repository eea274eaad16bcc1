"""The one use case: run a request and account for it exactly once.

A run is a generator of events in legal order. Its body begins with the first ``next``, so a run
that nobody asks for costs nothing; closing it is the one cancel signal. What is retried, is retried
by the provider, before the first event: after it, nothing can be taken back.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial

from langfast_wsgi.conversation.events import Event, Pause
from langfast_wsgi.conversation.order import (
    NEXT,
    OVER,
    OutOfOrder,
    State,
    after,
    at_the_end,
)
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
from langfast_wsgi.stages.emulation import emulation_of
from langfast_wsgi.stages.pipeline import (
    Answer,
    Messages,
    Run,
    Source,
    Stage,
    asked,
    one_of_several,
    stages_of,
    through,
    with_prompts,
)
from langfast_wsgi.stages.usage import prompt_tokens

log = logging.getLogger(__name__)


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
        prompt_tokens: int | None = None,
        streamed: bool = True,
        reasks: int = 1,
    ) -> Generator[Event, None, None]:
        """The events of one run. Raises GatewayError: at once, with the first event, or later.

        ``choices``: how many answers; several come side by side (see ``Chosen``). ``beside``: more
        requests of this model and caller, each with as many answers, numbered on.
        ``prompt_tokens``: what one request asks, where it was counted already. ``streamed``:
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
        stages = stages_of(request, messages if count_usage else None, prompt_tokens)
        source = asked(provider.run, request, emulation, reasks, whole=not streamed)
        return self._accounted(source, stages)

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
            answers += [partial(one_of_several, request, emulation, reasks, count_usage)] * choices
        stages: list[Stage] = [partial(with_prompts, prompts=prompts)] if count_usage else []
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
                yield from self._guarded(through(stages, source), begun)
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
        """The legal order, the whole run's deadline and the drain, looked at with every event.

        One loop for all three: each loop of its own would cost every chunk as much as its encoding.
        """
        deadline = begun + self._run_timeout
        is_waiting, is_over = True, False
        state = State.OPEN
        usual = NEXT[state]
        for event in events:
            if usual.get(type(event)) is not state:
                state = after(state, event)
                usual = NEXT[state]
                is_over = state in OVER
            if is_waiting and not isinstance(event, Pause):
                is_waiting = False
                metrics.FIRST_EVENT.observe(time.monotonic() - begun)
            yield event
            if is_over:
                continue
            if self.closing:
                raise ShuttingDown("The gateway is shutting down.", retry_after=1)
            if time.monotonic() > deadline:
                raise UpstreamSilent("The run took longer than the gateway allows.")
        at_the_end(state)


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
