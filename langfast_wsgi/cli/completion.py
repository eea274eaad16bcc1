"""One chat completion, streamed from a gateway: what a client without an SDK has to do.

Every way in which it can fail is a :class:`ChatFailed` with one sentence. No foreign exception's
words are handed on: they may hold the key.
"""

import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import requests
from urllib3.exceptions import HTTPError

from langfast_wsgi.cli import address, unreached
from langfast_wsgi.cli.sse import ServerSentEvent, SseReader
from langfast_wsgi.observe.logs import one_line

CONNECT_SECONDS = 10.0
QUIET_SECONDS = 300.0  # a gateway sends heartbeats; where they are turned off, models may think
ERROR_BYTES = 64 * 1024
LONGEST_WORDS = 600  # of a gateway's own sentence


class ChatFailed(Exception):
    """No answer, or half of one; the message is one sentence, ``code`` the gateway's word."""

    def __init__(self, sentence: str, *, code: str | None = None, refused: bool = False) -> None:
        super().__init__(sentence)
        self.code = code
        #: Nobody listens there.
        self.refused = refused


class Completion:
    """An answer on its way: iterate over its texts, then ask for its ``finish_reason``."""

    def __init__(self, api: str, key: str | None, body: Mapping[str, Any]) -> None:
        self._api = api
        self._body = {**body, "stream": True}
        self._key = key
        self._http = session(api, key)
        self.finish_reason: str | None = None

    def __repr__(self) -> str:
        return f"<Completion from {address.shown(self._api)}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def __iter__(self) -> Iterator[str]:
        """The texts as they come. Raises ChatFailed."""
        with self._opened() as response:
            for event in self._events(response):
                if event.data == "[DONE]":
                    return
                text = self._text(event)
                if text:
                    yield text
        raise ChatFailed("The answer broke off: the stream ended without its end mark.")

    def _opened(self) -> requests.Response:
        if not fits_a_header(self._key or ""):
            raise ChatFailed("The key holds characters that no HTTP header can carry.")
        try:
            response = self._http.post(
                f"{self._api}/chat/completions",
                json=self._body,
                headers={"Accept": "text/event-stream", "Accept-Encoding": "identity"},
                timeout=(CONNECT_SECONDS, QUIET_SECONDS),
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise _not_reached(self._api, error) from None
        if response.status_code != 200:
            with response:
                raise _refused(response)
        kind = response.headers.get("Content-Type", "")
        if not kind.lower().startswith("text/event-stream"):
            response.close()
            raise ChatFailed(
                f"{address.shown(self._api)} did not answer with a stream: is it a gateway?"
            )
        return response

    def _events(self, response: requests.Response) -> Iterator[ServerSentEvent]:
        reader = SseReader()
        while piece := _piece(response):
            yield from reader.feed(piece)
        yield from reader.finish()

    def _text(self, event: ServerSentEvent) -> str:
        try:
            chunk = json.loads(event.data)
        except ValueError:
            raise ChatFailed("The answer broke off: the gateway sent half an event.") from None
        if not isinstance(chunk, dict):
            raise ChatFailed("The gateway sent an event that is no chunk of an answer.")
        if chunk.get("error"):
            words, code = _words(chunk)
            raise ChatFailed(f"The answer broke off: {words}", code=code)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else {}
        if not isinstance(choice, dict):
            raise ChatFailed("The gateway sent an event that is no chunk of an answer.")
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        delta = choice.get("delta")
        content = delta.get("content") if isinstance(delta, dict) else None
        return content if isinstance(content, str) else ""


def session(url: str, key: str | None) -> requests.Session:
    """An HTTP session that sends this key and no other; on this machine it takes no detour."""
    made = requests.Session()
    # A proxy is none of the loopback's business.
    made.trust_env = not address.is_this_machine(url)
    made.auth = _Bearer(key)
    return made


def fits_a_header(key: str) -> bool:
    """Whether a key can be sent at all."""
    return key.isprintable() and all(ord(character) < 256 for character in key)


class _Bearer(requests.auth.AuthBase):
    """Our key or none at all: without this, requests would take a password from ~/.netrc."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _piece(response: requests.Response) -> bytes:
    """What has arrived, as soon as there is anything; empty at the end."""
    try:
        piece: bytes = response.raw.read1(65536)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        if unreached.cause(error) is unreached.Cause.TIMEOUT:
            sentence = f"The answer broke off: nothing came for {QUIET_SECONDS:.0f} s."
        else:
            sentence = "The answer broke off: the connection to the gateway was lost."
        raise ChatFailed(sentence) from None
    return piece


def _not_reached(api: str, error: Exception) -> ChatFailed:
    where, cause = address.shown(api), unreached.cause(error)
    if cause is not unreached.Cause.REFUSED:
        return ChatFailed(f"No answer from {where}: {cause.value}.")
    hint = " Start one with: langfast serve" if address.is_this_machine(api) else ""
    return ChatFailed(f"No gateway listens at {where}.{hint}", refused=True)


def _refused(response: requests.Response) -> ChatFailed:
    """What an answer with any other status says."""
    status = response.status_code
    if 300 <= status < 400:
        return ChatFailed(f"The gateway's address has moved ({status}): give the new one.")
    try:
        found = json.loads(response.raw.read(ERROR_BYTES, decode_content=True))
    except (HTTPError, OSError, ValueError):
        found = None
    words, code = _words(found)
    wait = response.headers.get("Retry-After", "")
    again = f" Try again in {wait} s." if wait.isdecimal() else ""
    return ChatFailed(f"The gateway answered {status}: {words}{again}", code=code)


def _words(found: object) -> tuple[str, str | None]:
    """The sentence and the code of an error in OpenAI's shape, fit for a terminal."""
    error = found.get("error") if isinstance(found, dict) else None
    if isinstance(error, str):
        return one_line(error, LONGEST_WORDS), None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return "it gives no reason in a form that we know.", None
    code = error.get("code")
    words = one_line(error["message"], LONGEST_WORDS)
    if not isinstance(code, str) or not code:
        return words, None
    return f"{words} ({one_line(code, 60)})", code
