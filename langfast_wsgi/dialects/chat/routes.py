"""``POST /v1/chat/completions``."""

import time

from flask import Blueprint, Response

from langfast_wsgi.dialects._http import folded, read_json, streamed
from langfast_wsgi.dialects._openai import json_response, new_id
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects.chat.encode import ChunkEncoder, completion_body
from langfast_wsgi.dialects.chat.parse import ChatRequest, parse

IGNORED_HEADER = "x-langfast-ignored-params"


def blueprint(service: Service) -> Blueprint:
    """The routes of this dialect."""
    chat = Blueprint("langfast_chat", __name__)
    settings = service.settings

    @chat.post("/v1/chat/completions")
    def create() -> Response:
        asked = parse(
            read_json(service),
            default_model=settings.default_model,
            reject_unsupported=settings.unsupported_params == "reject",
        )
        response = _answer(service, asked)
        if asked.ignored:
            response.headers[IGNORED_HEADER] = ", ".join(asked.ignored)
        return response

    return chat


def _answer(service: Service, asked: ChatRequest) -> Response:
    gateway, model = service.gateway(), asked.run.model
    events = gateway.run(asked.run, count_usage=asked.include_usage or not asked.stream)
    answer_id, created = new_id("chatcmpl-"), int(time.time())
    if asked.stream:
        mark = gateway.fingerprint(model)
        encoder = ChunkEncoder(answer_id, created, model, mark, asked.include_usage)
        return streamed(service, events, encoder)
    completion = folded(service, events)
    mark = gateway.fingerprint(model)
    return json_response(completion_body(answer_id, created, model, mark, completion))
