"""``POST /v1/chat/completions``."""

import time
from collections.abc import Sequence

from flask import Blueprint, Response, g

from langfast_wsgi.conversation.events import Usage
from langfast_wsgi.conversation.fold import Completion
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
from langfast_wsgi.dialects._stream import Events
from langfast_wsgi.dialects.chat.encode import ChunkEncoder, completion_body
from langfast_wsgi.dialects.chat.parse import ChatRequest, parse


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
            media_models=settings.media_models,
            caller=g.get("caller", ""),
        )
        return tell_ignored(_answer(service, asked), asked.ignored)

    return chat


def _answer(service: Service, asked: ChatRequest) -> Response:
    gateway = service.gateway()
    events = gateway.run(
        asked.run,
        choices=asked.choices,
        count_usage=asked.include_usage or not asked.stream,
        streamed=asked.stream,
        reasks=service.settings.reask_budget,
    )
    answer_id, created = new_id("chatcmpl-"), int(time.time())
    if asked.stream:
        mark = gateway.fingerprint(asked.run.model)
        return streamed(service, events, _encoder(asked, answer_id, created, mark))
    completions, usage = _completions(service, events, asked.choices)
    model = asked.run.model
    mark = gateway.fingerprint(model)
    body = completion_body(
        answer_id, created, model, mark, completions, usage, deprecated=asked.deprecated
    )
    return json_response(body)


def _completions(
    service: Service, events: Events, choices: int
) -> tuple[Sequence[Completion], Usage | None]:
    if choices > 1:
        return folded_choices(service, events, choices)
    completion = folded(service, events)
    return [completion], completion.usage


def _encoder(
    asked: ChatRequest, answer_id: str, created: int, mark: str | None
) -> ChunkEncoder | ChoicesEncoder:
    encoders = [
        ChunkEncoder(
            answer_id,
            created,
            asked.run.model,
            mark,
            asked.include_usage,
            index=index,
            deprecated=asked.deprecated,
        )
        for index in range(asked.choices)
    ]
    return encoders[0] if asked.choices == 1 else ChoicesEncoder(encoders, asked.include_usage)
