"""The Socket.IO service frame by frame: admission, refusals, the closes that Node's server has."""

import json
import time
from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.005", "--connect-timeout", "0.3") as running:
        yield running


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[Client]:
    with client_of(emulator) as made:
        yield made
    emulator.clear_faults()


@pytest.fixture
def account(client: Client) -> Account:
    return client.sign_up()


@pytest.fixture
def wire(emulator: EmulatorProcess) -> Iterator[websocket.WebSocket]:
    """A bare WebSocket behind its Engine.IO handshake."""
    url = emulator.url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    made = websocket.create_connection(url, timeout=_PATIENCE, http_no_proxy=["127.0.0.1"])
    opened = made.recv()
    assert isinstance(opened, str)
    assert opened[0] == "0"
    assert json.loads(opened[1:])["pingInterval"] == 25_000
    yield made
    made.shutdown()


def _join(wire: websocket.WebSocket, token: object) -> str:
    wire.send("40" + json.dumps({"token": token}))
    return str(wire.recv())


def _close_code(wire: websocket.WebSocket) -> int | None:
    """The code of the close frame that comes next; None for one without a code."""
    opcode, data = wire.recv_data(control_frame=True)
    assert opcode == ABNF.OPCODE_CLOSE
    return int.from_bytes(data[:2], "big") if data else None


def test_a_good_token_joins(wire: websocket.WebSocket, account: Account) -> None:
    answer = _join(wire, account.access_token)
    assert answer.startswith('40{"sid":"')


@pytest.mark.parametrize("token", ["bad", "", None, 5])
def test_a_bad_token_is_refused_with_a_message(wire: websocket.WebSocket, token: object) -> None:
    answer = _join(wire, token)
    assert answer.startswith('44{"message":"Authentication error')


def test_a_connect_without_a_payload_is_refused(wire: websocket.WebSocket) -> None:
    wire.send("40")
    assert wire.recv() == '44{"message":"Authentication error: no token"}'


def test_an_expired_token_is_refused_and_a_joined_socket_stays(
    client: Client, account: Account
) -> None:
    with listening(client.emulator, account) as socket:
        client.emulator.expire_tokens()
        late = Listener(["websocket"])
        with pytest.raises(socketio.exceptions.ConnectionError):
            late.connect(client.emulator.url, account.access_token)
        assert late.refusals.get(timeout=1)["message"] == "Authentication error: invalid token"
        client.start(client.refresh(account), "abc")
        assert socket.run()[-1]["content"] == "abc"


def test_an_unknown_namespace_is_answered_as_node_does(wire: websocket.WebSocket) -> None:
    wire.send("40/nope,{}")
    assert wire.recv() == '44/nope,{"message":"Invalid namespace"}'


def test_who_never_joins_is_closed_after_the_connect_timeout(wire: websocket.WebSocket) -> None:
    began = time.monotonic()
    assert _close_code(wire) is None
    assert 0.2 < time.monotonic() - began < 1.5


def test_who_was_refused_is_closed_after_the_connect_timeout(wire: websocket.WebSocket) -> None:
    _join(wire, "bad")
    assert _close_code(wire) is None


def test_who_joined_is_not_closed(wire: websocket.WebSocket, account: Account) -> None:
    _join(wire, account.access_token)
    wire.settimeout(0.6)
    with pytest.raises(websocket.WebSocketTimeoutException):
        wire.recv()


@pytest.mark.parametrize("packet", ['42["event"]', "4nonsense", "4", "41", '43["ack"]'])
def test_anything_before_the_connect_closes_at_once(wire: websocket.WebSocket, packet: str) -> None:
    began = time.monotonic()
    wire.send(packet)
    assert _close_code(wire) is None
    assert time.monotonic() - began < 0.2


@pytest.mark.parametrize("packet", ["4nonsense", "42{", '451-["x",{"_placeholder":true'])
def test_a_malformed_packet_closes_at_once(
    wire: websocket.WebSocket, account: Account, packet: str
) -> None:
    _join(wire, account.access_token)
    wire.send(packet)
    assert _close_code(wire) is None


