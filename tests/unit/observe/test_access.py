"""The access log's values: the server's own, looked up on demand."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger, SafeAtoms

from langfast_wsgi.observe.access import FORMAT, AccessLog

ENVIRON = {
    "REMOTE_ADDR": "127.0.0.1",
    "REQUEST_METHOD": "POST",
    "PATH_INFO": '/v1/"quoted"',
    "RAW_URI": "/v1/x?secret",
    "QUERY_STRING": "secret",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_USER_AGENT": 'a "client"',
}
OWN = "%(t)s %(r)s %(D)s %({x-request-id}o)s %({Content-Type}o)s %({host}i)s %(nothing)s"


def line(kind: type[Logger], wanted: str, environ: dict[str, Any], headers: list[Any]) -> str:
    log = kind(Config())
    log.now = lambda: "now"
    response = SimpleNamespace(status="200 OK", sent=12, headers=headers)
    request = SimpleNamespace(headers=[("HOST", "here")])
    atoms = log.atoms(response, request, environ, timedelta(seconds=2, microseconds=3456))
    return wanted % log.atoms_wrapper_class(atoms)


@pytest.mark.parametrize("wanted", [FORMAT, OWN], ids=["ours", "an operator's"])
@pytest.mark.parametrize(
    "headers", [[], [("X-Request-Id", "req_1"), ("Content-Type", "a")]], ids=["bare", "signed"]
)
@pytest.mark.parametrize("environ", [ENVIRON, {**ENVIRON, "REMOTE_ADDR": ""}], ids=["tcp", "unix"])
def test_a_line_is_the_servers_own(
    wanted: str, environ: dict[str, Any], headers: list[Any]
) -> None:
    assert line(AccessLog, wanted, environ, headers) == line(Logger, wanted, environ, headers)


def test_nothing_else_is_gathered_for_our_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def gathered(*_: object) -> None:
        raise AssertionError("all sixty values")

    monkeypatch.setattr(Logger, "atoms", gathered)
    assert "POST" in line(AccessLog, FORMAT, ENVIRON, [])


def test_the_servers_wrapper_is_the_one_that_we_stand_in_for() -> None:
    assert Logger.atoms_wrapper_class is SafeAtoms
