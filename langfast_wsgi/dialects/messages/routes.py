"""``POST /v1/messages`` and ``POST /v1/messages/count_tokens``."""

from flask import Blueprint, Response, g

from langfast_wsgi.dialects._anthropic import signed
from langfast_wsgi.dialects._http import folded, read_json, streamed, tell_ignored
from langfast_wsgi.dialects._openai import json_response, new_id
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects.messages.encode import EventEncoder, message_body
from langfast_wsgi.dialects.messages.parse import MessagesRequest, parse, parse_count


def blueprint(service: Service) -> Blueprint:
    """The routes of this dialect."""
    messages = Blueprint("langfast_messages", __name__)
    messages.after_request(signed)
    settings = service.settings

    @messages.post("/v1/messages")
    def create() -> Response:
        asked = parse(
            read_json(service),
            default_model=settings.default_model,
            reject_unsupported=settings.unsupported_params == "reject",
            media_models=settings.media_models,
            caller=g.get("caller", ""),
        )
        return tell_ignored(_answer(service, asked), asked.ignored)

    @messages.post("/v1/messages/count_tokens")
    def count_tokens() -> Response:
        run = parse_count(
            read_json(service),
            default_model=settings.default_model,
            media_models=settings.media_models,
        )
        return json_response({"input_tokens": service.gateway().prompt_tokens(run)})

    return messages


def _answer(service: Service, asked: MessagesRequest) -> Response:
    gateway, run, message_id = service.gateway(), asked.run, new_id("msg_")
    # A stream begins with this number: 4 ms for 100 KB, before the run is started.
    tokens = gateway.prompt_tokens(run) if asked.stream else None
    events = gateway.run(
        run,
        count_usage=True,
        prompt_tokens=tokens,
        streamed=asked.stream,
        reasks=service.settings.reask_budget,
    )
    mark = gateway.fingerprint(run.model)
    if tokens is not None:
        encoder = EventEncoder(message_id, run.model, mark, tokens, g.request_id)
        return streamed(service, events, encoder)
    return json_response(message_body(message_id, run.model, mark, folded(service, events)))
