"""The naive gateway: Flask, a stock Socket.IO client for each request, ``requests``, ``json``.

One thing is done for it that the simplest would not do: accounts are kept for the next request, so
that sign-ups are not part of what is measured.
"""

import json
import os
import queue
import time
from collections import deque
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import requests
import socketio
from flask import Flask, Response, jsonify, request

URL = os.environ["SUPABASE_URL"]
HEADERS = {"apikey": os.environ["SUPABASE_ANON_KEY"]}

app = Flask(__name__)
accounts: deque[dict[str, Any]] = deque()


@app.post("/v1/chat/completions")
def create() -> Response:
    """The one route."""
    body = request.get_json()
    texts = _texts(body)
    if body.get("stream"):
        return Response(_events(texts, body["model"]), content_type="text/event-stream")
    *_, (text, reason) = texts
    message = {"role": "assistant", "content": text}
    return jsonify(choices=[{"index": 0, "message": message, "finish_reason": reason}])


def _account() -> dict[str, Any]:
    try:
        return accounts.popleft()
    except IndexError:
        answer = requests.post(f"{URL}/auth/v1/signup", headers=HEADERS, json={}, timeout=30)
        return dict(answer.json())


def _texts(body: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """The whole text so far, again and again; with the last one the finish reason."""
    account = _account()
    received: queue.Queue[dict[str, Any]] = queue.Queue()
    client = socketio.Client()
    client.on("execution:chunk", received.put)
    client.connect(
        URL, auth={"token": account["access_token"]}, transports=["websocket"], wait_timeout=30
    )
    try:
        _start(account, body)
        while True:
            event = received.get(timeout=60)
            yield event["content"], event["finish_reason"]
            if event["status"] == "completed":
                return
    finally:
        client.disconnect()
        accounts.append(account)


def _start(account: dict[str, Any], body: dict[str, Any]) -> None:
    started = requests.post(
        f"{URL}/functions/v1/initiate-prompt-run",
        headers={**HEADERS, "Authorization": f"Bearer {account['access_token']}"},
        json={
            "run_id": str(uuid4()),
            "prompt_id": os.environ["PROMPT_ID"],
            "prompt_meta": {"model": body["model"], "messages": body["messages"], "stream": True},
            "test_cases": [],
            "created_by": account["user"]["id"],
        },
        timeout=30,
    )
    started.raise_for_status()


def _events(texts: Iterator[tuple[str, str | None]], model: str) -> Iterator[str]:
    answer_id, created, seen = f"chatcmpl-{uuid4().hex}", int(time.time()), ""
    for text, reason in texts:
        new, seen = text[len(seen) :], text
        choice = {"index": 0, "delta": {"content": new}, "finish_reason": reason}
        chunk = {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "choices": [choice],
        }
        yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"
