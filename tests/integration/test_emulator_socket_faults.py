"""Faults of the sockets from outside: each that rows C of the catalogue ask for, on the wire.

What ``test_emulator_runs.py`` and ``test_emulator_sockets.py`` show already is not repeated here.
"""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import socketio
import websocket
from websocket import ABNF

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.emulator_client import (
    Account,
    Client,
    Listener,
    client_of,
    eventually,
    listening,
)

_PATIENCE = 5.0
_LINE = 'Bell\x07, NUL\x00, tab\t, "quotes", \\, \u2028, \u2029, data: x\n\ndata: [DONE]\n\n'


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    quick = ("--interval", "0.005", "--ping-interval", "0.2")
    with running_emulator(*quick) as running:
        yield running


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[Client]:
    with client_of(emulator) as made:
        yield made
    emulator.clear_faults()


@pytest.fixture
def account(client: Client) -> Account:
    return client.sign_up()


class _Wire:
    """A bare WebSocket of the runner; pings are answered and counted."""

    def __init__(self, emulator: EmulatorProcess) -> None:
        url = emulator.url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
        self.socket = websocket.create_connection(
            url, timeout=_PATIENCE, http_no_proxy=["127.0.0.1"]
        )
        self.pings = 0

    def close(self) -> None:
        self.socket.shutdown()

    def join(self, account: Account) -> None:
        assert str(self.next()).startswith("0")
        self.socket.send("40" + json.dumps({"token": account.access_token}))
        assert str(self.next()).startswith("40")

    def next(self) -> str | bytes | None:
        """The next message, None for the end."""
        while True:
            opcode, data = self.socket.recv_data(control_frame=True)
            if opcode == ABNF.OPCODE_CLOSE:
                return None
            if data == b"2":
                self.pings += 1
                self.socket.send("3")
            else:
                return data.decode() if opcode == ABNF.OPCODE_TEXT else bytes(data)

    def argument(self) -> Any:
        """The argument of the next event."""
        return json.loads(str(self.next()).removeprefix("42"))[1]

    def nothing_for(self, seconds: float) -> bool:
        """Whether nothing at all comes for so long."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException:
            return True
        finally:
            self.socket.settimeout(_PATIENCE)
        return False


@pytest.fixture
def wire(emulator: EmulatorProcess) -> Iterator[_Wire]:
    with closing(_Wire(emulator)) as made:
        yield made


@pytest.fixture
def joined(wire: _Wire, account: Account) -> _Wire:
    wire.join(account)
    return wire


def _steering(**given: object) -> str:
    return json.dumps({"text": "abcdef", "chunks": 3, "nonce": str(uuid.uuid4()), **given})


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ({"message": "no"}, '44{"message":"no"}'),
        (
            {"message": "no", "data": {"code": 401}},
            '44{"message":"no","data":{"code":401}}',
        ),
        ({"message": "no", "shape": "text"}, '44"no"'),
        ({"shape": "empty"}, "44{}"),
        ({"shape": "bare"}, "44"),
    ],
)
def test_a_connect_is_refused_in_every_shape(
    client: Client, wire: _Wire, fault: dict[str, Any], answer: str
) -> None:
    client.emulator.faults(connect={"refuse": True, **fault})
    wire.next()
    wire.socket.send('40{"token":"x"}')
    assert wire.next() == answer


def test_the_open_packet_does_not_come(client: Client) -> None:
    client.emulator.faults(open={"hang": 600})
    with closing(_Wire(client.emulator)) as wire:
        assert wire.nothing_for(0.4)


def test_the_open_packet_is_late_and_all_is_well(client: Client, account: Account) -> None:
    client.emulator.faults(open={"hang": 0.3, "times": 1})
    began = time.monotonic()
    with closing(_Wire(client.emulator)) as wire:
        wire.join(account)
    assert time.monotonic() - began > 0.25


def test_a_polling_session_opens_late_as_well(client: Client) -> None:
    client.emulator.faults(open={"hang": 0.3, "times": 1})
    began = time.monotonic()
    url = client.emulator.url + "/socket.io/?EIO=4&transport=polling"
    assert client.http.get(url, timeout=_PATIENCE).text.startswith("0{")
    assert time.monotonic() - began > 0.25


def test_a_connect_is_not_answered_while_pings_go_on(
    client: Client, account: Account, wire: _Wire
) -> None:
    client.emulator.faults(connect={"hang": 600})
    wire.next()
    wire.socket.send("40" + json.dumps({"token": account.access_token}))
    for _ in range(3):
        assert wire.socket.recv() == "2"
        wire.socket.send("3")


@pytest.mark.parametrize("body", ["lost", "html", "garbage"])
def test_a_handshake_is_answered_by_no_websocket_server(client: Client, body: str) -> None:
    client.emulator.faults(handshake={"body": body, "times": 1})
    with pytest.raises((websocket.WebSocketException, ConnectionError)):
        _Wire(client.emulator)
    _Wire(client.emulator).close()
    assert client.emulator.log() == ""


@pytest.mark.parametrize("how", ["fault", "control"])
def test_a_socket_is_closed_in_good_order(
    client: Client, account: Account, joined: _Wire, how: str
) -> None:
    if how == "control":
        assert client.emulator.drop_sockets("close") == 1
    else:
        client.start(account, _steering(fault="close", at=0))
    assert joined.next() is None
    if how == "fault":
        assert eventually(lambda: client.emulator.runs()[-1]["state"] == "completed")


def test_pings_stop_while_data_flows(client: Client, account: Account, joined: _Wire) -> None:
    said = _steering(text="x" * 40, chunks=40, interval=0.02, fault="no-pings", at=0)
    client.start(account, said)
    records = [joined.argument() for _ in range(41)]
    assert records[-1]["status"] == "completed"
    assert joined.nothing_for(0.5)
    assert joined.pings <= 1


def test_a_kicked_socket_stays_open_and_may_join_again(
    client: Client, account: Account, joined: _Wire
) -> None:
    client.start(account, _steering(fault="kick", at=0, interval=0.3))
    assert joined.next() == "41"
    joined.socket.send("40" + json.dumps({"token": account.access_token}))
    assert str(joined.next()).startswith("40")
    assert joined.argument()["status"] in ("in_progress", "completed")


def test_a_frozen_socket_outlives_its_heartbeat() -> None:
    heartbeat = ("--ping-interval", "0.3", "--ping-timeout", "0.1")
    with (
        running_emulator(*heartbeat) as emulator,
        client_of(emulator) as client,
        closing(_Wire(emulator)) as wire,
    ):
        wire.join(client.sign_up())
        emulator.drop_sockets("freeze")
        while not wire.nothing_for(0.1):
            pass  # a ping that was on its way
        assert wire.nothing_for(2.5)


@pytest.mark.parametrize(
    ("fault", "frame"),
    [
        ("huge-frame", b"\x81\x7f\x00\x00\x01\x00\x00\x00\x00\x00"),
        ("bad-packet", b"\x81\x094nonsense"),
        ("noop", b"\x81\x016"),
    ],
)
def test_odd_frames_are_sent_as_they_are(
    client: Client, account: Account, joined: _Wire, fault: str, frame: bytes
) -> None:
    client.start(account, _steering(fault=fault, at=0))
    received = b""
    while len(received) < len(frame):
        received += joined.socket.sock.recv(len(frame) - len(received))
        received = received.removeprefix(b"\x81\x012")  # a ping may come before
    assert received == frame


@pytest.mark.parametrize(
    ("fault", "first"),
    [("as-number", 2), ("as-null", None), ("as-plain-text", "ab")],
)
def test_a_chunk_is_no_record_but_the_end_is(
    client: Client, account: Account, fault: str, first: object
) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault=fault))
        said = [socket.next()[1][0] for _ in range(4)]
    assert said[0] == first
    assert (said[-1]["status"], said[-1]["content"]) == ("completed", "abcdef")


def test_a_chunk_is_a_list_with_a_record(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault="as-list"))
        [[record]] = socket.next()[1]
    assert record["content"] == "ab"


def test_a_chunks_fields_are_changed(client: Client, account: Account) -> None:
    change = {"content": ["no", "text"], "status": None}
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault="chunk-change", change=change))
        record = socket.chunk()
    assert record["content"] == ["no", "text"]
    assert "status" not in record


def test_a_whole_record_is_bytes(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault="as-binary-record"))
        [record] = socket.next()[1]
    assert json.loads(record)["content"] == "ab"


def test_bytes_that_are_no_text_come_before_each_chunk(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault="bad-binary"))
        bad, good = socket.chunk(), socket.chunk()
    with pytest.raises(UnicodeDecodeError):
        bad["content"].decode()
    assert (bad["executionId"], good["content"]) == (good["executionId"], "ab")


def test_any_character_arrives_as_it_was_asked_for(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(text=_LINE))
        assert socket.run()[-1]["content"] == _LINE


def test_half_a_character_stays_half(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault="lone-surrogate"))
        texts = [chunk["content"] for chunk in socket.run()]
    assert texts == ["a\ud83eb", "a\ud83ebcd", "a\ud83ebcdef", "a\ud83ebcdef"]


def test_an_endless_run_is_cumulative_and_ends_without_a_word(
    client: Client, account: Account
) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault="endless", size=60))
        texts = [socket.chunk()["content"] for _ in range(12)]
        assert texts[3:] == ["abcdef" * times for times in range(2, 11)]
        assert eventually(lambda: client.emulator.runs()[-1]["state"] == "silent")
        assert socket.received.empty()


def test_a_run_goes_to_everyone(client: Client, account: Account) -> None:
    stranger = client.sign_up()
    with (
        listening(client.emulator, account) as mine,
        listening(client.emulator, stranger) as other,
    ):
        client.start(account, _steering(fault="to-everyone"))
        assert mine.run() == other.run()


def test_a_chunk_of_twenty_megabytes_arrives(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, json.dumps({"fault": "big", "size": 20_000_000, "chunks": 1}))
        _, [record] = socket.received.get(timeout=60)
    assert len(record["content"]) == 20_000_000


def test_a_listener_hears_the_refusal_of_each_shape(client: Client, account: Account) -> None:
    client.emulator.faults(connect={"refuse": True, "message": "no", "data": {"code": 401}})
    late = Listener(["websocket"])
    with pytest.raises(socketio.exceptions.ConnectionError):
        late.connect(client.emulator.url, account.access_token)
    assert late.refusals.get(timeout=1) == {"message": "no", "data": {"code": 401}}
