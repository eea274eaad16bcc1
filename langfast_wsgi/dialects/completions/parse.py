"""The body of ``POST /v1/completions`` to requests, or a 400 in OpenAI's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.dialects._capabilities.asked import check_rejected, ignored_names
from langfast_wsgi.dialects._capabilities.completions import COMPLETIONS
from langfast_wsgi.dialects._rules import (
    MOST_CHOICES,
    only_allowed_with,
    stop_words,
    too_many_choices,
)
from langfast_wsgi.dialects._validation import bad_request, missing
from langfast_wsgi.dialects.completions.fields import Body
from langfast_wsgi.errors import BadRequest


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What is to be run, one request for each prompt, and how the caller wants the answers.

    ``choices`` is how many answers each prompt gets. ``echoes``: what stands before them, by
    prompt. ``ignored`` names the fields that nobody acts on, sorted, fit for a header.
    """

    runs: Sequence[RunRequest]
    choices: int
    stream: bool
    include_usage: bool
    echoes: Sequence[str]
    ignored: tuple[str, ...]


def parse(
    body: dict[str, Any], *, default_model: str, reject_unsupported: bool, caller: str = ""
) -> CompletionRequest:
    """Check the body; each prompt becomes what a user says to a chat model."""
    _check_prompt(body.get("prompt"))
    try:
        fields = Body.model_validate(body)
    except ValidationError as error:
        raise bad_request(error) from None
    prompts = [fields.prompt] if isinstance(fields.prompt, str) else fields.prompt
    _check_together(fields, len(prompts))
    ignored = ignored_names(COMPLETIONS, body, fields, reject=reject_unsupported)
    options = fields.stream_options
    return CompletionRequest(
        runs=[_run(fields, prompt, fields.model or default_model, caller) for prompt in prompts],
        choices=fields.n or 1,
        stream=bool(fields.stream),
        include_usage=options is not None and bool(options.include_usage),
        echoes=prompts if fields.echo else [""] * len(prompts),
        ignored=ignored,
    )


def _run(fields: Body, prompt: str, model: str, caller: str) -> RunRequest:
    return RunRequest(
        model=model,
        messages=[{"role": "user", "content": prompt}],
        temperature=fields.temperature,
        top_p=fields.top_p,
        frequency_penalty=fields.frequency_penalty,
        presence_penalty=fields.presence_penalty,
        max_completion_tokens=fields.max_tokens,
        stop=stop_words(fields.stop),
        caller=caller,
    )


def _check_prompt(prompt: object) -> None:
    """What OpenAI takes and this service does not deserves a sentence of its own."""
    if prompt is None:
        raise missing("prompt")
    first = prompt[0] if isinstance(prompt, list) and prompt else None
    if isinstance(first, list) or (isinstance(first, int) and not isinstance(first, bool)):
        raise BadRequest(
            "Unsupported value: 'prompt' does not support arrays of tokens here. Send the text.",
            code="unsupported_value",
            param="prompt",
        )


def _check_together(fields: Body, prompts: int) -> None:
    """The rules that no field can check alone."""
    n = fields.n or 1
    if n * prompts > MOST_CHOICES:
        raise too_many_choices(f"{n} with {prompts} prompts" if prompts > 1 else str(n))
    if fields.best_of is not None and fields.best_of != n:
        raise BadRequest(
            f"Unsupported value: 'best_of' does not support {fields.best_of} where 'n' is {n}:"
            " answers are not ranked here.",
            code="unsupported_value",
            param="best_of",
        )
    if fields.stream_options is not None and not fields.stream:
        raise only_allowed_with("stream_options", "stream")
    check_rejected(COMPLETIONS, fields)
