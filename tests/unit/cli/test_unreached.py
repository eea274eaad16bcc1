"""Why a service could not be reached."""

import socket
import ssl
from http.client import BadStatusLine, RemoteDisconnected

import pytest
import requests
import urllib3
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from langfast_wsgi.cli.unreached import Cause, cause


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.gaierror(-2, "no name"), Cause.NO_NAME),
        (ConnectionRefusedError(111, "refused"), Cause.REFUSED),
        (TimeoutError("slow"), Cause.TIMEOUT),
        (ssl.SSLCertVerificationError("who?"), Cause.CERTIFICATE),
        (ssl.SSLError("what?"), Cause.TLS),
        (ConnectionResetError(104, "reset"), Cause.CUT),
        (RemoteDisconnected("gone"), Cause.CUT),
        (ProtocolError("what?", BadStatusLine("SSH")), Cause.NO_HTTP),
        (OSError(113, "no route"), Cause.OTHER),
        (ProtocolError("cut", ConnectionResetError()), Cause.CUT),
        (requests.ConnectionError(ProtocolError("cut", ConnectionResetError())), Cause.CUT),
        (requests.ReadTimeout(ReadTimeoutError(None, "/", "slow")), Cause.TIMEOUT),  # type: ignore[arg-type]
    ],
)
def test_the_exception_at_the_bottom_decides(error: Exception, expected: Cause) -> None:
    assert cause(error) is expected


def test_a_cause_that_is_its_own_cause_does_not_trap_us() -> None:
    one, other = ValueError(), ValueError()
    one.__context__, other.__context__ = other, one
    assert cause(one) is Cause.OTHER


def dead_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_both_http_clients_tell_a_refused_connection() -> None:
    url = f"http://127.0.0.1:{dead_port()}"
    session, pool = requests.Session(), urllib3.PoolManager(retries=False)
    session.trust_env = False
    with session, pytest.raises(requests.ConnectionError) as by_requests:
        session.get(url, timeout=5)
    with pool, pytest.raises(urllib3.exceptions.HTTPError) as by_urllib3:
        pool.request("GET", url)
    assert cause(by_requests.value) is cause(by_urllib3.value) is Cause.REFUSED
