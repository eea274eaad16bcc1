"""The WSGI application: which room answers a request, and what becomes of errors."""

import logging
from collections.abc import Callable, Iterable, Mapping

from langfast_wsgi.emulator.web import (
    Answer,
    AnswerLost,
    BodyTooLarge,
    Environ,
    Handler,
    Problem,
    Request,
    Routes,
    StartResponse,
    Wsgi,
    drip,
    hang_up,
    json_answer,
    write,
)

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "*, authorization",
    "Access-Control-Max-Age": "600",
}
_LOG = logging.getLogger(__name__)


class App:
    """Everything that is served on the one port."""

    def __init__(
        self,
        rooms: Iterable[Routes],
        sockets: Mapping[str, Wsgi],
        sleep: Callable[[float], None],
    ) -> None:
        self._handlers: dict[tuple[str, str], Handler] = {}
        for routes in rooms:
            self._handlers.update(routes)
        self._paths = {path for _, path in self._handlers}
        self._sockets = sockets  # by the beginning of the path
        self._sleep = sleep

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            for path, sockets in self._sockets.items():
                if environ["PATH_INFO"].startswith(path) and environ["REQUEST_METHOD"] != "OPTIONS":
                    return sockets(environ, start_response)
            answer = self._answered(Request(environ))
        except AnswerLost:
            hang_up(environ)
            return []
        if answer.drip:
            drip(answer, environ, self._sleep)
            return []
        return write(answer, start_response)

    def _answered(self, request: Request) -> Answer:
        try:
            return self._handler(request)(request)
        except Problem as problem:
            return problem.answer(request)
        except AnswerLost:
            raise
        except BodyTooLarge:
            return json_answer(413, {"message": "The body is too large."})
        except Exception:
            _LOG.exception("%s %s failed in the emulator", request.method, request.path)
            return json_answer(500, {"message": "The emulator failed, see its log."})

    def _handler(self, request: Request) -> Handler:
        handler = self._handlers.get((request.method, request.path))
        if handler is not None:
            return handler
        if request.method == "OPTIONS":
            return lambda _: Answer(204, headers=_PREFLIGHT)
        if request.path in self._paths:
            return lambda _: json_answer(
                405, {"message": "Method not allowed"}, self._allow(request)
            )
        return lambda _: json_answer(404, {"message": "Not found"})

    def _allow(self, request: Request) -> Mapping[str, str]:
        methods = sorted(method for method, path in self._handlers if path == request.path)
        return {"Allow": ", ".join(methods)}