def test_a_frame_over_a_megabyte_closes_with_1009(
    wire: websocket.WebSocket, account: Account
) -> None:
    _join(wire, account.access_token)
    wire.send("42" + json.dumps(["event", "x" * 1_000_000]))
    assert _close_code(wire) == 1009


def test_a_frame_that_breaks_the_protocol_closes_with_1002(wire: websocket.WebSocket) -> None:
    wire.sock.sendall(b"\xf1\x80\x00\x00\x00\x00")
    assert _close_code(wire) == 1002


def test_a_websocket_ping_is_answered(wire: websocket.WebSocket) -> None:
    wire.ping("are you there")
    assert wire.recv_data(control_frame=True) == (ABNF.OPCODE_PONG, b"are you there")


def test_a_close_is_answered_with_its_code(wire: websocket.WebSocket) -> None:
    wire.send_close(1000)
    assert _close_code(wire) == 1000


def test_a_message_in_fragments_is_put_together(
    wire: websocket.WebSocket, account: Account
) -> None:
    text = "40" + json.dumps({"token": account.access_token})
    wire.send_frame(ABNF.create_frame(text[:7], ABNF.OPCODE_TEXT, fin=0))
    wire.send_frame(ABNF.create_frame(text[7:], ABNF.OPCODE_CONT, fin=1))
    assert str(wire.recv()).startswith("40")


def test_leaving_and_joining_again_on_one_connection_works(
    wire: websocket.WebSocket, account: Account, client: Client
) -> None:
    _join(wire, account.access_token)
    wire.send("41")
    assert _join(wire, account.access_token).startswith("40")
    client.start(account, "abc")
    assert str(wire.recv()).startswith('42["execution:chunk"')


def test_the_first_bytes_after_a_connect_are_its_answer_even_in_the_middle_of_a_run(
    client: Client, account: Account
) -> None:
    content = json.dumps({"text": "x" * 200, "chunks": 200, "interval": 0.001})
    url = client.emulator.url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    client.start(account, content)
    for _ in range(10):
        made = websocket.create_connection(url, timeout=_PATIENCE, http_no_proxy=["127.0.0.1"])
        assert str(made.recv()).startswith("0")
        assert _join(made, account.access_token).startswith("40")
        made.shutdown()


def test_sockets_are_counted_while_they_are_open(client: Client, account: Account) -> None:
    before = client.emulator.stats()
    with listening(client.emulator, account), listening(client.emulator, account, ["polling"]):
        during = client.emulator.stats()
    assert during["sockets_open"] - before["sockets_open"] == 2
    assert during["connects"] - before["connects"] == 2
    assert eventually(lambda: client.emulator.stats()["sockets_open"] == 0)


@pytest.mark.parametrize(
    ("mode", "reason"), [("abort", "transport error"), ("kick", "server disconnect")]
)
def test_all_sockets_can_be_dropped_by_control(
    client: Client, account: Account, mode: str, reason: str
) -> None:
    with listening(client.emulator, account) as one, listening(client.emulator, account) as two:
        assert client.emulator.drop_sockets(mode) == 2
        assert [socket.disconnects.get(timeout=5) for socket in (one, two)] == [reason] * 2
        assert eventually(lambda: client.emulator.stats()["sockets_open"] == 0)


def test_a_polling_client_can_be_dropped_too(client: Client, account: Account) -> None:
    with listening(client.emulator, account, ["polling"]) as socket:
        assert client.emulator.drop_sockets() == 1
        assert socket.disconnects.get(timeout=5)


def test_a_socket_is_cut_at_the_end_of_its_lifetime() -> None:
    with running_emulator("--socket-lifetime", "0.3") as emulator, client_of(emulator) as client:
        account = client.sign_up()
        with listening(emulator, account) as socket:
            began = time.monotonic()
            assert socket.disconnects.get(timeout=5) == "transport error"
            assert 0.1 < time.monotonic() - began < 1.0


