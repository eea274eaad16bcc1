"""``POST /v1/responses`` and ``POST /v1/responses/input_tokens``."""

import time
from functools import partial
from typing import Any

from flask import Blueprint, Response, g

from langfast_wsgi.dialects._http import folded, read_json, streamed, tell_ignored
from langfast_wsgi.dialects._openai import json_response, new_id
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects.responses.answer import begun, whole
from langfast_wsgi.dialects.responses.encode import EventEncoder
from langfast_wsgi.dialects.responses.keeping import kept_items
from langfast_wsgi.dialects.responses.parse import ResponsesRequest, parse


def blueprint(service: Service) -> Blueprint:
    """The routes of this dialect that ask a model."""
    responses = Blueprint("langfast_responses", __name__)

    @responses.post("/v1/responses")
    def create() -> Response:
        asked = _asked(service)
        return tell_ignored(_answer(service, asked), asked.ignored)

    @responses.post("/v1/responses/input_tokens")
    def count() -> Response:
        asked = _asked(service)
        tokens = service.gateway().prompt_tokens(asked.run)
        counted = json_response({"object": "response.input_tokens", "input_tokens": tokens})
        return tell_ignored(counted, asked.ignored)

    return responses


def _asked(service: Service) -> ResponsesRequest:
    settings, caller = service.settings, g.get("caller", "")
    return parse(
        read_json(service),
        default_model=settings.default_model,
        reject_unsupported=settings.unsupported_params == "reject",
        get=partial(service.responses.get, caller),
        keeps=service.responses.keeps,
        room=settings.max_body_bytes,
        media_models=settings.media_models,
        caller=caller,
    )


def _answer(service: Service, asked: ResponsesRequest) -> Response:
    gateway = service.gateway()
    events = gateway.run(
        asked.run,
        count_usage=True,
        streamed=asked.stream,
        reasks=service.settings.reask_budget,
    )
    mark = gateway.fingerprint(asked.run.model)
    response = begun(asked, new_id("resp_"), int(time.time()), mark)
    keep = partial(_keep, service, asked)
    if asked.stream:
        return streamed(service, events, EventEncoder(response, keep, time.time))
    response = whole(response, folded(service, events), time.time)
    keep(response)
    return json_response(response)


def _keep(service: Service, asked: ResponsesRequest, response: dict[str, Any]) -> None:
    if asked.store:
        items = kept_items(asked.given, response["id"])
        service.responses.put(asked.run.caller, response, items)
