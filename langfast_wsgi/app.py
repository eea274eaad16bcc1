"""The composition root: the only module that knows everybody.

``create_app()`` makes the service; ``Langfast(app)`` mounts the same API in a Flask application of
one's own. Importing starts nothing: under gunicorn the worker's hook calls ``start``, anywhere else
the first request of each process does.
"""

import logging
import logging.config
import os
import threading
import time
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from langfast_wsgi import embedded, health, memory_folder, note, runtime, uploads
from langfast_wsgi.admission import Admission
from langfast_wsgi.dialects import _anthropic, _openai, models
from langfast_wsgi.dialects._http import LEFT, CallerLeft
from langfast_wsgi.dialects._limits import telling_limits
from langfast_wsgi.dialects._openai import begin, sign
from langfast_wsgi.dialects._service import Service
from langfast_wsgi.dialects.chat import openapi as chat_openapi
from langfast_wsgi.dialects.chat import routes as chat
from langfast_wsgi.dialects.completions import openapi as completions_openapi
from langfast_wsgi.dialects.completions import routes as completions
from langfast_wsgi.dialects.messages import openapi as messages_openapi
from langfast_wsgi.dialects.messages import routes as messages
from langfast_wsgi.dialects.openapi import health as health_openapi
from langfast_wsgi.dialects.openapi import models as models_openapi
from langfast_wsgi.dialects.openapi import routes as openapi
from langfast_wsgi.dialects.responses import kept as kept_responses
from langfast_wsgi.dialects.responses import kept_openapi
from langfast_wsgi.dialects.responses import openapi as responses_openapi
from langfast_wsgi.dialects.responses import routes as responses
from langfast_wsgi.dialects.responses.store.choose import choose
from langfast_wsgi.errors import BadRequest, GatewayError
from langfast_wsgi.gateway import Gateway
from langfast_wsgi.observe import logs
from langfast_wsgi.providers.langfast.upstream import Upstream
from langfast_wsgi.providers.registry import PROVIDERS
from langfast_wsgi.settings import Settings, current, metrics_folder

log = logging.getLogger(__name__)

DIALECTS = (
    telling_limits(chat.blueprint),
    telling_limits(completions.blueprint),
    telling_limits(responses.blueprint),
    kept_responses.blueprint,
    messages.blueprint,
    models.blueprint,
)
DESCRIBED = (
    chat_openapi.described,
    completions_openapi.described,
    messages_openapi.described,
    responses_openapi.described,
    kept_openapi.described,
    models_openapi.described,
    health_openapi.described,
)
SHUTDOWN_MARGIN = 1.5  # seconds that open streams have for their error event to leave


class Langfast:
    """The API as a Flask extension."""

    def __init__(self, app: Flask | None = None, settings: Settings | None = None) -> None:
        self.settings = settings or current()
        self._gateway: Gateway | None = None
        self._process = 0
        self._starting = threading.Lock()
        if app is not None:
            self.init_app(app)

    def __repr__(self) -> str:
        return f"<Langfast {self._gateway or 'not started'}>"

    def init_app(self, app: Flask) -> None:
        """Register the routes; the background work starts with the first request."""
        app.extensions["langfast"] = self
        settings = self.settings
        admission = Admission(settings.api_keys, allow_open_access=settings.allow_open_access)
        service = Service(
            settings,
            self.gateway,
            runtime.Connection,
            runtime.outlet,
            runtime.deadline,
            uploads.refuse_body,
            uploads.READ,
            choose(settings, _kept_in),
        )
        for make in DIALECTS:
            blueprint = make(service)
            blueprint.before_request(admission.check)
            app.register_blueprint(self._dressed(blueprint))
        app.register_blueprint(self._dressed(health.blueprint(self.gateway, admission.check)))
        document = openapi.blueprint(DESCRIBED, keyed=not admission.is_open)
        app.register_blueprint(self._dressed(document))

    def _dressed(self, blueprint: Blueprint) -> Blueprint:
        """The blueprint with our headers, envelope and deadline, in whatever application it is."""
        first = blueprint.before_request_funcs.setdefault(None, [])
        first[:0] = [begin, self._limit_writes]
        blueprint.after_request(sign)
        blueprint.register_error_handler(GatewayError, _refuse)
        blueprint.register_error_handler(CallerLeft, lambda _: Response(status=LEFT))
        blueprint.register_error_handler(Exception, _unforeseen)
        return blueprint

    def _limit_writes(self) -> None:
        runtime.limit_writes(request.environ, self.settings.write_timeout)

    def gateway(self) -> Gateway:
        """The gateway of this process, started if need be."""
        if self._gateway is None or self._process != os.getpid():
            self.start()
        gateway = self._gateway
        assert gateway is not None  # noqa: S101 - start sets it or raises
        return gateway

    def start(self, slot: int = 0, workers: int = 1) -> None:
        """Begin the background work of this process, one of ``workers``; once."""
        with self._starting:
            if self._gateway is not None and self._process == os.getpid():
                return
            settings = self.settings
            provider = PROVIDERS["langfast"](
                settings,
                _upstream(settings),
                share=settings.share(slot, workers),
                state=Path(metrics_folder() or runtime.state_folder()),
                note=note.shared(),
                runtime=runtime,
            )
            provider.start()
            self._gateway = Gateway(
                [provider],
                known_models=settings.known_models,
                allow_unknown_models=settings.allow_unknown_models,
                max_runs=settings.max_runs,
                run_timeout=settings.run_timeout,
            )
            self._process = os.getpid()

    def drain(self, *, replaced: bool = False) -> None:
        """No new runs; open ones end by themselves, or with an error before we are killed.

        Nobody is refused by a process that others replace: whoever came to it is served.
        """
        gateway = self._gateway
        if gateway is None:
            return
        log.info("draining: %d runs in flight", gateway.in_flight)
        gateway.draining = not replaced
        until = time.monotonic() + self.settings.drain_seconds - SHUTDOWN_MARGIN
        while (replaced or gateway.in_flight) and time.monotonic() < until:
            time.sleep(0.1)
        gateway.draining = gateway.closing = True

    def stop(self) -> None:
        """End the background work."""
        if self._gateway is not None and self._process == os.getpid():
            self._gateway.stop()


