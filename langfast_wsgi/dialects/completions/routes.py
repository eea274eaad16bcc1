"""``POST /v1/completions``."""

import time

from flask import Blueprint, Response, g

from langfast_wsgi.dialects._chunks import ChoicesEncoder
from langfast_wsgi.dialects._http import (
    folded,
    folded_choices,
    read_json,
    streamed,
    tell_ignored,
)
from langfast_wsgi.dialects._openai import json_response, new_id
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects.completions.encode import ChunkEncoder, completion_body
from langfast_wsgi.dialects.completions.parse import CompletionRequest, parse


def blueprint(service: Service) -> Blueprint:
    """The routes of this dialect."""
    completions = Blueprint("langfast_completions", __name__)
    settings = service.settings

    @completions.post("/v1/completions")
    def create() -> Response:
        asked = parse(
            read_json(service),
            default_model=settings.default_model,
            reject_unsupported=settings.unsupported_params == "reject",
            caller=g.get("caller", ""),
        )
        return tell_ignored(_answer(service, asked), asked.ignored)

    return completions


def _answer(service: Service, asked: CompletionRequest) -> Response:
    gateway = service.gateway()
    first, *others = asked.runs
    events = gateway.run(
        first,
        beside=others,
        choices=asked.choices,
        count_usage=asked.include_usage or not asked.stream,
        streamed=asked.stream,
        reasks=service.settings.reask_budget,
    )
    head = new_id("cmpl-"), int(time.time()), first.model
    echoes = [echo for echo in asked.echoes for _ in range(asked.choices)]
    if asked.stream:
        mark = gateway.fingerprint(first.model)
        encoders = [
            ChunkEncoder(*head, mark, asked.include_usage, index=index, echo=echo)
            for index, echo in enumerate(echoes)
        ]
        several = ChoicesEncoder(encoders, asked.include_usage)
        return streamed(service, events, encoders[0] if len(encoders) == 1 else several)
    if len(echoes) > 1:
        completions, usage = folded_choices(service, events, len(echoes))
    else:
        completion = folded(service, events)
        completions, usage = [completion], completion.usage
    mark = gateway.fingerprint(first.model)
    return json_response(completion_body(*head, mark, completions, usage, echoes=echoes))
