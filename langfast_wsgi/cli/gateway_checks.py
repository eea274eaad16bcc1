"""Checks of a running gateway, as one of its callers."""

import json
import time

import requests
from urllib3.exceptions import HTTPError

from langfast_wsgi.cli import address, advice, unreached
from langfast_wsgi.cli.completion import ChatFailed, Completion, session
from langfast_wsgi.cli.steps import NotDone, Step, Wrong
from langfast_wsgi.observe.logs import one_line

PROMPT = "Say OK."
ANSWER_SECONDS = 10.0
ANSWER_BYTES = 64 * 1024
MARGIN = 5.0
NAMES = ("gateway", "gateway ready", "gateway chat")


class GatewayChecks:
    """The gateway at an address. ``certain``: it was named, so it has to be there."""

    def __init__(self, root: str, key: str | None, *, certain: bool, run_limit: float) -> None:
        self._root = root
        self._key = key
        self._certain = certain
        self._run_limit = run_limit

    def __repr__(self) -> str:
        return f"<GatewayChecks of {address.shown(self._root)}>"

    def steps(self) -> list[Step]:
        """The chain."""
        alive, ready, chat = NAMES
        limit = ANSWER_SECONDS + MARGIN
        return [
            Step(alive, self._alive, limit),
            Step(ready, self._ready, limit, needed=False),
            Step(chat, self._chat, self._run_limit + MARGIN),
        ]

    def _alive(self) -> str:
        where = address.shown(self._root)
        status, found = self._get("/healthz")
        self._certain = True
        if status != 200 or found.get("status") != "ok":
            raise Wrong(
                f"{where} answers {status} at /healthz: that is no gateway of this kind",
                advice.by_code("no_answer"),
            )
        return f"/healthz answers at {where}"

    def _ready(self) -> str:
        status, found = self._get("/readyz")
        if status == 200:
            return "/readyz: an account is ready"
        details = (value for value in found.values() if isinstance(value, dict))
        trouble = next((one["trouble"] for one in details if one.get("trouble")), None)
        if not isinstance(trouble, str):
            trouble = "shutting_down" if found.get("draining") else "not_ready"
        raise Wrong(f"/readyz answers {status}: {one_line(trouble, 60)}", advice.by_code(trouble))

    def _chat(self) -> str:
        begun, first, length = time.monotonic(), 0.0, 0
        body = {"messages": [{"role": "user", "content": PROMPT}]}
        try:
            with Completion(address.api(self._root), self._key, body) as answer:
                for text in answer:
                    first = first or time.monotonic() - begun
                    length += len(text)
        except ChatFailed as failed:
            raise Wrong(str(failed), advice.by_code(failed.code or "no_answer")) from None
        spent = time.monotonic() - begun
        return f"first text after {first:.2f} s, {length} characters in {spent:.2f} s"

    def _get(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and body, empty where it is no object. No key: these routes want none."""
        try:
            with (
                session(self._root, None) as http,
                http.get(
                    self._root + path, timeout=ANSWER_SECONDS, allow_redirects=False, stream=True
                ) as answer,
            ):
                content = answer.raw.read(ANSWER_BYTES, decode_content=True)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise self._not_reached(unreached.cause(error)) from None
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        return answer.status_code, found if isinstance(found, dict) else {}

    def _not_reached(self, cause: unreached.Cause) -> Exception:
        where = address.shown(self._root)
        if cause is not unreached.Cause.REFUSED:
            return Wrong(f"no answer from {where}: {cause.value}", advice.by_code("no_answer"))
        if self._certain:
            return Wrong(f"nothing listens at {where}", advice.by_code("no_gateway"))
        return NotDone(f"none runs at {where}; langfast serve starts one")
