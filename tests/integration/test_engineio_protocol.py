"""Engine.IO, revision 4: the 25 cases of the protocol's own test suite, and what Node adds to them.

No package carries the suite, so its cases are written anew from the specification. All of them
apply: the emulator offers both transports. They run against an emulator with ``--conformance``,
which echoes bare Engine.IO under ``/engine.io/``. Socket.IO's suite begins with 16 of the same
cases under its own path, so those that need no echo run there, too; its other 16 are in
``test_socketio_protocol.py``.

With ``PROTOCOL_URL`` in the environment the same cases run against another server, one with the
settings that the specification asks for (a ping every 300 ms, 200 ms of patience).
"""

import http.client
import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import websocket
from websocket import ABNF

from tests.support.emulator import running_emulator
from tests.support.emulator_client import eventually

_OTHER = os.environ.get("PROTOCOL_URL")
_INTERVAL = 0.3
_TIMEOUT = 0.2 if _OTHER else 1.5  # generous, as a slow machine's pong is no fault
_PATIENCE = 10.0
_POLLING = "EIO=4&transport=polling"
_WEBSOCKET = "EIO=4&transport=websocket"
_emulator_only = pytest.mark.skipif(_OTHER is not None, reason="the emulator's own words")


@pytest.fixture(scope="module", params=["/engine.io/", "/socket.io/"])
def brisk(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server with a quick heartbeat, at either path."""
    if _OTHER:
        yield _OTHER + request.param
        return
    heartbeat = ("--ping-interval", str(_INTERVAL), "--ping-timeout", str(_TIMEOUT))
    with running_emulator("--conformance", *heartbeat) as emulator:
        yield emulator.url + request.param


@pytest.fixture(scope="module")
def calm_url() -> Iterator[str]:
    """A server whose pings come in nobody's way."""
    if _OTHER:
        yield _OTHER
        return
    with running_emulator("--conformance") as emulator:
        yield emulator.url


@pytest.fixture(params=["/engine.io/", "/socket.io/"])
def calm(calm_url: str, request: pytest.FixtureRequest) -> str:
    """Such a server at either path."""
    return calm_url + str(request.param)


@pytest.fixture
def echo(calm_url: str) -> str:
    """Such a server that echoes."""
    return calm_url + "/engine.io/"


def _get(url: str, query: str) -> requests.Response:
    return requests.get(f"{url}?{query}", timeout=_PATIENCE)


def _session(url: str) -> str:
    """The query of a new long-polling session."""
    return f"{_POLLING}&sid={json.loads(_get(url, _POLLING).text[1:])['sid']}"


def _post(url: str, session: str, body: str) -> requests.Response:
    return requests.post(f"{url}?{session}", data=body.encode(), timeout=_PATIENCE)


def _poll_begun(url: str, session: str) -> http.client.HTTPConnection:
    """A poll that waits, as far as one can tell from outside."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE)
    connection.request("GET", f"{parts.path}?{session}")
    time.sleep(0.1)
    return connection


def _connected(url: str, query: str = _WEBSOCKET) -> Any:
    """A WebSocket that is closed in the end."""
    return closing(
        websocket.create_connection(
            f"{url.replace('http', 'ws', 1)}?{query}",
            timeout=_PATIENCE,
            http_no_proxy=["127.0.0.1"],
        )
    )


def _probed(url: str, session: str) -> Any:
    """A WebSocket whose probe for an upgrade was answered."""
    opened = _connected(url, session.replace("polling", "websocket"))
    opened.thing.send("2probe")
    assert opened.thing.recv() == "3probe"
    return opened


def _opens(url: str, query: str) -> bool:
    """Whether a WebSocket is let in and greeted."""
    try:
        with _connected(url, query) as wire:
            return str(wire.recv()).startswith("0")
    except websocket.WebSocketException:
        return False


def _closes(wire: Any) -> bool:
    """Whether the next frame but pings is a close frame without a code."""
    while True:
        opcode, data = wire.recv_data(control_frame=True)
        if (opcode, data) != (ABNF.OPCODE_TEXT, b"2"):
            return bool(opcode == ABNF.OPCODE_CLOSE and not data)


# --- handshake -----------------------------------------------------------------------------------


def _greeting(text: str) -> dict[str, Any]:
    assert text[0] == "0"
    greeting = json.loads(text[1:])
    assert isinstance(greeting.pop("sid"), str)
    return dict(greeting)


def _expected(upgrades: list[str]) -> dict[str, Any]:
    return {
        "upgrades": upgrades,
        "pingInterval": _INTERVAL * 1000,
        "pingTimeout": _TIMEOUT * 1000,
        "maxPayload": 1_000_000,
    }


def test_a_poll_opens_a_session(brisk: str) -> None:
    answer = _get(brisk, _POLLING)
    assert answer.status_code == 200
    assert _greeting(answer.text) == _expected(["websocket"])


@pytest.mark.parametrize("query", ["transport=polling", "EIO=abc&transport=polling"])
def test_a_poll_of_another_version_is_refused(calm: str, query: str) -> None:
    assert _get(calm, query).status_code == 400


@pytest.mark.parametrize("query", ["EIO=4", "EIO=4&transport=abc"])
def test_a_request_of_no_known_transport_is_refused(calm: str, query: str) -> None:
    assert _get(calm, query).status_code == 400


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_session_is_opened_by_get_only(calm: str, method: str) -> None:
    answer = requests.request(method, f"{calm}?{_POLLING}", timeout=_PATIENCE)
    assert answer.status_code == 400


def test_a_websocket_opens_a_session(brisk: str) -> None:
    with _connected(brisk) as wire:
        assert _greeting(wire.recv()) == _expected([])


@pytest.mark.parametrize("query", ["transport=websocket", "EIO=abc&transport=websocket"])
def test_a_websocket_of_another_version_opens_nothing(calm: str, query: str) -> None:
    assert not _opens(calm, query)


@pytest.mark.parametrize("query", ["EIO=4", "EIO=4&transport=abc"])
def test_a_websocket_of_no_known_transport_opens_nothing(calm: str, query: str) -> None:
    assert not _opens(calm, query)


# --- message -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", ["4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA=="], ids=repr
)
def test_a_post_is_acknowledged_and_its_packets_are_polled(echo: str, body: str) -> None:
    session = _session(echo)
    posted = _post(echo, session, body)
    assert (posted.status_code, posted.text) == (200, "ok")
    polled = _get(echo, session)
    assert (polled.status_code, polled.text) == (200, body)


def test_a_post_of_no_packet_ends_the_session(calm: str) -> None:
    session = _session(calm)
    # The specification wants 400, Node says ok all the same.
    assert _post(calm, session, "abc").status_code in (200, 400)
    assert _get(calm, session).status_code == 400


def test_a_second_poll_at_once_ends_the_session(calm: str) -> None:
    session = _session(calm)
    with closing(_poll_begun(calm, session)) as first:
        assert _get(calm, session).status_code in (400, 500)
        answer = first.getresponse()
        assert (answer.status, answer.read()) == (200, b"1")
    assert _get(calm, session).status_code == 400


def test_hanging_up_on_a_poll_ends_the_session(calm: str) -> None:
    session = _session(calm)
    _poll_begun(calm, session).close()
    # Not by another poll, which would end the session itself.
    assert eventually(lambda: _post(calm, session, "6").status_code == 400)
    assert _get(calm, session).status_code == 400


@pytest.mark.parametrize(
    ("opcode", "packet"), [(ABNF.OPCODE_TEXT, b"4hello"), (ABNF.OPCODE_BINARY, b"\x01\x02\x03\x04")]
)
def test_a_websocket_carries_texts_and_bytes(echo: str, opcode: int, packet: bytes) -> None:
    with _connected(echo) as wire:
        wire.recv()
        wire.send(packet, opcode)
        assert wire.recv_data() == (opcode, packet)


@pytest.mark.parametrize("packet", ["abc", "", "7", "2", "2x"])
def test_what_is_no_packet_of_a_client_closes_the_websocket(calm: str, packet: str) -> None:
    with _connected(calm) as wire:
        wire.recv()
        wire.send(packet)
        assert _closes(wire)


# --- heartbeat -----------------------------------------------------------------------------------


def test_pings_are_polled_and_pongs_are_posted(brisk: str) -> None:
    session = _session(brisk)
    for _ in range(3):
        polled = _get(brisk, session)
        assert (polled.status_code, polled.text) == (200, "2")
        assert _post(brisk, session, "3").status_code == 200


def test_a_polling_client_that_is_silent_loses_its_session(brisk: str) -> None:
    session = _session(brisk)
    time.sleep(_INTERVAL + _TIMEOUT + 0.3)
    assert _get(brisk, session).status_code == 400


def test_pings_come_at_the_announced_interval_while_pongs_answer_them(brisk: str) -> None:
    with _connected(brisk) as wire:
        wire.recv()
        for _ in range(3):
            began = time.monotonic()
            assert wire.recv() == "2"
            assert time.monotonic() - began > _INTERVAL / 2
            wire.send("3")


def test_a_websocket_that_does_not_answer_is_closed(brisk: str) -> None:
    with _connected(brisk) as wire:
        wire.recv()
        began = time.monotonic()
        assert wire.recv() == "2"
        assert _closes(wire)
        assert time.monotonic() - began > (_INTERVAL + _TIMEOUT) * 0.8


# --- close ---------------------------------------------------------------------------------------


def test_a_posted_close_lets_the_poll_go_and_ends_the_session(calm: str) -> None:
    session = _session(calm)
    with closing(_poll_begun(calm, session)) as poll:
        assert _post(calm, session, "1").status_code == 200
        answer = poll.getresponse()
        assert (answer.status, answer.read()) == (200, b"6")
    assert _get(calm, session).status_code == 400


def test_a_close_packet_closes_the_websocket(brisk: str) -> None:
    with _connected(brisk) as wire:
        wire.recv()
        wire.send("1")
        assert _closes(wire)


# --- upgrade -------------------------------------------------------------------------------------


def test_a_session_goes_on_over_a_websocket(echo: str) -> None:
    session = _session(echo)
    with _probed(echo, session) as wire:
        polled = _get(echo, session)
        assert (polled.status_code, polled.text) == (200, "6")
        wire.send("5")
        wire.send("4hello")
        assert wire.recv() == "4hello"


def test_a_poll_that_waits_is_let_go_when_the_upgrade_begins(calm: str) -> None:
    session = _session(calm)
    with closing(_poll_begun(calm, session)) as poll, _probed(calm, session):
        answer = poll.getresponse()
        assert (answer.status, answer.read()) == (200, b"6")


def test_after_the_upgrade_a_poll_is_refused_and_the_websocket_goes_on(echo: str) -> None:
    session = _session(echo)
    with _probed(echo, session) as wire:
        wire.send("5")
        wire.send("4hello")
        assert wire.recv() == "4hello"
        assert _get(echo, session).status_code == 400
        wire.send("4still here")
        assert wire.recv() == "4still here"


def test_after_the_upgrade_a_second_websocket_is_closed_and_the_first_goes_on(echo: str) -> None:
    session = _session(echo)
    with _probed(echo, session) as wire:
        wire.send("5")
        wire.send("4hello")
        assert wire.recv() == "4hello"
        with _connected(echo, session.replace("polling", "websocket")) as second:
            assert _closes(second)
        wire.send("4still here")
        assert wire.recv() == "4still here"


@pytest.mark.parametrize(("path", "echoes"), [("/engine.io/", True), ("/socket.io/", False)])
def test_what_was_not_polled_comes_over_the_websocket(
    calm_url: str, path: str, echoes: bool
) -> None:
    url = calm_url + path
    session = _session(url)
    with _probed(url, session) as wire:
        assert _get(url, session).text == "6"
        _post(url, session, "4kept" if echoes else "40")
        wire.send("5")
        expected = "4kept" if echoes else "40{"
        assert str(wire.recv()).startswith(expected)


# --- beyond the suite: the words of a Node server ------------------------------------------------

_UNKNOWN = {"code": 0, "message": "Transport unknown"}
_NO_SESSION = {"code": 1, "message": "Session ID unknown"}
_METHOD = {"code": 2, "message": "Bad handshake method"}
_BAD = {"code": 3, "message": "Bad request"}
_VERSION = {"code": 5, "message": "Unsupported protocol version"}


@pytest.mark.parametrize(
    ("method", "query", "refusal"),
    [
        ("GET", "", _UNKNOWN),
        ("GET", "EIO=4", _UNKNOWN),
        ("GET", "EIO=4&transport=webtransport", _UNKNOWN),
        ("GET", f"{_POLLING}&sid=abc", _NO_SESSION),
        ("POST", f"{_POLLING}&sid=abc", _NO_SESSION),
        ("POST", _POLLING, _METHOD),
        ("PUT", _POLLING, _METHOD),
        ("GET", _WEBSOCKET, _BAD),
        ("GET", "EIO=3&transport=polling", _VERSION),
        ("GET", "transport=polling", _VERSION),
    ],
)
def test_a_refusal_is_json_with_a_code_and_a_sentence(
    calm: str, method: str, query: str, refusal: dict[str, object]
) -> None:
    answer = requests.request(method, f"{calm}?{query}", timeout=_PATIENCE)
    assert (answer.status_code, answer.json()) == (400, refusal)
    assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("EIO=4", "Transport unknown"),
        ("EIO=4&transport=abc", "Transport unknown"),
        (f"{_WEBSOCKET}&sid=abc", "Session ID unknown"),
        pytest.param(
            "EIO=3&transport=websocket", "Unsupported protocol version", marks=_emulator_only
        ),
    ],
)
def test_the_refusal_of_an_upgrade_is_text(calm: str, query: str, sentence: str) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        _connected(calm, query)
    assert caught.value.status_code == 400
    assert caught.value.resp_body == sentence.encode()


def test_a_websocket_request_for_a_polling_session_without_an_upgrade_is_refused(calm: str) -> None:
    session = _session(calm)
    answer = _get(calm, session.replace("polling", "websocket"))
    assert (answer.status_code, answer.json()) == (400, _BAD)


def test_a_post_over_a_megabyte_is_refused_and_the_session_goes_on(echo: str) -> None:
    session = _session(echo)
    assert _post(echo, session, "4" + "x" * 1_000_000).status_code == 413
    _post(echo, session, "4hello")
    assert _get(echo, session).text == "4hello"


def test_a_second_post_while_the_first_is_read_ends_the_session(echo: str) -> None:
    session = _session(echo)
    parts = urlsplit(echo)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE)) as slow:
        slow.putrequest("POST", f"{parts.path}?{session}")
        slow.putheader("Content-Length", "6")
        slow.endheaders(b"4he")
        time.sleep(0.1)
        assert _post(echo, session, "4hello").status_code == 400
    assert _get(echo, session).status_code == 400


def test_the_pings_of_a_client_end_a_polling_session(calm: str) -> None:
    session = _session(calm)
    _post(calm, session, "2")
    assert _get(calm, session).status_code == 400


@pytest.mark.parametrize("packet", ["0", "3", "5", "6"])
def test_packets_without_a_meaning_are_ignored(echo: str, packet: str) -> None:
    with _connected(echo) as wire:
        wire.recv()
        wire.send(packet)
        wire.send("4hello")
        assert wire.recv() == "4hello"


def test_bytes_may_come_as_base64_over_a_websocket(echo: str) -> None:
    with _connected(echo) as wire:
        wire.recv()
        wire.send("bAQID")
        assert wire.recv_data() == (ABNF.OPCODE_BINARY, b"\x01\x02\x03")


@pytest.mark.parametrize("packet", ["2", "4hello"])
def test_an_upgrade_that_does_not_begin_with_a_probe_leaves_the_session_to_the_polls(
    echo: str, packet: str
) -> None:
    session = _session(echo)
    with _connected(echo, session.replace("polling", "websocket")) as wire:
        wire.send(packet)
        assert _closes(wire)
    _post(echo, session, "4hello")
    assert _get(echo, session).text == "4hello"


def test_a_browser_may_ask_before_it_posts(calm: str) -> None:
    answer = requests.options(f"{calm}?{_POLLING}", timeout=_PATIENCE)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
