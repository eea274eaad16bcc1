"""Packets of both protocols: parsing, putting together, encoding."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langfast_wsgi.emulator.sockets import messages, packets
from langfast_wsgi.emulator.sockets.messages import BadMessage, Decoder, Message
from langfast_wsgi.emulator.sockets.packets import BadPacket, Packet


@pytest.mark.parametrize(
    ("received", "packet"),
    [
        ("4hello", Packet("4", "hello")),
        ("2probe", Packet("2", "probe")),
        ("3", Packet("3", "")),
        (b"\x01", Packet("4", b"\x01")),
        ("bAQID", Packet("4", b"\x01\x02\x03")),
        ("b", Packet("4", b"")),
    ],
)
def test_a_packet_is_a_kind_and_data(received: str | bytes, packet: Packet) -> None:
    assert packets.parsed(received) == packet


@pytest.mark.parametrize("received", ["", "7", "abc", "b!", "b=", "\u0664"])
def test_what_is_no_packet_is_told(received: str) -> None:
    with pytest.raises(BadPacket):
        packets.parsed(received)


def test_a_payload_separates_packets_and_has_bytes_in_base64() -> None:
    assert packets.payload(["4a", b"\x01\x02\x03", "2"]) == "4a\x1ebAQID\x1e2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", Message(messages.CONNECT)),
        ('0{"token":"x"}', Message(messages.CONNECT, data={"token": "x"})),
        ("0/a", Message(messages.CONNECT, "/a")),
        ('0/a,{"b":1}', Message(messages.CONNECT, "/a", data={"b": 1})),
        ("1/a,", Message(messages.DISCONNECT, "/a")),
        ('2["e"]', Message(messages.EVENT, data=["e"])),
        ('2/a,12["e",{"x":"/,"}]', Message(messages.EVENT, "/a", 12, ["e", {"x": "/,"}])),
        ("30[]", Message(messages.ACK, id=0, data=[])),
        ('4"why"', Message(messages.CONNECT_ERROR, data="why")),
    ],
)
def test_a_text_is_a_message(text: str, message: Message) -> None:
    assert Decoder().add(text) == message


_NO_EVENTS = ["2", "2[]", "2{}", "2[true]", '2["connect"]', "2abc[]", '2["e"] x', "\u0662[1]"]
_NO_BINARY_EVENTS = ['5["e"]', '50-["e"]', '511-["e"]', "51-[]"]


@pytest.mark.parametrize(
    "text", [*_NO_EVENTS, *_NO_BINARY_EVENTS, "", "7", "0[]", "1{}", "3", "3{}"]
)
def test_what_is_no_message_is_told(text: str) -> None:
    with pytest.raises(BadMessage):
        Decoder().add(text)


_HOLE = {"_placeholder": True, "num": 0}


def test_attachments_are_put_where_they_belong_and_the_next_message_is_read_anew() -> None:
    decoder = Decoder()
    first = '52-/a,["e",{"x":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":0}]'
    assert decoder.add(first) is None
    assert decoder.add(b"zero") is None
    assert decoder.add(b"one") == Message(messages.EVENT, "/a", None, ["e", {"x": b"one"}, b"zero"])
    assert decoder.add('2["f"]') == Message(messages.EVENT, data=["f"])


@pytest.mark.parametrize("then", ['2["e"]', None])
def test_only_an_attachment_may_follow_where_one_is_due(then: str | None) -> None:
    decoder = Decoder()
    if then is not None:
        decoder.add('51-["e",{"_placeholder":true,"num":0}]')
    with pytest.raises(BadMessage):
        decoder.add(then if then is not None else b"of nothing")


@pytest.mark.parametrize("number", [1, -1, "0", None])
def test_a_placeholder_for_nothing_is_told(number: object) -> None:
    decoder = Decoder()
    hole: Any = {"_placeholder": True, "num": number}
    [text] = messages.encoded(messages.EVENT, data=["e", hole])
    decoder.add("51-" + str(text)[2:])
    with pytest.raises(BadMessage):
        decoder.add(b"x")


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(_VALUES, max_size=3), st.sampled_from(["/", "/a"]), st.none() | st.integers(0, 99))
def test_what_was_encoded_is_decoded_again(data: list[Any], namespace: str, id: int | None) -> None:
    first, *attachments = messages.encoded(messages.EVENT, namespace, ["e", *data], id)
    decoder = Decoder()
    read = decoder.add(str(first)[1:])
    for attachment in attachments:
        assert read is None
        read = decoder.add(attachment)
    assert read == Message(messages.EVENT, namespace, id, ["e", *data])
