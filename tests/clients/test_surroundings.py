"""A Python client that wants more than loopback fails its test, whatever it makes of it."""

import pytest

from tests.clients.python.program import Surroundings

SWALLOWED = """
import contextlib, socket
with contextlib.suppress(OSError):
    {call}
"""
CALLS = [
    "socket.create_connection(('192.0.2.1', 80))",
    "socket.getaddrinfo('telemetry.example', 443)",
    "socket.socket(type=socket.SOCK_DGRAM).sendto(b'hi', ('192.0.2.1', 53))",
    "__import__('asyncio').run(__import__('asyncio').open_connection('telemetry.example', 443))",
]


@pytest.mark.parametrize("call", CALLS)
def test_an_attempt_is_refused_and_fails_the_test(call: str) -> None:
    with pytest.raises(AssertionError, match="more than loopback"):  # noqa: PT012, SIM117
        with Surroundings("openai3") as around:
            done = around.run((str(around.bin / "python"), "-c", SWALLOWED.format(call=call)))
            assert done.returncode == 0, done.stderr
