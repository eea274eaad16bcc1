"""What a request puts between the provider and the caller, one stage behind the other.

Nothing stands in the way of a request that asks for plain text alone.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from langfast_wsgi.conversation.events import Event, Usage
from langfast_wsgi.conversation.order import ordered
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.stages.emulation import Emulation
from langfast_wsgi.stages.length import limited
from langfast_wsgi.stages.stop import stopped
from langfast_wsgi.stages.usage import counted, prompt_tokens

Source: TypeAlias = Generator[Event, None, None]
Stage: TypeAlias = Callable[[Iterator[Event]], Iterator[Event]]
Run: TypeAlias = Callable[[RunRequest], Source]
Messages: TypeAlias = Sequence[Mapping[str, Any]]
Answer: TypeAlias = tuple[Source, Iterator[Event]]


def asked(
    run: Run, request: RunRequest, emulation: Emulation | None, reasks: int, *, whole: bool = False
) -> Source:
    """What the model says; not before it is asked for. ``whole``: the caller waits for the end."""
    limit = request.max_completion_tokens
    if emulation is None:
        if whole and not (limit or request.stop):
            request = replace(request, whole=True)
        events = run(request)
        return limited(events, limit) if limit else events

    def ask(messages: Messages) -> Iterator[Event]:
        events = run(replace(request, messages=messages))
        return limited(events, limit) if limit else events

    return emulation.run(ask, reasks)


def stages_of(
    request: RunRequest, prompt: Messages | None, prompt_tokens: int | None = None
) -> list[Stage]:
    """What an answer goes through. ``prompt``: its tokens (if they are not known yet) and the
    answer's are to be counted.
    """
    stages: list[Stage] = []
    if request.stop:
        stages.append(partial(stopped, words=request.stop))
    if prompt is not None:
        stages.append(partial(counted, messages=prompt, prompt=prompt_tokens))
    return stages


def through(stages: Sequence[Stage], events: Iterator[Event]) -> Iterator[Event]:
    """The events behind all stages."""
    for stage in stages:
        events = stage(events)
    return events


def one_of_several(
    request: RunRequest, emulation: Emulation | None, reasks: int, count_usage: bool, run: Run
) -> Answer:
    """One of several answers, and what is to be closed behind it. Its prompt is not counted."""
    source = asked(run, request, emulation, reasks)
    return source, ordered(through(stages_of(request, () if count_usage else None), source))


def with_prompts(events: Iterator[Event], prompts: Sequence[Messages]) -> Iterator[Event]:
    """The same events, with the tokens of each prompt, once, however many answers it had."""
    for event in events:
        if isinstance(event, Usage):
            event = replace(event, prompt_tokens=sum(map(prompt_tokens, prompts)))
        yield event