def _refusal(client: Client, account: Account) -> Any:
    late = Listener(["websocket"])
    with pytest.raises(socketio.exceptions.ConnectionError):
        late.connect(client.emulator.url, account.access_token)
    return late.refusals.get(timeout=1)


def test_a_connect_can_be_refused_on_purpose(client: Client, account: Account) -> None:
    client.emulator.faults(connect={"refuse": True, "message": "not today", "times": 1})
    assert _refusal(client, account) == {"message": "not today"}
    with listening(client.emulator, account):
        pass
    assert client.emulator.stats()["connects_refused"] >= 1


def test_a_connect_can_be_made_to_wait(client: Client, account: Account) -> None:
    client.emulator.faults(connect={"hang": 0.15, "times": 1})
    began = time.monotonic()
    with listening(client.emulator, account):
        assert time.monotonic() - began >= 0.15


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_handshake_can_be_refused_on_purpose(
    client: Client, account: Account, transport: str
) -> None:
    client.emulator.faults(handshake={"status": 503, "retry_after": 3, "times": 1})
    url = f"{client.emulator.url}/socket.io/?EIO=4&transport={transport}"
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"} if transport == "websocket" else {}
    answer = client.http.get(url, headers=headers, timeout=_PATIENCE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    with listening(client.emulator, account, [transport]):
        pass


def test_a_handshake_can_be_made_to_wait(client: Client, account: Account) -> None:
    client.emulator.faults(handshake={"hang": 0.15, "times": 1})
    began = time.monotonic()
    with listening(client.emulator, account):
        assert time.monotonic() - began >= 0.15


def test_a_frozen_socket_stays_open_and_silent(
    wire: websocket.WebSocket, account: Account, client: Client
) -> None:
    _join(wire, account.access_token)
    content = {"text": "abcd", "chunks": 4, "fault": "freeze", "at": 2}
    client.start(account, json.dumps(content))
    texts = [json.loads(str(wire.recv())[2:])[1]["content"] for _ in range(2)]
    assert texts == ["a", "ab"]
    wire.settimeout(0.2)
    with pytest.raises(websocket.WebSocketTimeoutException):
        wire.recv()
    assert client.emulator.runs()[-1]["state"] == "completed"


@pytest.mark.parametrize(
    ("fault", "bytes_sent"), [("bad-text", b"\x81\x02\xff\xfe"), ("bad-frame", b"\x8f\x00")]
)
def test_bytes_that_break_the_protocol_are_sent_as_they_are(
    wire: websocket.WebSocket, account: Account, client: Client, fault: str, bytes_sent: bytes
) -> None:
    _join(wire, account.access_token)
    client.start(account, json.dumps({"text": "abcd", "fault": fault, "at": 0}))
    assert wire.sock.recv(len(bytes_sent)) == bytes_sent


def test_a_reader_that_stalls_gets_everything_in_order_once_it_reads(
    wire: websocket.WebSocket, account: Account, client: Client
) -> None:
    _join(wire, account.access_token)
    content = {"text": "y" * 300_000, "chunks": 60, "interval": 0}
    client.start(account, json.dumps(content))
    time.sleep(0.3)
    lengths: list[tuple[str, int]] = []
    while not lengths or lengths[-1][0] != "completed":
        record = json.loads(str(wire.recv())[2:])[1]
        lengths.append((record["status"], len(record["content"])))
    assert [length for _, length in lengths] == [*range(5_000, 300_001, 5_000), 300_000]


def test_a_reader_that_never_reads_holds_up_no_other(
    wire: websocket.WebSocket, account: Account, client: Client
) -> None:
    _join(wire, account.access_token)
    client.start(account, json.dumps({"fault": "big", "size": 20_000_000, "interval": 0}))
    other = client.sign_up()
    with listening(client.emulator, other) as socket:
        client.start(other, "abc")
        assert socket.run()[-1]["content"] == "abc"
