"""Socket.IO, revision 5: the 16 cases of the protocol's own test suite that are not Engine.IO's.

The suite's other 16 cases are in ``test_engineio_protocol.py``, which says more about both. These
run against an emulator with ``--conformance``, which serves what the specification asks of a server
under test: ``/`` and ``/custom`` let everybody in and emit ``auth`` with what the client brought;
``message`` is sent back as ``message-back``, ``message-with-ack`` is acknowledged with its
arguments. The runner's own namespace is in ``test_emulator_sockets.py``.

``PROTOCOL_URL`` runs the cases against another server.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import websocket
from websocket import ABNF

from tests.support.emulator import running_emulator

_OTHER = os.environ.get("PROTOCOL_URL")
_CONNECT_TIMEOUT = 1.0
_PATIENCE = 10.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if _OTHER:
        yield _OTHER
        return
    with running_emulator("--conformance", "--connect-timeout", str(_CONNECT_TIMEOUT)) as emulator:
        yield emulator.url


@pytest.fixture(scope="module")
def brisk_url() -> Iterator[str]:
    """A server with a quick heartbeat, but a long patience: pings show that it is alive."""
    if _OTHER:
        yield _OTHER
        return
    heartbeat = ("--ping-interval", "0.3", "--ping-timeout", "5")
    with running_emulator("--conformance", *heartbeat) as emulator:
        yield emulator.url


class _Wire:
    """A WebSocket behind the engine's handshake; pings are answered and not shown."""

    def __init__(self, url: str) -> None:
        self.socket = websocket.create_connection(
            f"{url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket",
            timeout=_PATIENCE,
            http_no_proxy=["127.0.0.1"],
        )
        assert str(self.socket.recv()).startswith("0")

    def close(self) -> None:
        self.socket.close()

    def send(self, *packets: str | bytes) -> None:
        for packet in packets:
            kind = ABNF.OPCODE_TEXT if isinstance(packet, str) else ABNF.OPCODE_BINARY
            self.socket.send(packet, kind)

    def next(self) -> str | bytes | None:
        """The next message, or None for a close frame without a code."""
        while True:
            opcode, data = self.socket.recv_data(control_frame=True)
            if opcode == ABNF.OPCODE_CLOSE:
                assert data == b""
                return None
            if (opcode, data) == (ABNF.OPCODE_TEXT, b"2"):
                self.socket.send("3")
                continue
            return data.decode() if opcode == ABNF.OPCODE_TEXT else bytes(data)

    def join(self, namespace: str = "") -> None:
        """Join a namespace and hear its greeting."""
        self.send(f"40{namespace}")
        assert str(self.next()).startswith(f"40{namespace}")
        assert str(self.next()).endswith('["auth",{}]')


@pytest.fixture
def wire(url: str) -> Iterator[_Wire]:
    with closing(_Wire(url)) as made:
        yield made


@pytest.fixture
def joined(wire: _Wire) -> _Wire:
    wire.join()
    return wire


# --- connect -------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["", "/custom,"])
@pytest.mark.parametrize("payload", ["", '{"token":"123"}'])
def test_a_connect_is_answered_with_an_id_and_its_payload_is_read(
    wire: _Wire, namespace: str, payload: str
) -> None:
    wire.send(f"40{namespace}{payload}")
    answer = str(wire.next())
    assert answer.startswith(f"40{namespace}")
    greeting = json.loads(answer.removeprefix(f"40{namespace}"))
    assert list(greeting) == ["sid"]
    assert isinstance(greeting["sid"], str)
    assert wire.next() == f'42{namespace}["auth",{payload or "{}"}]'


def test_an_unknown_namespace_is_refused(wire: _Wire) -> None:
    wire.send("40/random")
    assert wire.next() == '44/random,{"message":"Invalid namespace"}'


def test_what_is_no_connect_closes_the_connection(wire: _Wire) -> None:
    wire.send("4abc")
    assert wire.next() is None


def test_no_connect_in_time_closes_the_connection(wire: _Wire) -> None:
    began = time.monotonic()
    assert wire.next() is None
    assert time.monotonic() - began > _CONNECT_TIMEOUT * 0.8


# --- disconnect ----------------------------------------------------------------------------------


def test_leaving_the_main_namespace_leaves_the_connection_open(brisk_url: str) -> None:
    with closing(_Wire(brisk_url)) as wire:
        wire.join()
        wire.send("41")
        assert wire.socket.recv() == "2"
        wire.send("3")
        wire.join()


