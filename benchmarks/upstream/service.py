"""The three services on one port: accounts, the start of runs, and Socket.IO."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson

from benchmarks.orders import Order
from benchmarks.upstream import frames
from benchmarks.upstream.connections import Connection
from benchmarks.upstream.runs import Run, Schedule

PING_SECONDS = 25.0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Service:
    """Who is connected, and what they are sent."""

    def __init__(self) -> None:
        self.schedule = Schedule()
        self._sockets: dict[str, list[Connection]] = {}
        self._routes: dict[bytes, Callable[[dict[bytes, bytes], bytes], bytes]] = {
            b"POST /auth/v1/signup": self._granted,
            b"POST /auth/v1/token": self._granted,
            b"POST /functions/v1/initiate-prompt-run": self._start,
            b"GET /bench/lateness": self._lateness,
        }

    def http(self, connection: Connection) -> None:
        """Answer the requests in the buffer; an upgrade makes it a Socket.IO connection."""
        while (end := connection.buffer.find(b"\r\n\r\n")) >= 0:
            lines = bytes(connection.buffer[:end]).split(b"\r\n")
            headers = dict(_header(line) for line in lines[1:])
            size = int(headers.get(b"content-length", 0))
            if len(connection.buffer) < end + 4 + size:
                return
            body = bytes(connection.buffer[end + 4 : end + 4 + size])
            del connection.buffer[: end + 4 + size]
            if b"sec-websocket-key" in headers:
                self._upgrade(connection, headers[b"sec-websocket-key"])
                return
            method, target = lines[0].split(b" ")[:2]
            route = self._routes.get(method + b" " + target.split(b"?")[0])
            connection.write(_answer(404) if route is None else route(headers, body))

    def _granted(self, _headers: dict[bytes, bytes], _body: bytes) -> bytes:
        user = str(uuid4())
        claims = base64.urlsafe_b64encode(orjson.dumps({"sub": user})).rstrip(b"=").decode()
        grant = {
            "access_token": f"e30.{claims}.{secrets.token_hex(8)}",
            "token_type": "bearer",
            "expires_in": 86400,
            "refresh_token": secrets.token_hex(6),
            "user": {"id": user},
        }
        return _answer(200, grant)

    def _start(self, headers: dict[bytes, bytes], body: bytes) -> bytes:
        asked = orjson.loads(body)
        order = Order(**orjson.loads(asked["prompt_meta"]["messages"][-1]["content"]))
        user = _user(headers[b"authorization"])
        sockets = self._sockets.setdefault(user, [])

        def send(data: bytes) -> None:
            for one in sockets:
                one.write(data)

        run = Run(order, send)
        self.schedule.add(time.monotonic() + order.delay, run)
        return _answer(200, {"run_id": asked["run_id"], "jobs": [{"job_id": run.job_id}]})

    def _lateness(self, _headers: dict[bytes, bytes], _body: bytes) -> bytes:
        late = sorted(self.schedule.lateness)
        self.schedule.lateness.clear()
        p99 = late[int(len(late) * 0.99)] if late else 0.0
        return _answer(200, {"steps": len(late), "p99": p99})

    # --- Socket.IO -------------------------------------------------------------------------------

    def _upgrade(self, connection: Connection, key: bytes) -> None:
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        connection.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        opening = {
            "sid": secrets.token_hex(10),
            "upgrades": [],
            "pingInterval": int(PING_SECONDS * 1000),
            "pingTimeout": 20000,
            "maxPayload": 1000000,
        }
        connection.write(frames.text(b"0" + orjson.dumps(opening)))
        connection.handler = self._joining
        if connection.buffer:
            self._joining(connection)

    def _joining(self, connection: Connection) -> None:
        for kind, payload in frames.take(connection.buffer):
            if kind == frames.CLOSE:
                connection.close()
                return
            if payload[:2] == b"40":
                self._join(connection, orjson.loads(payload[2:])["token"])
            elif payload[:2] == b"41":
                connection.close()
                return

    def _join(self, connection: Connection, token: str) -> None:
        sockets = self._sockets.setdefault(_user(token.encode()), [])
        sockets.append(connection)
        connection.left = lambda: sockets.remove(connection)
        connection.write(frames.text(b"40" + orjson.dumps({"sid": secrets.token_hex(10)})))
        self.schedule.add(time.monotonic() + PING_SECONDS, _Pings(connection))


class _Pings:
    """Engine.IO's pings; the pongs are ignored."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def step(self, due: float) -> float | None:
        """Ping."""
        if self._connection.fd < 0:
            return None
        self._connection.write(frames.text(b"2"))
        return due + PING_SECONDS


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _user(token: bytes) -> str:
    """The ``sub`` of a token of ours, with or without the word Bearer."""
    claims = token.split(b".")[1]
    return str(orjson.loads(base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4)))["sub"])


def _answer(status: int, body: Any = None) -> bytes:
    content = orjson.dumps(body if body is not None else {})
    return (
        b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (status, len(content))
        + content
    )
