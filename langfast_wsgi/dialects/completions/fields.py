"""The fields of a legacy completion's body: type and range of each, in one place.

null means that an optional field is absent. What becomes of each field stands in ``_capabilities``.
"""

from typing import Annotated

from pydantic import Field

from langfast_wsgi.dialects._fields import (
    Choices,
    Limit,
    Object,
    Penalty,
    Share,
    Stop,
    StreamOptions,
    Strict,
    Temperature,
    Text,
)
from langfast_wsgi.dialects._kind import Kind
from langfast_wsgi.dialects._rules import MOST_CHOICES

Prompts = Annotated[list[str], Field(min_length=1, max_length=MOST_CHOICES, fail_fast=True)]


class Body(Strict):
    """The body."""

    prompt: Annotated[str | Prompts, Kind("one of a string or array of strings")]
    model: Text | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    max_tokens: Limit | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Choices | None = None
    best_of: Annotated[int, Field(ge=1, le=20)] | None = None
    stop: Stop | None = None
    echo: bool | None = None

    suffix: str | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    seed: int | None = None
    logit_bias: Object | None = None
    user: str | None = None
