"""Encoding and framing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from langfast_wsgi.emulator.jsontext import encoded
from langfast_wsgi.emulator.sockets.events import event


def _frames(data: bytes) -> list[str | bytes]:
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(data)
    parts: list[str | bytes] = []
    for frame in client.received_frames():
        assert not isinstance(frame.payload, tuple)
        parts.append(frame.payload if isinstance(frame.payload, str) else bytes(frame.payload))
    return parts


@pytest.mark.parametrize("size", [0, 1, 100, 125, 126, 2_000, 65_500, 65_535, 65_536, 200_000])
def test_a_frame_of_any_size_is_read_back_whole(size: int) -> None:
    made = event("e", "x" * size)
    text = "".join(str(part) for part in _frames(made.frames))
    assert text == f'42["e","{"x" * size}"]'


def test_an_attachment_follows_in_a_binary_frame() -> None:
    text, attachment = _frames(event("e", {"num": 0}, attachment=b"\x00\xff").frames)
    assert (text, attachment) == ('451-["e",{"num":0}]', b"\x00\xff")


def test_text_is_utf_8_and_half_a_character_an_escape() -> None:
    assert encoded(["ä🦊"]) == '["ä🦊"]'.encode()
    assert encoded(["ä\ud83e"]) == '["ä\\ud83e"]'.encode()


@given(st.text(st.characters(), max_size=50))
def test_any_text_survives_even_with_lone_surrogates(text: str) -> None:
    assert json.loads(encoded([text])) == json.loads(json.dumps([text]))
