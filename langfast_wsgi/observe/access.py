"""gunicorn's access log, which looks up what its line has and no more.

The server's own gathers some sixty values for each request, of which a line has nine: a twentieth
of what a request costs.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from gunicorn.glogging import Logger, SafeAtoms

FORMAT = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(M)sms %({x-request-id}o)s "%(a)s"'


class Atoms(dict[str, Any]):
    """Values by gunicorn's names: those of our line, and all others once one is asked for."""

    def __init__(self, known: Mapping[str, Any], gather: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__(
            (key, value.replace('"', '\\"') if isinstance(value, str) else value)
            for key, value in known.items()
        )
        self._gather = gather

    def __missing__(self, name: str) -> Any:
        """For another format than ours."""
        return SafeAtoms(self._gather())[name]


class AccessLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """For ``logger_class``."""

    @staticmethod
    def atoms_wrapper_class(atoms: Atoms) -> Atoms:
        """They are safe as they are."""
        return atoms

    def atoms(
        self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta
    ) -> Atoms:
        """The values of a line."""
        known = {
            "h": environ.get("REMOTE_ADDR", "-"),
            "m": environ.get("REQUEST_METHOD"),
            "U": environ.get("PATH_INFO"),
            "H": environ.get("SERVER_PROTOCOL"),
            "s": str(resp.status).split(None, 1)[0],
            "B": resp.sent,
            "M": request_time // timedelta(milliseconds=1),
            "{x-request-id}o": _header(resp, "x-request-id"),
            "a": environ.get("HTTP_USER_AGENT", "-"),
        }
        return Atoms(known, partial(super().atoms, resp, req, environ, request_time))


def _header(resp: Any, name: str) -> str:
    return next((value for key, value in resp.headers if key.lower() == name), "-")