def create_app(settings: Settings | None = None) -> Flask:
    """The service as a Flask application. Raises SettingsError."""
    langfast = Langfast(settings=settings)
    logging.config.dictConfig(logs.config(langfast.settings))
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # else a redirect, to an address made from Host
    langfast.init_app(app)
    app.before_request(begin)
    app.after_request(sign)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unforeseen)
    return app


def _kept_in() -> Path:
    """The folder that all workers share: in memory where their master made one."""
    return memory_folder.shared() or Path(metrics_folder() or runtime.state_folder())


def _upstream(settings: Settings) -> Upstream:
    if settings.embedded:
        emulator = embedded.start()
        return Upstream(
            emulator.url,
            emulator.anon_key,
            emulator.url,
            emulator.prompt_id,
            emulator=True,
            models=emulator.models,
        )
    return Upstream(
        settings.supabase_url.rstrip("/"),
        settings.supabase_anon_key.get_secret_value(),
        settings.socket_url.rstrip("/"),
        settings.prompt_id,
    )


def _told(fault: GatewayError, status: int | None = None) -> Response:
    """A fault in the envelope of the API that was asked."""
    tell = _anthropic.error_response if _anthropic.is_spoken() else _openai.error_response
    return tell(fault, status)


def _refuse(fault: GatewayError) -> Response:
    _openai.note(fault, g.request_id)
    return _told(fault)


def _meant(path: str) -> str | None:
    """The path that a base URL with one ``/v1`` too few or too many was to lead to."""
    guesses = (f"/v1{path}", path.replace("/v1/v1/", "/v1/", 1), path.rstrip("/"))
    routes = current_app.url_map.bind("")
    known = (guess for guess in guesses if len(guess) <= 200 and guess.isascii())
    return next((guess for guess in known if routes.test(guess, request.method)), None)


def _http_error(error: HTTPException) -> Response:
    """Flask's own refusals in our envelope: never HTML."""
    status = error.code or 500
    if isinstance(error, NotFound):
        message = f"Invalid URL ({request.method} {request.path[:200]})"
        meant = _meant(request.path)
        if meant is not None:
            message += f" (HINT: Perhaps you meant {meant}?)"
    elif isinstance(error, MethodNotAllowed):
        message = (
            f"Not allowed to {request.method} on {request.path[:200]}"
            " (HINT: Perhaps you meant to use a different HTTP method?)"
        )
    else:
        message = error.description or error.name
    fault = BadRequest(message, code=None) if status < 500 else GatewayError(message)
    response = _told(fault, status)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _unforeseen(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return _http_error(error)
    log.error("a request failed in an unforeseen way", exc_info=error)
    return _told(GatewayError("The gateway failed. The fault is logged."))