def test_leaving_one_namespace_leaves_the_others_joined(joined: _Wire) -> None:
    joined.join("/custom,")
    joined.send("41/custom,", '42["message","to the main namespace"]')
    assert joined.next() == '42["message-back","to the main namespace"]'


# --- message -------------------------------------------------------------------------------------

_HOLES = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'


def test_an_event_is_heard_with_all_its_arguments(joined: _Wire) -> None:
    joined.send('42["message",1,"2",{"3":[true]}]')
    assert joined.next() == '42["message-back",1,"2",{"3":[true]}]'


def test_an_event_may_have_attachments(joined: _Wire) -> None:
    joined.send(f'452-["message",{_HOLES}]', b"\x01\x02\x03", b"\x04\x05\x06")
    answer = [joined.next() for _ in range(3)]
    assert answer == [f'452-["message-back",{_HOLES}]', b"\x01\x02\x03", b"\x04\x05\x06"]


def test_an_event_with_an_id_is_acknowledged(joined: _Wire) -> None:
    joined.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert joined.next() == '43456[1,"2",{"3":[false]}]'


def test_an_acknowledgement_may_have_attachments(joined: _Wire) -> None:
    joined.send(f'452-789["message-with-ack",{_HOLES}]', b"\x01\x02\x03", b"\x04\x05\x06")
    answer = [joined.next() for _ in range(3)]
    assert answer == [f"462-789[{_HOLES}]", b"\x01\x02\x03", b"\x04\x05\x06"]


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param("4abc", id="unknown packet type"),
        pytest.param("42{}", id="invalid payload format"),
        pytest.param('42abc["message-with-ack",1,"2",{"3":[false]}]', id="invalid ack id"),
    ],
)
def test_a_malformed_packet_closes_the_connection(joined: _Wire, packet: str) -> None:
    joined.send(packet)
    assert joined.next() is None


# --- beyond the suite: what a Node server does ---------------------------------------------------


@pytest.mark.parametrize(
    "packets",
    [
        ["4"],
        ["47[]"],
        ["4-1"],
        ['42["x"'],
        ['42"x"'],
        ["42null"],
        ["42[]"],
        ['42["connect"]'],
        ["41{}"],
        ["43{}"],
        ["40"],
        ['44{"message":"x"}'],
        ['42/custom,["message"]'],
        ['45["message"]'],
        ['45x-["message"]'],
        ['450-["message"]'],
        ['4511-["message"]'],
        [f'452-["message",{_HOLES}]', '42["message"]'],
        ['451-["message",{"_placeholder":true,"num":5}]', b"x"],
        [b"an attachment of nothing"],
    ],
    ids=repr,
)
def test_whatever_else_breaks_the_protocol_closes_the_connection(
    joined: _Wire, packets: list[str | bytes]
) -> None:
    joined.send(*packets)
    assert joined.next() is None


@pytest.mark.parametrize(
    "packet", ["41", '42["message"]', "43[]", "40[]", "40null", '40"x"', b"x"], ids=repr
)
def test_whatever_comes_before_a_connect_closes_the_connection(
    wire: _Wire, packet: str | bytes
) -> None:
    wire.send(packet)
    assert wire.next() is None


@pytest.mark.skipif(_OTHER is not None, reason="Node lets it pass, the specification does not")
def test_an_event_without_a_payload_closes_the_connection(joined: _Wire) -> None:
    joined.send("42")
    assert joined.next() is None


@pytest.mark.parametrize(
    "packet",
    ["42[5]", "43[]", "437[1]", '42["nobody listens to this"]', '427["nobody answers this"]'],
)
def test_what_is_legal_and_of_no_use_is_ignored(joined: _Wire, packet: str) -> None:
    joined.send(packet, '42["message",1]')
    assert joined.next() == '42["message-back",1]'


def test_a_placeholder_in_an_event_without_attachments_is_only_an_object(joined: _Wire) -> None:
    joined.send('42["message",{"_placeholder":true,"num":0}]')
    assert joined.next() == '42["message-back",{"_placeholder":true,"num":0}]'


def test_a_refused_namespace_does_not_disturb_a_joined_one(joined: _Wire) -> None:
    joined.send("40/random", '42["message",1]')
    answers = {joined.next(), joined.next()}
    assert answers == {'44/random,{"message":"Invalid namespace"}', '42["message-back",1]'}


def test_the_ids_of_namespaces_differ(wire: _Wire) -> None:
    said: list[Any] = []
    for namespace in ("", "/custom,"):
        wire.send(f"40{namespace}")
        said += [wire.next(), wire.next()]
    ids = [re.findall(r'"sid":"([^"]+)"', str(packet)) for packet in said[::2]]
    assert len({one for [one] in ids}) == 2
