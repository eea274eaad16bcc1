"""A server of another kind: it completes chats, streamed and not, and has nothing else."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HEAD = {"id": "chatcmpl-1", "created": 1_735_689_600, "model": "small"}


class _Handler(BaseHTTPRequestHandler):
    """Reads what it is sent, and heeds nothing of it but ``stream`` and the last message."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > 1 << 24:
            self._plain(413, b"too large")
            self.close_connection = True
            return
        try:
            body = json.loads(self.rfile.read(length))
            text = str(body["messages"][-1]["content"]).partition("\n")[2] or "Hello"
        except (ValueError, LookupError, TypeError):
            self._plain(400, b"bad request")
            return
        if self.path != "/v1/chat/completions":
            self._plain(404, b"not found")
        elif body.get("stream"):
            self._stream(text)
        else:
            self._json(text)

    def do_GET(self) -> None:
        self._plain(404, b"not found")

    def _json(self, text: str) -> None:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        body = {**HEAD, "object": "chat.completion", "choices": [choice], "usage": usage}
        self._answer(200, "application/json", json.dumps(body).encode())

    def _stream(self, text: str) -> None:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word} for word in text.replace(" ", " \0").split("\0")]
        lines = [_line(delta, None) for delta in deltas]
        body = "".join([*lines, _line({}, "stop"), "data: [DONE]\n\n"])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def _plain(self, status: int, body: bytes) -> None:
        self._answer(status, "text/plain", body)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to anybody."""


def _line(delta: dict[str, Any], reason: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


@contextmanager
def foreign() -> Iterator[str]:
    """Its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
