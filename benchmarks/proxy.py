"""``python -m benchmarks.proxy URL RTT [PEM]``: a TCP proxy that is as far away as it is told.

Bytes are handed on half a round trip later, in order. A new connection costs one round trip more,
for the handshake that loopback does at once: what the caller sends is held back for so long.
With a certificate and its key in a file, its callers speak TLS.
"""

import asyncio
import json
import ssl
import sys
from collections import deque
from urllib.parse import urlsplit


class Pipe(asyncio.Protocol):
    """One side of a connection; what it hears is said by the other, later."""

    def __init__(self, delay: float, opening: float = 0.0) -> None:
        self._delay = delay
        self._opening = opening
        self._earliest = 0.0
        self._loop = asyncio.get_running_loop()
        self._queue: deque[bytes] = deque()
        self._transport: asyncio.Transport | None = None
        self.other: Pipe | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._earliest = self._loop.time() + self._opening
        if self.other is None:
            transport.pause_reading()  # there is nobody to hand it on to

    def hand_to(self, other: "Pipe") -> None:
        """From now on."""
        self.other = other
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Keep it for a while; empty bytes stand for the end."""
        self._queue.append(data)
        self._loop.call_at(max(self._loop.time(), self._earliest) + self._delay, self._hand_on)

    def connection_lost(self, _: Exception | None) -> None:
        """The other side hears of it as late as of anything else."""
        if not self._loop.is_closed():
            self.data_received(b"")

    def _hand_on(self) -> None:
        data = self._queue.popleft()
        other = self.other._transport if self.other else None
        if other is None:
            return
        if data:
            other.write(data)
        else:
            other.close()


async def _serve(url: str, rtt: float, pem: str | None = None) -> None:
    target = urlsplit(url)
    host, far_port = target.hostname, target.port
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def accept() -> Pipe:
        near = Pipe(rtt / 2, opening=rtt)
        task = loop.create_task(connect(near))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return near

    async def connect(near: Pipe) -> None:
        far = Pipe(rtt / 2)
        await loop.create_connection(lambda: far, str(host), int(far_port or 80))
        near.hand_to(far)
        far.hand_to(near)

    tls = None
    if pem is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)
    server = await loop.create_server(accept, "127.0.0.1", 0, backlog=1024, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    scheme = "https" if tls else "http"
    print(json.dumps({"url": f"{scheme}://127.0.0.1:{port}"}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2]), *sys.argv[3:]))
